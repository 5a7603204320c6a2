//! What other threads hand to the owner: a locked queue behind one flag.

use alloc::collections::VecDeque;

use crate::sync::{AtomicBool, Lock, Ordering};

/// See the module.
pub(crate) struct Inbox<J> {
    /// None once closed.
    jobs: Lock<Option<VecDeque<J>>>,
    /// Whether there may be jobs: lets the owner pass by without the lock.
    some: AtomicBool,
}

impl<J> Inbox<J> {
    pub(crate) fn new() -> Self {
        Inbox { jobs: Lock::new(Some(VecDeque::new())), some: AtomicBool::new(false) }
    }

    /// Adds a job; gives it back once closed. The caller unparks the owner after it.
    pub(crate) fn push(&self, job: J) -> Result<(), J> {
        self.add(job, |_| true)
    }

    /// As [`push`](Self::push); also where there is no memory for it the job comes back.
    pub(crate) fn try_push(&self, job: J) -> Result<(), J> {
        self.add(job, |jobs| jobs.try_reserve(1).is_ok())
    }

    fn add(&self, job: J, has_room: impl FnOnce(&mut VecDeque<J>) -> bool) -> Result<(), J> {
        let mut jobs = self.jobs.lock();
        let Some(jobs) = jobs.as_mut() else { return Err(job) };
        if !has_room(jobs) {
            return Err(job);
        }
        jobs.push_back(job);
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

    /// Owner: moves all jobs, oldest first, into `empty`, whose memory goes to the inbox: two lists, none of them made
    /// anew. Run or drop them after this returned, not under the lock.
    pub(crate) fn take(&self, empty: &mut VecDeque<J>) {
        debug_assert!(empty.is_empty());
        let mut jobs = self.jobs.lock();
        // ORDERING: Relaxed: under the lock, as the store in `push`.
        self.some.store(false, Ordering::Relaxed);
        if let Some(jobs) = jobs.as_mut() {
            core::mem::swap(jobs, empty);
        }
    }

    /// Owner: gives back the memory that jobs took.
    pub(crate) fn shrink(&self) {
        if let Some(jobs) = self.jobs.lock().as_mut() {
            jobs.shrink_to_fit();
        }
    }

    /// Owner: refuses what comes later; gives out what is there. Idempotent.
    pub(crate) fn close(&self) -> VecDeque<J> {
        let jobs = self.jobs.lock().take();
        // ORDERING: Relaxed: nothing is stored to it any more.
        self.some.store(false, Ordering::Relaxed);
        jobs.unwrap_or_default()
    }
}
