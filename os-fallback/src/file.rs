//! File requests run by a thread that may block: what the driver answered `Blocking` for.

use ouzel_core::op::Request;

use crate::sys;

/// Runs a file request to its end on the calling thread, and answers like a completion.
///
/// Blocks. For `Nop`, `Read`, `Write`, `OpenAt`, `Close` and `Fsync`; `-EINVAL` for all else.
///
/// # Safety
/// The request's pointers are valid, and nobody else uses what they point at, until this returns.
#[must_use]
pub unsafe fn execute(req: &Request) -> i32 {
    // SAFETY: the caller's.
    unsafe { sys::execute(req) }
}
