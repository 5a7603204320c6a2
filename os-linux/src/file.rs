//! File requests run by a thread that may block: what a driver answered `Blocking` for; and what can be had of
//! a file without blocking, because the kernel has it in memory.

use ouzel_core::op::{AT_POSITION, Request};

use crate::sys;

mod cached;
mod calls;
mod stat;

pub use cached::{begin_to_wait, open_cached, read_cached, stat_cached, stat_open_cached};
pub(crate) use calls::{STAT_MASK, stat_of};
pub use stat::file_stat;

/// Runs a file request to its end on the calling thread, and answers like a completion.
///
/// Blocks. For `Read`, `Write`, `ReadV`, `WriteV`, `OpenAt`, `Close`, `Fsync` and `File`; `-EINVAL` for all
/// else. Whoever runs an `OpenAt` or a `Close` here tells the [`crate::FdTable`]. What the request points at is valid and
/// nobody else's until this returns: the contract of [`Request`].
#[must_use]
pub fn execute(req: &Request) -> i32 {
    let at = |offset: u64| (offset != AT_POSITION).then_some(offset);
    match *req {
        Request::Nop => 0,
        Request::Read { fd, buf, len, offset } => {
            // SAFETY: what a request points at is valid until it completes (the contract of `Request`).
            let read = |offset| sys::retry(|| unsafe { sys::read(fd, buf, len, offset) });
            or_at_position(read, at(offset))
        }
        Request::Write { fd, buf, len, offset } => {
            // SAFETY: what a request points at is valid until it completes (the contract of `Request`).
            let write = |offset| sys::retry(|| unsafe { sys::write(fd, buf, len, offset) });
            or_at_position(write, at(offset))
        }
        Request::ReadV { fd, segments, count, offset } => {
            // SAFETY: what a request points at is valid until it completes (the contract of `Request`).
            let read = |offset| sys::retry(|| unsafe { sys::readv(fd, segments, count, offset) });
            or_at_position(read, at(offset))
        }
        Request::WriteV { fd, segments, count, offset } => {
            // SAFETY: what a request points at is valid until it completes (the contract of `Request`).
            let write = |offset| sys::retry(|| unsafe { sys::writev(fd, segments, count, offset) });
            or_at_position(write, at(offset))
        }
        Request::File(call) => calls::execute(&call),
        Request::Splice { .. } => sys::retry(|| sys::splice_now(req)),
        Request::OpenAt { dir, path, flags, mode } => {
            // SAFETY: what a request points at is valid until it completes (the contract of `Request`).
            sys::retry(|| unsafe { sys::openat(dir, path, flags, mode) })
        }
        Request::Fsync { fd, data_only } => sys::retry(|| sys::fsync(fd, data_only)),
        // Not again after a signal: the number is free by then, and may be somebody else's.
        Request::Close { fd } => sys::close(fd),
        _ => -libc::EINVAL,
    }
}

/// A pipe has no offsets; like io_uring, ignore the one given.
fn or_at_position(mut call: impl FnMut(Option<u64>) -> i32, offset: Option<u64>) -> i32 {
    match call(offset) {
        ret if ret == -libc::ESPIPE && offset.is_some() => call(None),
        ret => ret,
    }
}
