//! A request as a submission queue entry, and what an operation needs after its first CQE.

use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types;
use ouzel_core::driver::Deadline;
use ouzel_core::op::{AT_POSITION, Fd, OpKey, Request};

use super::files;
use crate::keys::KeyMap;
use crate::sys::{self, MAX_BYTES};

/// User data of the driver's own entries: the upper half is zero, where a key has its generation. `Lazy` carries a
/// sequence number, `Copy` its place in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// A cancel that found nothing, and the like: no news.
    Nothing,
    Unpark,
    Timer,
    Lazy(u16),
    Copy(u16),
}

impl Own {
    pub(super) fn user_data(self) -> u64 {
        match self {
            Own::Nothing => 1,
            Own::Unpark => 2,
            Own::Timer => 3,
            Own::Lazy(seq) => 4 | u64::from(seq) << 16,
            Own::Copy(number) => 5 | u64::from(number) << 16,
        }
    }

    /// None: the user data is an operation's key.
    pub(super) fn of(user_data: u64) -> Option<Own> {
        if is_key(OpKey(user_data)) {
            return None;
        }
        Some(match user_data & 0xffff {
            2 => Own::Unpark,
            3 => Own::Timer,
            4 => Own::Lazy((user_data >> 16) as u16),
            5 => Own::Copy((user_data >> 16) as u16),
            _ => Own::Nothing,
        })
    }
}

/// Whether `key` can be told from the driver's own user data.
pub(super) fn is_key(key: OpKey) -> bool {
    key.generation() != 0
}

/// A lazy send between `submit` and the end of the `io_uring_enter` that submits it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lazy {
    pub(super) key: OpKey,
    pub(super) req: Request,
    /// A CQE said that it is not done: it goes on as a [`Follow::Rest`].
    pub(super) failed: bool,
    pub(super) cancelled: bool,
}

/// What the next CQE of an operation does not finish by itself. Kept by key for the few that need it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Follow {
    /// A close that was cancelled is done by hand: it must not leak.
    Close(Fd),
    /// `-EAGAIN` (a descriptor in non-blocking mode): wait for readiness, submit again.
    Retry(Request),
    /// The wait for readiness.
    Poll(Request),
    /// A send of which `sent` bytes are out.
    Rest { req: Request, sent: usize },
    /// One-completion stand-in for a multishot receive: waits for readiness.
    Recv(Fd),
    /// What the next CQE says is the last word, with `sent` bytes out before it. If it `opens`, a good
    /// result is a new descriptor.
    Last { opens: bool, sent: usize },
    /// Cancelled in a wait for readiness: nothing was done.
    Nothing,
    /// A send without a copy.
    ZeroCopy(ZeroCopy),
    /// A splice waits for one of its ends.
    Splice(Request),
}

/// How far a send without a copy has come. Each of its entries has a result, and after that, if the kernel says `MORE`,
/// a notice that nobody reads the memory any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZeroCopy {
    /// The same send, with a copy.
    pub(super) req: Request,
    pub(super) sent: usize,
    /// What an entry has said that decides how to go on, once its notice is there.
    pub(super) said: Option<Said>,
    pub(super) cancelled: bool,
}

/// The result of one entry of a send without a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Some bytes, or all.
    Sent,
    /// An error that comes with any send.
    Failed(i32),
    /// This socket, or its memory at the moment, allows no such send.
    CopyInstead,
}

impl Follow {
    /// The operation is being cancelled: it is not submitted again.
    pub(super) fn end(&mut self) {
        *self = match *self {
            Follow::Retry(req) => Follow::Last { opens: opens(&req), sent: 0 },
            Follow::Rest { sent, .. } => Follow::Last { opens: false, sent },
            Follow::Poll(_) | Follow::Recv(_) | Follow::Splice(_) => Follow::Nothing,
            Follow::ZeroCopy(zc) => Follow::ZeroCopy(ZeroCopy { cancelled: true, ..zc }),
            end => end,
        }
    }
}

/// The limits of operations in flight; what for, see [`limit`](super::limit).
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) by_key: KeyMap<Deadline>,
    /// Where the entries in the submission queue point.
    pub(super) times: Vec<types::Timespec>,
    /// The place that is next in turn.
    pub(super) next: usize,
}

/// Whether a good result is a new descriptor.
pub(super) fn opens(req: &Request) -> bool {
    matches!(req, Request::Accept { .. } | Request::AcceptMulti { .. } | Request::OpenAt { .. })
}

