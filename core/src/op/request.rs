//! What a driver is asked to do: plain data, no ownership, no system call.
//!
//! The same closed set is understood by every adapter. Pointers in a request stay valid until the
//! operation's last completion: they point into the operation's slot or into what its payload owns,
//! never at a stack.

use super::file::{Fd, FileCall, Segment};
use crate::driver::Deadline;

/// Names one operation in flight: slot address and generation, as carried in a ring's user data.
///
/// Zero names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpKey(pub u64);

/// How one operation ended, or one step of a multishot operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// A byte count, a file descriptor or zero; below zero an errno, negated.
    pub res: i32,
    /// [`Completion::MORE`], [`Completion::BUFFER`], and the buffer's id in the upper half.
    pub flags: u32,
}

impl Completion {
    /// Further completions of the same operation will follow.
    pub const MORE: u32 = 1;
    /// The bytes are in a provided buffer, whose id is [`Completion::buffer`].
    pub const BUFFER: u32 = 2;

    /// A last completion with result `res`.
    #[must_use]
    pub const fn done(res: i32) -> Self {
        Completion { res, flags: 0 }
    }

    /// A step with result `res`, of a multishot operation that goes on.
    #[must_use]
    pub const fn step(res: i32) -> Self {
        Completion { res, flags: Self::MORE }
    }

    /// A completion whose `res` bytes lie in provided buffer `id`.
    #[must_use]
    pub const fn in_buffer(res: i32, id: u16, more: bool) -> Self {
        Completion { res, flags: Self::BUFFER | (more as u32) | ((id as u32) << 16) }
    }

    /// Whether further completions will follow.
    #[must_use]
    pub const fn more(self) -> bool {
        self.flags & Self::MORE != 0
    }

    /// The provided buffer that holds the bytes.
    #[must_use]
    pub const fn buffer(self) -> Option<u16> {
        if self.flags & Self::BUFFER != 0 { Some((self.flags >> 16) as u16) } else { None }
    }
}

/// The current position of a file, as an offset for [`Request::Read`] and [`Request::Write`].
pub const AT_POSITION: u64 = u64::MAX;

