//! One try at a request: a system call that does not wait.

use std::cell::Cell;

use ouzel_core::op::{AT_POSITION, Fd, Request, Segment};

use super::table::Way;
use crate::sys;

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A result.
    Done(i32),
    /// Not ready.
    Again,
    /// This descriptor cannot be tried without blocking.
    Blocking,
}

/// The descriptor a request waits on, and for what; none for requests that never wait here.
pub(super) fn waits_on(req: &Request) -> Option<(Fd, Way)> {
    match *req {
        Request::Accept { fd, .. }
        | Request::AcceptMulti { fd }
        | Request::Recv { fd, .. }
        | Request::RecvMsg { fd, .. }
        | Request::RecvMulti { fd }
        | Request::Read { fd, .. }
        | Request::ReadV { fd, .. } => Some((fd, Way::In)),
        Request::Connect { fd, .. }
        | Request::Send { fd, .. }
        | Request::SendMsg { fd, .. }
        | Request::Write { fd, .. }
        | Request::WriteV { fd, .. } => Some((fd, Way::Out)),
        Request::Poll { fd, writing } => Some((fd, if writing { Way::Out } else { Way::In })),
        Request::Splice { from, from_offset: AT_POSITION, to, to_offset: AT_POSITION, for_room, .. } => {
            Some(if for_room { (to, Way::Out) } else { (from, Way::In) })
        }
        _ => None,
    }
}

/// Tries `req`. `sent` carries a send's progress from one try to the next; `first` is false from the
/// second try on. Adds the system calls made to `calls`.
pub(super) fn attempt(req: &Request, sent: &mut usize, first: bool, calls: &Cell<u64>) -> Outcome {
    let once = |call: &mut dyn FnMut() -> i32| counted(calls, call);
    let ret = match *req {
        Request::Recv { fd, buf, len, flags } => {
            // SAFETY: a request's buffer stays valid until its completion (the contract of `Request`).
            once(&mut || unsafe { sys::recv(fd, buf, len, flags | libc::MSG_DONTWAIT) })
        }
        // SAFETY: as above; `sent` is this send's.
        Request::Send { fd, buf, len, flags, .. } => unsafe { send((fd, buf, len, flags), sent, calls) },
        Request::Accept { fd, addr, addr_len } => {
            // SAFETY: as above.
            once(&mut || unsafe { sys::accept(fd, addr, addr_len) })
        }
        Request::AcceptMulti { fd } => {
            let none = std::ptr::null_mut();
            // SAFETY: no address is wanted.
            once(&mut || unsafe { sys::accept(fd, none, none.cast()) })
        }
        Request::SendMsg { fd, msg, flags } => {
            let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: as above.
            once(&mut || unsafe { sys::sendmsg(fd, msg, flags) })
        }
        Request::RecvMsg { fd, msg, flags } => {
            // SAFETY: as above.
            once(&mut || unsafe { sys::recvmsg(fd, msg, flags | libc::MSG_DONTWAIT) })
        }
        Request::Shutdown { fd, how } => once(&mut || sys::shutdown(fd, how)),
        Request::Splice { .. } => once(&mut || sys::splice_now(req)),
        // An event has come: whoever waits finds out what is left of it.
        Request::Poll { writing, .. } if !first => i32::from(sys::poll_events(writing)),
        Request::Poll { fd, writing } => match once(&mut || sys::poll_now(fd, writing)) {
            0 => -libc::EAGAIN,
            ret => ret,
        },
        Request::Connect { fd, addr, addr_len } => {
            // SAFETY: as above.
            match once(&mut || unsafe { sys::connect(fd, addr, addr_len) }) {
                e if e == -libc::EINPROGRESS || e == -libc::EALREADY => -libc::EAGAIN,
                // No event announces room in a Unix listener's backlog.
                e if e == -libc::EAGAIN => return Outcome::Done(e),
                e if e == -libc::EISCONN && !first => 0,
                ret => ret,
            }
        }
        Request::Read { fd, buf, len, offset } => {
            return read(fd, &sys::segment(buf, len), 1, offset, calls);
        }
        Request::ReadV { fd, segments, count, offset } => return read(fd, segments, count, offset, calls),
        Request::Write { fd, buf, len, offset } => {
            return write(fd, &sys::segment(buf, len), 1, offset, calls);
        }
        Request::WriteV { fd, segments, count, offset } => return write(fd, segments, count, offset, calls),
        _ => -libc::EINVAL,
    };
    outcome(ret)
}

