//! The park word: one `u32` per sleeping place, shared by the sleeper and whoever wakes it.
//!
//! | from   | event            | to     | what follows                                   |
//! |--------|------------------|--------|------------------------------------------------|
//! | EMPTY  | `begin`          | PARKED | the owner sleeps in its driver                 |
//! | TOKEN  | `begin`          | TOKEN  | the owner does not sleep                       |
//! | PARKED | `unpark`         | TOKEN  | the waker calls the driver's `Unpark`          |
//! | EMPTY  | `unpark`         | TOKEN  | nothing: the owner is awake and will see it    |
//! | any    | `end`            | EMPTY  | the owner learns whether a token was there     |
//!
//! A driver may wait on the word itself (a futex, or a futex wait inside a ring): it sleeps only
//! while the word is PARKED. Every worker has a driver of its own, so there is one sleeping state,
//! not two: a worker that has to wait for a token already promised to it parks in its driver again.

use crate::driver::Unpark;
use crate::sync::{self, AtomicU32, Ordering, const_fn};

/// See the module. On a cache line of its own, where there are caches: not on small processors.
#[derive(Debug)]
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
pub struct ParkWord(AtomicU32);

/// The owner is awake and nobody has left a token.
pub const EMPTY: u32 = 0;
/// The owner sleeps, or is about to; an unpark must wake it.
pub const PARKED: u32 = 1;
/// Somebody called `unpark` since the owner last looked.
pub const TOKEN: u32 = 2;

impl Default for ParkWord {
    fn default() -> Self {
        Self::new()
    }
}

impl ParkWord {
    const_fn! {
        /// A word in state EMPTY.
        #[must_use]
        pub fn new() -> Self {
            ParkWord(AtomicU32::new(EMPTY))
        }
    }

    /// Owner: announces sleep. False if a token is already there: do not sleep.
    #[inline]
    #[must_use]
    pub fn begin(&self) -> bool {
        // ORDERING: AcqRel; on failure Acquire pairs with the Release half of `unpark`: what the
        // waker wrote before it left the token.
        self.0.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Owner: back from sleep, or not gone. True if a token was there; it is consumed.
    #[inline]
    pub fn end(&self) -> bool {
        // ORDERING: Acquire pairs with the Release half of `unpark`; Release so that a later waker
        // finds what the owner wrote before it looked.
        self.0.swap(EMPTY, Ordering::AcqRel) == TOKEN
    }

    /// Any thread: leaves a token, and wakes the owner if it sleeps.
    #[inline]
    pub fn unpark(&self, wake: &dyn Unpark) {
        // ORDERING: Release pairs with the Acquire of `begin` and `end`: the owner sees what we wrote
        // before; Acquire so that PARKED means its driver is set up to be woken.
        if self.0.swap(TOKEN, Ordering::AcqRel) == PARKED {
            wake.unpark();
        }
    }

    /// Whether the owner has announced sleep and nobody has left a token since. For the driver, before
    /// it blocks: an `unpark` that comes after this look calls the driver's [`Unpark`].
    #[inline]
    #[must_use]
    pub fn is_parked(&self) -> bool {
        // ORDERING: Acquire pairs with the Release half of `unpark`: a driver that is refused its sleep
        // sees what the waker wrote.
        self.0.load(Ordering::Acquire) == PARKED
    }

    /// Whether a token is waiting. A hint: it may change at once.
    #[inline]
    #[must_use]
    pub fn has_token(&self) -> bool {
        // ORDERING: Relaxed, a hint; `end` or `begin` decides.
        self.0.load(Ordering::Relaxed) == TOKEN
    }

    /// The address a futex waits on. It waits for the word to differ from [`PARKED`].
    #[must_use]
    pub fn as_ptr(&self) -> *mut u32 {
        sync::address_of(&self.0)
    }
}
