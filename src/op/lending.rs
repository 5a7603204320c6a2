//! Receives into provided buffers: which thread's they are, and how they get back there.

use std::sync::Arc;

use super::raw::{self, RawOp, Request, SubmitReason};
use crate::current::{self, Current};
use crate::fd::SharedFd;
use crate::provided::Provided;

/// A multishot receive, and the buffers that its completions name.
pub(crate) type Receiving = (RawOp<SharedFd>, Arc<Provided>);

/// A multishot receive on the current thread's driver. None: it has no buffers to lend at the moment.
pub(crate) fn begin_receiving(fd: SharedFd) -> Result<Option<Receiving>, SubmitReason> {
    let provided = current::with(|c| c.map(|c| c.reactor.provided()));
    let Some(provided) = provided.ok_or(SubmitReason::NoRuntime)? else { return Ok(None) };
    let raw = fd.raw();
    // SAFETY: the request points at nothing; its payload keeps the descriptor open.
    let begun = unsafe { raw::submit(fd, move |_, _| Request::RecvMulti { fd: raw }) };
    begun.map(|op| Some((op, provided))).map_err(|e| e.reason())
}

/// Gives a buffer of `provided` back, to its driver if that is this thread's.
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
