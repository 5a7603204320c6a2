//! Where results of the blocking pool wait for the thread whose operations they end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ouzel_core::op::{Completion, OpKey};
use ouzel_core::sched::Seat;

/// Where the blocking pool leaves results for a reactor's thread.
pub(super) struct Mailbox {
    /// Set after a letter was put in; cleared before they are taken out.
    full: AtomicBool,
    letters: Mutex<Vec<(OpKey, Completion)>>,
    seat: Seat,
}

impl Mailbox {
    pub(super) fn new(seat: Seat) -> Self {
        Mailbox { full: AtomicBool::new(false), letters: Mutex::new(Vec::new()), seat }
    }

    fn post(&self, key: OpKey, res: i32) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.push((key, Completion::done(res)));
        // ORDERING: Relaxed: the park word's token orders it for the owner, the lock what lies inside.
        self.full.store(true, Ordering::Relaxed);
        drop(letters);
        self.seat.park.unpark(&*self.seat.unpark);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: a letter not seen yet leaves a token, and the owner looks again.
        !self.full.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Vec<(OpKey, Completion)> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        // ORDERING: Relaxed: changed under the lock alone.
        self.full.store(false, Ordering::Relaxed);
        std::mem::take(&mut *letters)
    }
}

/// A result on its way to the mailbox: posted when dropped, so also for a job that never ran or panicked.
pub(super) struct Letter {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) key: OpKey,
    pub(super) res: i32,
}

impl Letter {
    /// A method, so that a closure that calls it captures the whole letter.
    pub(super) fn fill(&mut self, res: i32) {
        self.res = res;
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        self.mailbox.post(self.key, self.res);
    }
}
