//! Receives into provided buffers: which thread's they are, and how they get back there.

use std::sync::Arc;

#[cfg(unix)]
use super::raw::{self, RawOp, Request, SubmitReason};
use crate::current::{self, Current};
#[cfg(unix)]
use crate::fd::SharedFd;
use crate::provided::Provided;

/// A multishot receive, and the buffers that its completions name.
#[cfg(unix)]
pub(crate) type Receiving = (RawOp<SharedFd>, Arc<Provided>);

/// A multishot receive on the current thread's driver. None: it has no buffers to lend at the moment.
#[cfg(unix)]
pub(crate) fn begin_receiving(fd: SharedFd) -> Result<Option<Receiving>, SubmitReason> {
    let provided = current::with(|c| c.map(|c| c.reactor.provided()));
    let Some(provided) = provided.ok_or(SubmitReason::NoRuntime)? else { return Ok(None) };
    let raw = fd.raw();
    // SAFETY: the request points at nothing; its payload keeps the descriptor open.
    let begun = unsafe { raw::submit(fd, move |_, _| Request::RecvMulti { fd: raw }) };
    begun.map(|op| Some((op, provided))).map_err(|e| e.reason())
}

/// Gives a buffer of `provided` back, to its driver if that is this thread's.
#[inline]
pub(crate) fn end_loan(provided: &Arc<Provided>, id: u16) {
    let here = |c: Option<&Current>| {
        let reactor = c.map(|c| &c.reactor).filter(|r| r.has_provided(provided));
        reactor.is_some_and(|reactor| {
            reactor.recycle(id);
            true
        })
    };
    // SAFETY: giving a buffer to a driver calls nothing of the user's.
    if !unsafe { current::with_top(here) } {
        provided.give_back(id);
    }
}

/// The provided buffers of a thread's driver, for those who receive by [`raw`] on a runtime with workers: a
/// completion names a buffer of the thread that submitted, and may be taken on another one.
#[derive(Clone)]
pub struct Lender(Arc<Provided>);

impl Lender {
    /// The current thread's. None outside a runtime, or without memory for buffers.
    #[must_use]
    pub fn here() -> Option<Lender> {
        current::with(|c| c.and_then(|c| c.reactor.provided())).map(Lender)
    }

    /// The first byte of buffer `id`.
    ///
    /// # Panics
    /// If there is no such buffer.
    #[inline]
    #[must_use]
    pub fn at(&self, id: u16) -> *mut u8 {
        self.0.at(id)
    }

    /// Gives buffer `id`, which a completion has named, back. On any thread.
    #[inline(always)]
    pub fn give_back(&self, id: u16) {
        end_loan(&self.0, id);
    }
}

impl PartialEq for Lender {
    fn eq(&self, other: &Lender) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lender {}

impl std::fmt::Debug for Lender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
