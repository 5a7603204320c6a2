//! Join records: a task's result, from its end until somebody has taken it.
//!
//! A record exists for each task that is not detached, from its spawn until it is joined or detached. The
//! future's drop puts the result in. When it may be taken depends: on a host-driven runtime at once, as its
//! tasks end on the joiner's own thread; with workers when the runtime's own join handle says that the task
//! has ended, else a joiner on another thread would find it still running.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::Instant;

use ouzel::{JoinHandle, TaskId};

use crate::error::{Error, Result};
use crate::memory;
use crate::options::deadline;

/// Where a task's result waits for its joiner.
#[derive(Debug)]
pub(crate) struct Join {
    state: Mutex<JoinState>,
    ended: Condvar,
    /// The end is what `handle` says, not the future's drop.
    by_handle: bool,
}

#[derive(Debug, Default)]
struct JoinState {
    /// Was in the table, or is.
    registered: bool,
    ended: bool,
    result: i32,
    joiner: Option<Waker>,
    handle: Option<JoinHandle<()>>,
}

/// The join records of a runtime.
#[derive(Debug, Default)]
pub(crate) struct Joins(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    by_id: HashMap<TaskId, Arc<Join>>,
    /// Records that have been made and are not in there yet. There is room for them.
    on_the_way: usize,
}

impl Join {
    fn lock(&self) -> MutexGuard<'_, JoinState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The future is gone, and this is what it left.
    pub(crate) fn settle(&self, result: i32) {
        self.lock().result = result;
        if !self.by_handle {
            self.end();
        }
    }

    /// Waits for the end of a task of a runtime with workers.
    pub(crate) fn attach(self: Arc<Self>, mut handle: JoinHandle<()>) {
        let waker = Waker::from(Arc::clone(&self));
        match Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(_) => self.end(),
            // Kept: dropping it would take the waker out.
            Poll::Pending => self.lock().handle = Some(handle),
        }
    }

    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let joiner = state.joiner.take();
        drop(state);
        self.ended.notify_all();
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// Whether the end is told before the runtime has marked the task as over.
    pub(crate) fn is_early(&self) -> bool {
        !self.by_handle
    }

    pub(crate) fn result(&self) -> Option<i32> {
        let state = self.lock();
        state.ended.then_some(state.result)
    }

    /// The result, or `joiner` is woken when there is one.
    pub(crate) fn poll(&self, joiner: &Waker) -> Result<Option<i32>> {
        let mut state = self.lock();
        if state.ended {
            return Ok(Some(state.result));
        }
        match &state.joiner {
            Some(known) if known.will_wake(joiner) => {}
            Some(_) => return Err(Error::BUSY),
            None => state.joiner = Some(joiner.clone()),
        }
        Ok(None)
    }

    /// Blocks for the result.
    pub(crate) fn wait(&self, timeout_ns: u64) -> Result<i32> {
        let deadline = deadline(timeout_ns);
        let mut state = self.lock();
        loop {
            if state.ended {
                return Ok(state.result);
            }
            state = match deadline {
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error::TIMED_OUT);
                    }
                    self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl Wake for Join {
    fn wake(self: Arc<Self>) {
        self.end();
    }
}

impl Joins {
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record for a task that is to be spawned: to be registered, which needs no memory, or given up.
    pub(crate) fn begin(&self, by_handle: bool) -> Result<Arc<Join>> {
        let join = memory::shared(Join { state: Mutex::default(), ended: Condvar::new(), by_handle })?;
        let mut records = self.lock();
        let on_the_way = records.on_the_way + 1;
        records.by_id.try_reserve(on_the_way).map_err(|_| Error::NO_MEMORY)?;
        records.on_the_way = on_the_way;
        Ok(join)
    }

    /// Its task has not been spawned.
    pub(crate) fn give_up(&self, join: &Join) {
        if !join.lock().registered {
            self.lock().on_the_way -= 1;
        }
    }

    pub(crate) fn find(&self, id: TaskId) -> Option<Arc<Join>> {
        self.lock().by_id.get(&id).cloned()
    }

    pub(crate) fn remove(&self, id: TaskId) -> Option<Arc<Join>> {
        self.lock().by_id.remove(&id)
    }

    /// Makes a record findable, the first time it is called for it.
    pub(crate) fn register(&self, id: TaskId, join: &Arc<Join>) {
        let mut state = join.lock();
        if !core::mem::replace(&mut state.registered, true) {
            let mut records = self.lock();
            records.on_the_way -= 1;
            records.by_id.insert(id, Arc::clone(join));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_stays_on_the_way() {
        let joins = Joins::default();
        let id = TaskId { index: 3, generation: 7 };
        let (spawned, refused) = (joins.begin(false).unwrap(), joins.begin(false).unwrap());
        assert_eq!(joins.lock().on_the_way, 2);
        joins.register(id, &spawned);
        // The second of the two who may do it.
        joins.register(id, &spawned);
        joins.give_up(&refused);
        joins.give_up(&spawned);
        assert_eq!(joins.lock().on_the_way, 0);
        assert!(Arc::ptr_eq(&joins.remove(id).unwrap(), &spawned) && joins.find(id).is_none());
    }
}
