//! What a host-driven runtime touches on its loop thread only, and one with workers behind a lock.

use core::cell::RefCell;
use core::fmt;
use std::sync::{Mutex, PoisonError};

/// See the module.
pub(crate) struct Guarded<T> {
    value: RefCell<T>,
    /// With workers: who holds it may borrow the value.
    lock: Option<Mutex<()>>,
}

impl<T> Guarded<T> {
    /// `local`: of a host-driven runtime.
    pub(crate) fn new(local: bool, value: T) -> Self {
        Guarded { value: RefCell::new(value), lock: if local { None } else { Some(Mutex::new(())) } }
    }

    /// `f` runs no host code, and does not come back here. A host-driven runtime: on its loop thread.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _locked = self.lock.as_ref().map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner));
        f(&mut self.value.borrow_mut())
    }

    /// The same of a host-driven runtime; `None` of one with workers.
    #[inline(always)]
    pub(crate) fn unlocked<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.lock.is_some() { None } else { Some(f(&mut self.value.borrow_mut())) }
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("lock", &self.lock).finish_non_exhaustive()
    }
}
