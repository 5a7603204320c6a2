//! The start of a runtime's workers: each tells what it has made, and waits for what all of them together make.
//!
//! ```text
//!   worker thread                       the thread that starts
//!   report ------> tellings, failed --> all_told
//!   outcome <----- decided <----------- decide, or a drop: not started
//! ```

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Where both sides meet. `T` is what a worker tells, `R` what comes of it.
pub(crate) struct Gate<T, R> {
    state: Mutex<State<T, R>>,
    /// All have told, or one has failed. Nobody is woken for less.
    told: Condvar,
    decided: Condvar,
}

struct State<T, R> {
    /// By worker.
    told: Vec<Option<T>>,
    missing: usize,
    failed: Option<io::Error>,
    /// None inside: the runtime does not start.
    decided: Option<Option<R>>,
}

impl<T, R: Clone> Gate<T, R> {
    /// For so many workers.
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        let told = (0..workers).map(|_| None).collect();
        let state = State { told, missing: workers, failed: None, decided: None };
        Arc::new(Gate { state: Mutex::new(state), told: Condvar::new(), decided: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's part. Dropped without a telling, as by a panic, it is a failure.
    pub(crate) fn reporter(self: &Arc<Self>, index: usize) -> Reporter<T, R> {
        Reporter { gate: Arc::clone(self), index, told: false }
    }

    /// Waits until every worker has told what it made, or one has failed.
    pub(crate) fn all_told(&self) -> io::Result<Vec<T>> {
        let mut state = self.state();
        while state.missing > 0 && state.failed.is_none() {
            state = self.told.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match state.failed.take() {
            Some(why) => Err(why),
            None => Ok(state.told.iter_mut().filter_map(Option::take).collect()),
        }
    }

    /// Lets the workers go on with `outcome`, or end. What was decided first holds.
    pub(crate) fn decide(&self, outcome: Option<R>) {
        self.state().decided.get_or_insert(outcome);
        self.decided.notify_all();
    }
}

/// See [`Gate::reporter`].
pub(crate) struct Reporter<T, R: Clone> {
    gate: Arc<Gate<T, R>>,
    index: usize,
    told: bool,
}

impl<T, R: Clone> Reporter<T, R> {
    fn tell(&mut self, what: io::Result<T>) {
        self.told = true;
        let mut state = self.gate.state();
        state.missing -= 1;
        match what {
            Ok(value) => state.told[self.index] = Some(value),
            Err(why) => state.failed = Some(why),
        }
        let enough = state.missing == 0 || state.failed.is_some();
        drop(state);
        if enough {
            self.gate.told.notify_all();
        }
    }

    /// Tells what was made, and waits for what comes of it. None: this worker is to end.
    pub(crate) fn report(mut self, what: io::Result<T>) -> Option<R> {
        self.tell(what);
        let mut state = self.gate.state();
        loop {
            match &state.decided {
                Some(outcome) => return outcome.clone(),
                None => state = self.gate.decided.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl<T, R: Clone> Drop for Reporter<T, R> {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Err(io::ErrorKind::Other.into()));
        }
    }
}

/// Ends the workers unless something else was decided before: for a start that fails half way.
pub(crate) struct EndUnlessStarted<'a, T, R: Clone>(pub(crate) &'a Gate<T, R>);

impl<T, R: Clone> Drop for EndUnlessStarted<'_, T, R> {
    fn drop(&mut self) {
        self.0.decide(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn workers_get_what_came_of_what_they_told_in_their_order() {
        let gate: Arc<Gate<usize, usize>> = Gate::new(3);
        let workers: Vec<_> = [2, 0, 1]
            .map(|n| {
                let reporter = gate.reporter(n);
                thread::spawn(move || reporter.report(Ok(n * 10)))
            })
            .into();
        let all = gate.all_told().unwrap();
        assert_eq!(all, [0, 10, 20]);
        gate.decide(Some(all.iter().sum()));
        drop(EndUnlessStarted(&gate));
        for worker in workers {
            assert_eq!(worker.join().unwrap(), Some(30));
        }
    }

    #[test]
    fn one_failure_ends_all() {
        let gate: Arc<Gate<(), ()>> = Gate::new(2);
        let (waits, fails) = (gate.reporter(0), gate.reporter(1));
        let waiting = thread::spawn(move || waits.report(Ok(())));
        drop(thread::spawn(move || fails.report(Err(io::ErrorKind::OutOfMemory.into()))));
        assert_eq!(gate.all_told().unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        drop(EndUnlessStarted(&gate));
        assert_eq!(waiting.join().unwrap(), None);
    }

    #[test]
    fn a_worker_that_tells_nothing_has_failed() {
        let gate: Arc<Gate<(), ()>> = Gate::new(1);
        drop(gate.reporter(0));
        assert_eq!(gate.all_told().unwrap_err().kind(), io::ErrorKind::Other);
    }
}