/// One operation. Integers named `flags` are the operating system's own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Request {
    /// Completes with 0 at once.
    Nop,
    /// Waits for a connection; completes with its descriptor (close-on-exec, non-blocking).
    Accept {
        /// Listening socket.
        fd: Fd,
        /// Where the peer's address goes, at least 128 bytes, or null.
        addr: *mut u8,
        /// In: the room at `addr`. Out: the address's length. Null if `addr` is.
        addr_len: *mut u32,
    },
    /// Waits for connections for ever; each completion is a descriptor, as that of [`Request::Accept`]. Ends with a
    /// completion without [`Completion::MORE`]: an error, or one more descriptor.
    AcceptMulti {
        /// Listening socket.
        fd: Fd,
    },
    /// Connects a socket; completes with 0.
    Connect {
        /// Unconnected socket.
        fd: Fd,
        /// A `sockaddr`.
        addr: *const u8,
        /// Its length in bytes.
        addr_len: u32,
    },
    /// Receives what is there, at least one byte; 0 means the peer has finished.
    Recv {
        /// Socket.
        fd: Fd,
        /// Destination.
        buf: *mut u8,
        /// Its room in bytes.
        len: usize,
        /// `MSG_*`.
        flags: i32,
    },
    /// Receives for ever, each completion in a provided buffer; ends with a completion without
    /// [`Completion::MORE`] (end of stream, error, out of buffers, cancelled).
    RecvMulti {
        /// Socket.
        fd: Fd,
    },
    /// Sends all bytes unless an error comes between; completes with the count.
    Send {
        /// Socket.
        fd: Fd,
        /// Source.
        buf: *const u8,
        /// Bytes.
        len: usize,
        /// `MSG_*`; `MSG_NOSIGNAL` is always added.
        flags: i32,
        /// The completion alone need not end a wait (see `docs/io.md`, lazy sends).
        lazy: bool,
    },
    /// As [`Request::Send`], but out of the caller's memory instead of a copy of it, where driver and socket can: it completes
    /// when nobody reads there any more, which may be as late as the peer's acknowledgement.
    SendZeroCopy {
        /// Socket.
        fd: Fd,
        /// Source.
        buf: *const u8,
        /// Bytes.
        len: usize,
        /// `MSG_*`; `MSG_NOSIGNAL` is always added.
        flags: i32,
    },
    /// Moves bytes to or from a pipe inside the system; completes with the count, or 0 at the end of `from`.
    ///
    /// With an offset, the other end is a file, and the pipe has bytes, or room: it is not waited for. Without one it is a
    /// stream in non-blocking mode, or another pipe. `EOPNOTSUPP` where the driver knows no such call.
    Splice {
        /// What is read.
        from: Fd,
        /// Byte offset, or [`AT_POSITION`] for what has none.
        from_offset: u64,
        /// What is written.
        to: Fd,
        /// As `from_offset`.
        to_offset: u64,
        /// Bytes at the most.
        len: u32,
        /// Waits until there is room in `to`, else until there is something in `from`. The other end must not be what
        /// it would have to wait for.
        for_room: bool,
    },
    /// Sends one message, or on a byte stream as much as there is room for; completes with the count.
    SendMsg {
        /// Socket.
        fd: Fd,
        /// A `struct msghdr` of the operating system.
        msg: *const u8,
        /// `MSG_*`; `MSG_NOSIGNAL` is always added.
        flags: i32,
    },
    /// Receives one message, or on a byte stream what is there; completes with the count.
    RecvMsg {
        /// Socket.
        fd: Fd,
        /// A `struct msghdr` of the operating system. Out: what was received besides the bytes.
        msg: *mut u8,
        /// `MSG_*`.
        flags: i32,
    },
    /// Waits until a descriptor is ready; completes with the events (`POLL*`), errors and hang-ups among them. What is
    /// ready at submission is told, however long it has been; an event may be about something that is gone again.
    Poll {
        /// Any descriptor that can be waited for.
        fd: Fd,
        /// To be written to, rather than read from.
        writing: bool,
    },
    /// Reads from a file at an offset, or at [`AT_POSITION`].
    Read {
        /// File or pipe.
        fd: Fd,
        /// Destination.
        buf: *mut u8,
        /// Its room in bytes.
        len: usize,
        /// Byte offset, or [`AT_POSITION`].
        offset: u64,
    },
    /// Writes to a file at an offset, or at [`AT_POSITION`]; may be short.
    Write {
        /// File or pipe.
        fd: Fd,
        /// Source.
        buf: *const u8,
        /// Bytes.
        len: usize,
        /// Byte offset, or [`AT_POSITION`].
        offset: u64,
    },
    /// Reads into several places, as [`Request::Read`] does into one. May be short.
    ReadV {
        /// File or pipe.
        fd: Fd,
        /// Destinations, filled in order.
        segments: *const Segment,
        /// How many.
        count: u32,
        /// Byte offset, or [`AT_POSITION`].
        offset: u64,
    },
    /// Writes from several places, as [`Request::Write`] does from one. May be short.
    WriteV {
        /// File or pipe.
        fd: Fd,
        /// Sources, in order.
        segments: *const Segment,
        /// How many.
        count: u32,
        /// Byte offset, or [`AT_POSITION`].
        offset: u64,
    },
    /// A file call that never waits for readiness.
    File(FileCall),
    /// Opens a path; completes with the descriptor (close-on-exec).
    OpenAt {
        /// Directory, or `AT_FDCWD`.
        dir: Fd,
        /// NUL-terminated.
        path: *const u8,
        /// `O_*`.
        flags: i32,
        /// Permission bits of a file that is created.
        mode: u32,
    },
    /// Closes a descriptor. Never cancelled once submitted.
    Close {
        /// What to close.
        fd: Fd,
    },
    /// Flushes a file to its device.
    Fsync {
        /// File.
        fd: Fd,
        /// Data only (`fdatasync`).
        data_only: bool,
    },
    /// Shuts down one or both directions of a socket; `how` is `SHUT_*`.
    Shutdown {
        /// Socket.
        fd: Fd,
        /// `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`.
        how: i32,
    },
    /// Completes with 0 when the deadline has passed. Served by the timer wheel, not by a driver.
    Timeout {
        /// When.
        deadline: Deadline,
    },
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Request>() <= 40, "every slot and every queue of operations carries one");

impl Request {
    /// The request a driver serves that does without zero-copy sends; all others as they are.
    #[must_use]
    pub const fn with_copies(self) -> Request {
        match self {
            Request::SendZeroCopy { fd, buf, len, flags } => {
                Request::Send { fd, buf, len, flags, lazy: false }
            }
            other => other,
        }
    }
}

// SAFETY: a request is plain data; who may dereference its pointers, and when, is the operation
// slot's contract, and the buffers they name are owned by a `Send` payload.
unsafe impl Send for Request {}

/// The memory of a driver's provided buffers. Holding it keeps it valid, also after the driver is gone.
pub trait ProvidedMemory: Send + Sync {
    /// The first byte of buffer `id`.
    ///
    /// # Panics
    /// If there is no such buffer.
    fn at(&self, id: u16) -> *mut u8;
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// A completion with this key will come out of a later `reap` or `wait`.
    InFlight,
    /// Done at once; no completion will come.
    Done(Completion),
    /// This driver would have to block: run [`Request`] on the blocking pool instead.
    Blocking,
}