/// Sends what of a buffer is not yet sent, as far as there is room: how much of it all, or an error.
///
/// # Safety
/// The buffer is readable, and `sent` does not exceed its length.
#[inline]
pub(super) unsafe fn send(
    (fd, buf, len, flags): (Fd, *const u8, usize, i32),
    sent: &mut usize,
    calls: &Cell<u64>,
) -> i32 {
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    loop {
        // SAFETY: the caller's promise.
        let at = unsafe { buf.add(*sent) };
        // SAFETY: as above, for the rest of the buffer.
        match counted(calls, || unsafe { sys::send(fd, at, len - *sent, flags) }) {
            n if n >= 0 => {
                *sent += n as usize;
                if *sent >= len || n == 0 || *sent >= sys::MAX_BYTES {
                    return *sent as i32;
                }
            }
            e if e == -libc::EAGAIN => return e,
            // What went out counts; the error comes again with the next send.
            e => return if *sent > 0 { *sent as i32 } else { e },
        }
    }
}

fn outcome(ret: i32) -> Outcome {
    if ret == -libc::EAGAIN { Outcome::Again } else { Outcome::Done(ret) }
}

fn read(fd: Fd, segments: *const Segment, count: u32, offset: u64, calls: &Cell<u64>) -> Outcome {
    // SAFETY: the request's memory is valid until its completion (the contract of `Request`).
    let nowait = |at| counted(calls, || unsafe { sys::readv_nowait(fd, segments, count, at) });
    match stream_or_file(fd, offset, calls, nowait) {
        // SAFETY: as above.
        Ok(()) => outcome(counted(calls, || unsafe { sys::readv(fd, segments, count, None) })),
        Err(outcome) => outcome,
    }
}

fn write(fd: Fd, segments: *const Segment, count: u32, offset: u64, calls: &Cell<u64>) -> Outcome {
    // SAFETY: the request's memory is valid until its completion (the contract of `Request`).
    let nowait = |at| counted(calls, || unsafe { sys::writev_nowait(fd, segments, count, at) });
    match stream_or_file(fd, offset, calls, nowait) {
        // SAFETY: as above.
        Ok(()) => outcome(counted(calls, || unsafe { sys::writev(fd, segments, count, None) })),
        Err(outcome) => outcome,
    }
}

/// Tries a read or write with `RWF_NOWAIT`. `Ok`: the file does not know that flag, but is in
/// non-blocking mode, so that the plain call will do.
fn stream_or_file(
    fd: Fd,
    offset: u64,
    calls: &Cell<u64>,
    nowait: impl Fn(u64) -> i32,
) -> Result<(), Outcome> {
    let mut ret = nowait(offset);
    if ret == -libc::ESPIPE && offset != AT_POSITION {
        // A pipe has no offsets; like io_uring, ignore the one given.
        ret = nowait(AT_POSITION);
    }
    if ret == -libc::EAGAIN {
        return Err(Outcome::Again);
    }
    if ret != -libc::EOPNOTSUPP && ret != -libc::ENOSYS {
        return Err(Outcome::Done(ret));
    }
    count(calls);
    if sys::is_always_ready(fd) {
        return Err(Outcome::Blocking);
    }
    count(calls);
    match sys::status_flags(fd) {
        flags if flags >= 0 && flags & libc::O_NONBLOCK != 0 => Ok(()),
        _ => Err(Outcome::Blocking),
    }
}

/// The call, repeated after signals, each time counted.
fn counted(calls: &Cell<u64>, mut call: impl FnMut() -> i32) -> i32 {
    sys::retry(|| {
        count(calls);
        call()
    })
}

fn count(calls: &Cell<u64>) {
    calls.set(calls.get() + 1);
}
