//! The times given to operations, and what becomes of them when those are over.
//!
//! A limit is the slot's own node on the reactor's wheel: no other memory, no future of its own, and it stays with the
//! operation wherever its task goes. When it rings, the driver is asked to cancel, and "cancelled" is
//! told as "timed out"; an operation that has done something by then tells that instead, on every driver.
//!
//! io_uring can do the same by a linked timeout, which `Builder::linked_timeouts` asks for. It is not the default, because the
//! kernel's timer costs more than the wheel's. A read of four bytes between two tasks of one thread, each with a limit
//! of a minute, three runs:
//!
//! | limit                 | CPU, 64 pairs | CPU, 1 pair | entries | enters, 64 pairs | user instructions |
//! |-----------------------|---------------|-------------|---------|------------------|-------------------|
//! | none                  | 2.06 us       | 12.1 us     | 2       | 0.022            | 3,482             |
//! | on the wheel          | 2.15 us       | 12.3 us     | 2       | 0.022            | 4,114             |
//! | linked                | 2.75 us       | 13.1 us     | 3       | 0.044            | 3,933             |
//! | `timeout` around it   | 2.12 us       | 12.5 us     | 2       | 0.022            | 4,359             |

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ouzel_core::driver::{Deadline, Nanos};
use ouzel_core::memory;
use ouzel_core::op::{Completion, OpKey, OpSlab, Request};
use ouzel_core::timer::Wheel;

use crate::platform::{ECANCELED, ETIMEDOUT};

/// See the module. One thread's.
pub(super) struct Limits {
    /// Timers that are operations (the C ABI's), and the limits of operations that are not. Made for the first one: few
    /// threads have any, and a wheel is nine tenths of what a reactor is.
    wheel: RefCell<Option<Box<Wheel>>>,
    /// When such a wheel begins.
    since: Nanos,
    /// Limits that have neither passed nor ended, and those in `late`.
    watched: Cell<usize>,
    /// Operations whose time is over, until they end.
    late: RefCell<Vec<OpKey>>,
}

/// What the wheel has rung for.
#[must_use]
pub(super) enum Rung {
    /// A timer: it is complete.
    Timer(OpKey),
    /// An operation's limit: it is to be cancelled.
    Limit(OpKey),
}

impl Limits {
    pub(super) fn new(now: Nanos) -> Self {
        Limits { wheel: RefCell::default(), since: now, watched: Cell::new(0), late: RefCell::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wheel.borrow().as_ref().is_none_or(|wheel| wheel.is_empty())
    }

    pub(super) fn next_wait(&self, slab: &OpSlab, slack: Duration) -> Option<Deadline> {
        self.wheel.borrow().as_ref()?.next_wait(slab, slack)
    }

    /// Makes room for one more. False: there is no memory for it.
    pub(super) fn reserve(&self) -> bool {
        let mut late = self.late.borrow_mut();
        let to_come = self.watched.get() + 1 - late.len();
        if late.try_reserve(to_come).is_err() {
            return false;
        }
        let mut wheel = self.wheel.borrow_mut();
        if wheel.is_none() {
            *wheel = memory::boxed(Wheel::new(self.since));
        }
        wheel.is_some()
    }

    /// A timer that is an operation begins. There is room for it.
    pub(super) fn set_timer(&self, slab: &OpSlab, key: OpKey, deadline: Deadline) {
        let set = self.wheel.borrow_mut().as_mut().is_some_and(|wheel| wheel.insert(slab, key, deadline));
        debug_assert!(set, "a wheel was made, and a fresh slot has no timer");
    }

    /// Ends the timer that operation `key` is. False: it is none, or none any more.
    pub(super) fn end_timer(&self, slab: &OpSlab, key: OpKey) -> bool {
        let is_timer = matches!(slab.request(key), Some(Request::Timeout { .. }));
        is_timer && self.remove(slab, key)
    }

    fn remove(&self, slab: &OpSlab, key: OpKey) -> bool {
        self.wheel.borrow_mut().as_mut().is_some_and(|wheel| wheel.remove(slab, key))
    }

    /// Operation `key`, in flight, has time until `deadline`. There is room for it.
    pub(super) fn watch(&self, slab: &OpSlab, key: OpKey, deadline: Deadline) {
        self.set_timer(slab, key, deadline);
        self.watched.set(self.watched.get() + 1);
    }

    /// The next one whose time has come by `now`.
    pub(super) fn pop_expired(&self, slab: &OpSlab, now: Nanos) -> Option<Rung> {
        let key = self.wheel.borrow_mut().as_mut()?.pop_expired(slab, now)?;
        if matches!(slab.request(key), Some(Request::Timeout { .. })) {
            return Some(Rung::Timer(key));
        }
        self.late.borrow_mut().push(key);
        Some(Rung::Limit(key))
    }

    /// Operation `key` ends with `c`: what its holder is told.
    #[inline]
    pub(super) fn end(&self, slab: &OpSlab, key: OpKey, c: Completion) -> Completion {
        if self.watched.get() == 0 || c.more() { c } else { self.end_watched(slab, key, c) }
    }

    #[cold]
    fn end_watched(&self, slab: &OpSlab, key: OpKey, c: Completion) -> Completion {
        if self.remove(slab, key) {
            self.watched.set(self.watched.get() - 1);
            return c;
        }
        let mut late = self.late.borrow_mut();
        let Some(i) = late.iter().position(|k| *k == key) else { return c };
        late.swap_remove(i);
        self.watched.set(self.watched.get() - 1);
        if c.res == -ECANCELED { Completion::done(-ETIMEDOUT) } else { c }
    }
}