/// The entry for `req`; none for what a ring does not serve.
pub(super) fn entry(req: &Request) -> Option<Entry> {
    let size = |len: usize| len.min(MAX_BYTES) as u32;
    Some(match *req {
        Request::Nop => opcode::Nop::new().build(),
        Request::Accept { fd, addr, addr_len } => opcode::Accept::new(types::Fd(fd), addr.cast(), addr_len)
            .flags(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)
            .build(),
        Request::AcceptMulti { fd } => {
            opcode::AcceptMulti::new(types::Fd(fd)).flags(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).build()
        }
        Request::Connect { fd, addr, addr_len } => {
            opcode::Connect::new(types::Fd(fd), addr.cast(), addr_len).build()
        }
        Request::Recv { fd, buf, len, flags } => {
            opcode::Recv::new(types::Fd(fd), buf, size(len)).flags(flags).build()
        }
        Request::SendMsg { fd, msg, flags } => {
            opcode::SendMsg::new(types::Fd(fd), msg.cast()).flags((flags | libc::MSG_NOSIGNAL) as u32).build()
        }
        Request::RecvMsg { fd, msg, flags } => opcode::RecvMsg::new(types::Fd(fd), msg.cast())
            .flags((flags | libc::MSG_CMSG_CLOEXEC) as u32)
            .build(),
        Request::Poll { fd, writing: true } => poll_out(fd),
        Request::Poll { fd, .. } => poll_in(fd),
        Request::Send { .. } => return Some(send(req, 0, libc::MSG_WAITALL)),
        Request::Read { fd, buf, len, offset } => {
            opcode::Read::new(types::Fd(fd), buf, size(len)).offset(offset).build()
        }
        Request::Write { fd, buf, len, offset } => {
            opcode::Write::new(types::Fd(fd), buf, size(len)).offset(offset).build()
        }
        Request::ReadV { fd, segments, count, offset } => {
            opcode::Readv::new(types::Fd(fd), segments.cast(), count).offset(offset).build()
        }
        Request::WriteV { fd, segments, count, offset } => {
            opcode::Writev::new(types::Fd(fd), segments.cast(), count).offset(offset).build()
        }
        Request::File(ref call) => return files::entry(call),
        Request::OpenAt { dir, path, flags, mode } => {
            opcode::OpenAt::new(types::Fd(dir), path.cast()).flags(flags | libc::O_CLOEXEC).mode(mode).build()
        }
        Request::Splice { from, from_offset, to, to_offset, len, .. } => {
            // At its position, as the kernel is told it: -1.
            let (from_offset, to_offset) = (from_offset as i64, to_offset as i64);
            opcode::Splice::new(types::Fd(from), from_offset, types::Fd(to), to_offset, len).build()
        }
        Request::Close { fd } => opcode::Close::new(types::Fd(fd)).build(),
        Request::Fsync { fd, data_only } => {
            let flags = if data_only { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
            opcode::Fsync::new(types::Fd(fd)).flags(flags).build()
        }
        Request::Shutdown { fd, how } => opcode::Shutdown::new(types::Fd(fd), how).build(),
        _ => return None,
    })
}

/// Whether one end of a splice is a file, on which the call may have to wait for a disk.
pub(super) fn splices_file(req: &Request) -> bool {
    matches!(*req, Request::Splice { from_offset, to_offset, .. }
        if from_offset != AT_POSITION || to_offset != AT_POSITION)
}

/// What is left of a send: socket, first byte, count, flags.
fn rest(req: &Request, sent: usize) -> (types::Fd, *const u8, u32, i32) {
    let Request::Send { fd, buf, len, flags, .. } = *req else { unreachable!("only sends are continued") };
    // SAFETY: `sent` is at most `len`.
    let at = unsafe { buf.add(sent) };
    (types::Fd(fd), at, (len.min(MAX_BYTES) - sent) as u32, flags | libc::MSG_NOSIGNAL)
}

/// The entry for what is left of a send.
pub(super) fn send(req: &Request, sent: usize, more_flags: i32) -> Entry {
    let (fd, at, size, flags) = rest(req, sent);
    opcode::Send::new(fd, at, size).flags(flags | more_flags).build()
}

/// The same, without a copy.
pub(super) fn send_zero_copy(req: &Request, sent: usize) -> Entry {
    let (fd, at, size, flags) = rest(req, sent);
    opcode::SendZc::new(fd, at, size).flags(flags | libc::MSG_WAITALL).build()
}

/// The entry for a lazy send: complete or failed when the submitting call returns.
pub(super) fn lazy_send(req: &Request) -> Entry {
    send(req, 0, libc::MSG_DONTWAIT | libc::MSG_WAITALL).flags(Flags::SKIP_SUCCESS)
}

/// Bytes a send is for.
pub(super) fn send_len(req: &Request) -> usize {
    match *req {
        Request::Send { len, .. } => len.min(MAX_BYTES),
        _ => 0,
    }
}

/// Waits until a retried request may go on.
pub(super) fn poll(req: &Request) -> Entry {
    let (fd, events) = match *req {
        Request::Write { fd, .. } | Request::WriteV { fd, .. } => (fd, libc::POLLOUT),
        Request::Read { fd, .. }
        | Request::ReadV { fd, .. }
        | Request::Accept { fd, .. }
        | Request::AcceptMulti { fd } => (fd, libc::POLLIN),
        _ => (-1, libc::POLLIN),
    };
    opcode::PollAdd::new(types::Fd(fd), events as u32).build()
}

/// Waits for the end of a splice that it is to wait for.
pub(super) fn await_splice(req: &Request) -> Entry {
    match *req {
        Request::Splice { to, for_room: true, .. } => poll_out(to),
        Request::Splice { from, .. } => poll_in(from),
        _ => unreachable!("a splice waits as one"),
    }
}

/// Waits until there is room to send.
fn poll_out(fd: Fd) -> Entry {
    opcode::PollAdd::new(types::Fd(fd), sys::poll_events(true) as u32).build()
}

/// Waits until there is something to receive.
pub(super) fn poll_in(fd: Fd) -> Entry {
    opcode::PollAdd::new(types::Fd(fd), sys::poll_events(false) as u32).build()
}
