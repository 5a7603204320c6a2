//! What operations are lent, and how the host learns that it is its own again: `release`, exactly once.
//!
//! The duty to call it travels in the operation's payload ([`Lent`]). Who takes the last completion gets the
//! payload back and calls it. An operation without a holder has its payload dropped by the reactor, in the
//! middle of its work: then it goes to [`Released`], and is called outside ([`deliver`](crate::deliver)).

use core::cell::Cell;
use core::task::Waker;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::options::{Ud, UdFn};

/// Where releases go that cannot be called on the spot.
pub(crate) trait Home: Sync {
    /// Calls it soon, on a loop thread.
    fn release_later(&self, release: Release);
}

/// The payload of an operation: the duty to tell the host that its buffers are free.
pub(crate) struct Lent {
    home: &'static dyn Home,
    release: Option<UdFn>,
    ud: Ud,
}

/// What a blocking job is lent. It counts as running until this is gone.
pub(crate) struct JobLent {
    // In this order: the runtime may be freed once the job is not counted.
    lent: Lent,
    _running: Running,
}

struct Running(Arc<Jobs>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// How many blocking jobs have not ended. Outlives the runtime with the last of them.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    running: Mutex<usize>,
    none: Condvar,
}

impl Jobs {
    fn add(&self, n: isize) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = running.checked_add_signed(n).expect("as many ends as beginnings");
        if *running == 0 {
            self.none.notify_all();
        }
    }

    /// Waits until there is none. False: the time was over.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running > 0 {
            running = match deadline {
                None => self.none.wait(running).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.none.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

impl Lent {
    pub(crate) fn new(home: &'static dyn Home, release: Option<UdFn>, ud: Ud) -> Self {
        Lent { home, release, ud }
    }

    /// The same for what a blocking job is lent.
    pub(crate) fn for_job(self, jobs: &Arc<Jobs>) -> JobLent {
        jobs.add(1);
        JobLent { lent: self, _running: Running(Arc::clone(jobs)) }
    }

    /// What is owed now that the operation is over; the duty is passed on.
    #[inline(always)]
    pub(crate) fn settle(mut self) -> After {
        self.release.take().map_or(After::Nothing, |release| After::Call(Release(release, self.ud)))
    }
}

thread_local! {
    static UNRELEASED: Cell<bool> = const { Cell::new(false) };
}

/// What `f` drops is not released: no operation has begun.
pub(crate) fn unreleased(f: impl FnOnce()) {
    UNRELEASED.set(true);
    f();
    UNRELEASED.set(false);
}

impl Lent {
    /// It goes without having been settled.
    #[inline(never)]
    fn unsettled(&self, release: UdFn) {
        if !UNRELEASED.get() {
            self.home.release_later(Release(release, self.ud));
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            self.unsettled(release);
        }
    }
}

impl JobLent {
    /// As [`Lent::settle`].
    pub(crate) fn settle(self) -> After {
        self.lent.settle()
    }
}

/// A `release` to be called, outside of everything.
#[must_use]
#[derive(Debug)]
pub(crate) struct Release(UdFn, Ud);

impl Release {
    pub(crate) fn call(self) {
        (self.0)(self.1.0);
    }
}

/// What is owed once the last completion has been delivered.
#[must_use]
#[derive(Debug)]
pub(crate) enum After {
    Nothing,
    /// A call to the host.
    Call(self::Release),
    /// A look into [`Released`], where the call lies.
    Released,
}

/// Releases of operations that nobody holds, until our task calls them.
#[derive(Debug, Default)]
pub(crate) struct Released(Mutex<(Vec<Release>, Option<Waker>)>);

impl Released {
    pub(crate) fn push(&self, release: Release) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0.push(release);
        let waker = inner.1.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next one to be called.
    pub(crate) fn pop(&self) -> Option<Release> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.pop()
    }

    pub(crate) fn wait(&self, waker: &Waker) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(waker.clone());
    }
}
