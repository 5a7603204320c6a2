//! A task that another thread has built and its owner has not taken in yet.
//!
//! ```text
//!   other thread: cell of the shared slab ── future put in ──▶ inbox ──▶ owner: SCHED, run queue
//!                                                          └── closed: the future is taken out again
//! ```
//!
//! Its word is still that of a free cell, so no walk and no id finds it: it belongs to whoever has the [`Newborn`].

use core::future::Future;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use crate::slab::{self, Slab};
use crate::task::cell::drop_payload_caught;
use crate::task::in_slab::{build, unstore};
use crate::task::unwind::discard;
use crate::task::{Header, TaskId};

/// See the module. Dropping it drops the future and gives the cell back; a panic of that drop ends here.
pub(super) struct Newborn(NonNull<Header>);

// SAFETY: nobody else knows the cell, and what is in it is `Send` (`new`).
unsafe impl Send for Newborn {}

impl Newborn {
    /// Puts `future` in a cell of `slab`. None when memory has run out: then it is where it was.
    pub(super) fn new<F: Future + Send + 'static>(slab: &Slab, future: &mut Option<F>) -> Option<Self> {
        build::<false, F>(slab, future).map(Newborn)
    }

    /// The id that the task will have, once its owner has taken it in as one with a name.
    pub(super) fn id(&self) -> TaskId {
        TaskId::of_next(self.0)
    }

    /// The cell, to be made a task.
    pub(super) fn into_cell(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// The future.
    ///
    /// # Safety
    /// `new` was called with an `F`.
    pub(super) unsafe fn into_future<F: Future>(self) -> F {
        // SAFETY: the future is there, and nobody else knows the cell.
        unsafe { unstore(self.into_cell()) }
    }
}

impl Drop for Newborn {
    fn drop(&mut self) {
        // SAFETY: nobody else knows the cell.
        if let Err(caught) = unsafe { drop_payload_caught(self.0) } {
            discard(caught);
        }
        // SAFETY: no reference was ever made, and the payload is gone.
        unsafe { slab::free(self.0) };
    }
}
