//! What other threads hand to the owner: futures to spawn. A locked queue behind one flag.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::owner::Local;
use crate::sync::{AtomicBool, Lock, Ordering};

/// A spawn to be done by the owner. Dropped undone, it drops the future and tells its joiner.
pub(crate) type Job = Box<dyn FnOnce(&Local) + Send>;

/// See the module.
pub(crate) struct Inbox {
    /// None once closed.
    jobs: Lock<Option<VecDeque<Job>>>,
    /// Whether there may be jobs: lets the owner pass by without the lock.
    some: AtomicBool,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Inbox { jobs: Lock::new(Some(VecDeque::new())), some: AtomicBool::new(false) }
    }

    /// Adds a job; gives it back once closed. The caller unparks the owner after it.
    pub(crate) fn push(&self, job: Job) -> Result<(), Job> {
        let mut jobs = self.jobs.lock();
        match jobs.as_mut() {
            Some(jobs) => jobs.push_back(job),
            None => return Err(job),
        }
        // ORDERING: Relaxed: written under the lock; the owner that finds it false and sleeps is unparked
        // after this, and the token it then consumes brings the store with it.
        self.some.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Owner: whether a look into `take` is worth the lock.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        // ORDERING: Relaxed: see `push`.
        self.some.load(Ordering::Relaxed)
    }

    /// Owner: all jobs, oldest first; run or drop them after this returned, not under the lock.
    pub(crate) fn take(&self) -> VecDeque<Job> {
        let mut jobs = self.jobs.lock();
        // ORDERING: Relaxed: under the lock, as the store in `push`.
        self.some.store(false, Ordering::Relaxed);
        jobs.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Owner: refuses what comes later; gives out what is there. Idempotent.
    pub(crate) fn close(&self) -> VecDeque<Job> {
        let jobs = self.jobs.lock().take();
        // ORDERING: Relaxed: nothing is stored to it any more.
        self.some.store(false, Ordering::Relaxed);
        jobs.unwrap_or_default()
    }
}
