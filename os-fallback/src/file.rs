//! File requests run by a thread that may block: what the driver answered `Blocking` for.

use ouzel_core::op::Request;

use crate::sys;

/// Runs a file request to its end on the calling thread, and answers like a completion.
///
/// Blocks. For `Nop`, `Read`, `Write`, `OpenAt`, `Close` and `Fsync`; `-EINVAL` for all else. What the
/// request points at is valid and nobody else's until this returns: the contract of [`Request`].
#[must_use]
pub fn execute(req: &Request) -> i32 {
    // SAFETY: whoever makes a request lends what it points at.
    unsafe { sys::execute(req) }
}
