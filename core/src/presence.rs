//! Whether there is one of something, told without the lock under which they are kept.
//!
//! ```text
//!   keeper                                  whoever looks
//!   ──────                                  ─────────────
//!   locks, puts it in, `arrive`
//!   hands its name out            ────────▶ has its name
//!   puts it elsewhere
//!   locks, takes it out, `leave`  ────────▶ `is_empty`: it is elsewhere, and can be seen there
//! ```
//!
//! Whoever has a name and finds none here knows without the lock that what it names has left. A signal handler, which
//! must not wait for a lock, thus has an answer wherever nothing is under way.

use crate::sync::{AtomicUsize, Ordering};

#[cfg(all(test, ouzel_loom))]
mod loom_tests;

/// See the module. The lock is the keeper's own.
#[derive(Debug, Default)]
pub struct Presence(AtomicUsize);

impl Presence {
    /// One more is there. Before its name is handed out.
    pub fn arrive(&self) {
        // ORDERING: Relaxed: who has the name has it by a hand-over after this, so no older count is seen there.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One of them is elsewhere now.
    pub fn leave(&self) {
        // ORDERING: Release pairs with the Acquire in `is_empty`: where it is now. Later calls here, of any thread,
        // continue the release sequence.
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Whether none is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `leave`.
        self.0.load(Ordering::Acquire) == 0
    }
}

#[cfg(all(test, not(ouzel_loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_is_empty_when_as_many_have_left_as_came() {
        let here = Presence::default();
        assert!(here.is_empty());
        here.arrive();
        here.arrive();
        here.leave();
        assert!(!here.is_empty());
        here.leave();
        assert!(here.is_empty());
    }
}
