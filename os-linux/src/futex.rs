//! Sleeping on a park word with futex(2), and waking whoever sleeps on it.
//!
//! The futexes are not private: a wait that a ring armed while the process had one thread would be
//! missed by a private wake later (seen on 6.18). A wake goes to all waiters of the word, because one
//! of them may be a ring's standing wait while the thread itself sleeps in futex(2).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ouzel_core::driver::{Deadline, Unpark};
use ouzel_core::park::{PARKED, ParkWord};

use crate::{clock, sys};

/// Wakes a thread that sleeps on a park word, in futex(2) or in a ring. Counts its system calls.
#[derive(Debug)]
pub struct FutexUnpark {
    word: Arc<ParkWord>,
    calls: AtomicU64,
}

impl FutexUnpark {
    /// Wakes the sleeper of `word`.
    #[must_use]
    pub fn new(word: Arc<ParkWord>) -> Self {
        FutexUnpark { word, calls: AtomicU64::new(0) }
    }

    /// System calls so far.
    pub(crate) fn calls(&self) -> u64 {
        // ORDERING: Relaxed, a plain counter.
        self.calls.load(Ordering::Relaxed)
    }
}

impl Unpark for FutexUnpark {
    fn unpark(&self) {
        // ORDERING: Relaxed, a plain counter.
        self.calls.fetch_add(1, Ordering::Relaxed);
        sys::futex_wake_all(self.word.as_ptr());
    }
}

/// Sleeps while `word` is PARKED, until `deadline`; returns early at will.
///
/// For threads without a driver: `word.begin()`, `park`, `word.end()`. Blocks the calling thread.
pub fn park(word: &ParkWord, deadline: Option<Deadline>) {
    if let Some(Deadline(at)) = deadline
        && clock::now() >= at
    {
        return;
    }
    sys::futex_wait(word.as_ptr(), PARKED, deadline);
}
