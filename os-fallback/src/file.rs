//! File requests run by a thread that may block: what the driver answered `Blocking` for.

use ouzel_core::op::{FileStat, Request, StatRoom};

use crate::sys;

/// Runs a file request to its end on the calling thread, and answers like a completion.
///
/// Blocks. For `Nop`, `Read`, `Write`, `ReadV`, `WriteV`, `OpenAt`, `Close`, `Fsync` and `File`; `-EINVAL` for
/// all else. What the request points at is valid and nobody else's until this returns: the contract of [`Request`].
#[must_use]
pub fn execute(req: &Request) -> i32 {
    // SAFETY: whoever makes a request lends what it points at.
    unsafe { sys::execute(req) }
}

/// What a completed `Stat` that [`execute`] ran left in `room`.
#[must_use]
pub fn file_stat(room: &StatRoom) -> FileStat {
    sys::file_stat(room)
}
