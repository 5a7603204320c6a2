//! The start of a runtime's workers: they begin when there is a thread for each, or end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The side of the one who starts them. Dropped without [`Start::go`], as when a thread cannot be had, it ends those that wait.
pub(crate) struct Start(Arc<State>);

/// The side of a worker.
pub(crate) struct Waits(Arc<State>);

struct State {
    /// Whether to begin, once that is decided.
    begins: Mutex<Option<bool>>,
    decided: Condvar,
}

impl State {
    fn begins(&self) -> MutexGuard<'_, Option<bool>> {
        self.begins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Start {
    pub(crate) fn new() -> Self {
        Start(Arc::new(State { begins: Mutex::new(None), decided: Condvar::new() }))
    }

    /// A worker's part.
    pub(crate) fn waits(&self) -> Waits {
        Waits(Arc::clone(&self.0))
    }

    /// All of them begin.
    pub(crate) fn go(self) {
        *self.0.begins() = Some(true);
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        self.0.begins().get_or_insert(false);
        self.0.decided.notify_all();
    }
}

impl Waits {
    /// Whether to begin. Waits until that is decided.
    pub(crate) fn wait(self) -> bool {
        let mut begins = self.0.begins();
        loop {
            match *begins {
                Some(begins) => return begins,
                None => begins = self.0.decided.wait(begins).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{self, JoinHandle};

    fn workers(start: &Start) -> Vec<JoinHandle<bool>> {
        let worker = |_| {
            let waits = start.waits();
            thread::spawn(move || waits.wait())
        };
        (0..3).map(worker).collect()
    }

    #[test]
    fn all_begin_when_told_so_and_none_before() {
        let start = Start::new();
        let (workers, late) = (workers(&start), start.waits());
        assert!(workers.iter().all(|w| !w.is_finished()));
        start.go();
        assert!(workers.into_iter().all(|w| w.join().unwrap()));
        assert!(late.wait(), "one that comes when it is decided");
    }

    #[test]
    fn a_start_that_fails_ends_all() {
        let start = Start::new();
        let workers = workers(&start);
        drop(start);
        assert!(workers.into_iter().all(|w| !w.join().unwrap()));
    }
}
