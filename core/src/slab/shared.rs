//! One slab for all threads that have none: behind a lock, taken for an allocation or a trim only.
//!
//! A cell of it is freed by the remote path, from wherever. The slab is made at its first use, so that it can hold its
//! scheduler, which holds it; closing it ends that circle.

use core::fmt;

use super::{Slab, SlabMeta};
use crate::sync::Lock;

/// See the module.
pub(crate) struct SharedSlab(Lock<State>);

enum State {
    Unused,
    Open(Slab),
    Closed,
}

impl SharedSlab {
    pub(crate) fn new() -> Self {
        SharedSlab(Lock::new(State::Unused))
    }

    /// Calls `f` with the slab, which `meta` is for if it has to be made; with none once closed, or without memory to make it.
    pub(crate) fn with<R>(&self, meta: impl FnOnce() -> SlabMeta, f: impl FnOnce(Option<&Slab>) -> R) -> R {
        let mut state = self.0.lock();
        if matches!(*state, State::Unused)
            && let Some(slab) = Slab::try_new(meta())
        {
            *state = State::Open(slab);
        }
        f(match &*state {
            State::Open(slab) => Some(slab),
            _ => None,
        })
    }

    /// As [`Slab::trim`], if the slab is there.
    pub(crate) fn trim(&self) -> usize {
        if let State::Open(slab) = &*self.0.lock() { slab.trim() } else { 0 }
    }

    /// Closes the slab for good. Idempotent.
    pub(crate) fn close(&self) {
        let before = core::mem::replace(&mut *self.0.lock(), State::Closed);
        // Not under the lock: it may be the last to hold the scheduler.
        drop(before);
    }
}

impl fmt::Debug for SharedSlab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSlab").finish_non_exhaustive()
    }
}
