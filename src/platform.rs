//! The one place that knows which operating system this is: it picks the adapter.
//!
//! On Linux `auto` means io_uring if the kernel lets us, else epoll, else the portable driver; elsewhere the
//! portable driver. Where the system is no Unix, there are tasks, timers and the blocking pool, and no I/O.

use std::fmt::Display;
use std::io;
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ouzel_core::driver::{Counters, Deadline, Errno, Nanos, Unpark};
use ouzel_core::op::{Completion, Fd, OpKey, ProvidedMemory, Request, Submitted};
use ouzel_core::park::ParkWord;
use ouzel_core::slab::Pages;
use ouzel_os_fallback as fallback;
#[cfg(target_os = "linux")]
use ouzel_os_linux as linux;

use crate::driver::{Driver, DriverOptions};

/// Called for each completion: key and result.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(OpKey, Completion);

/// The driver of one thread. The variants have the same methods, made callable by [`each`].
#[derive(Debug)]
pub(crate) enum AnyDriver {
    #[cfg(target_os = "linux")]
    Uring(Box<linux::UringDriver>),
    #[cfg(target_os = "linux")]
    Epoll(Box<linux::EpollDriver>),
    Poll(Box<fallback::PollDriver>),
}

/// Keeps a descriptor open.
pub(crate) type Keeper = Arc<dyn std::any::Any + Send + Sync>;

/// How a driver reads files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files {
    /// Without blocking first.
    pub(crate) tried: bool,
    /// As operations in flight; else on the blocking pool.
    pub(crate) waited_for: bool,
}

macro_rules! each {
    ($self:expr, $d:ident => $body:expr) => {
        match $self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring($d) => $body,
            #[cfg(target_os = "linux")]
            AnyDriver::Epoll($d) => $body,
            AnyDriver::Poll($d) => $body,
        }
    };
}

impl AnyDriver {
    /// Makes the calling thread the one that uses the driver.
    pub(crate) fn bind(&mut self) -> Result<(), Errno> {
        #[cfg(target_os = "linux")]
        if let AnyDriver::Uring(d) = self {
            d.bind()?;
        }
        Ok(())
    }
    pub(crate) fn unparker(&self) -> Arc<dyn Unpark> {
        each!(self, d => d.unparker())
    }
    #[inline]
    pub(crate) fn submit(&mut self, key: OpKey, request: &Request) -> Submitted {
        each!(self, d => d.submit(key, request))
    }
    /// As `submit`, of an operation whose limit the driver keeps. None: it does not, and nothing was submitted.
    pub(crate) fn submit_until(
        &mut self,
        key: OpKey,
        request: &Request,
        limit: Deadline,
    ) -> Option<Submitted> {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring(d) => d.submit_until(key, request, limit),
            _ => {
                let _ = (key, request, limit);
                None
            }
        }
    }
    pub(crate) fn cancel(&mut self, key: OpKey) {
        each!(self, d => d.cancel(key));
    }
    pub(crate) fn wait(
        &mut self,
        deadline: Option<Deadline>,
        lazy_waited: bool,
        sink: Sink<'_>,
    ) -> Result<usize, Errno> {
        each!(self, d => d.wait(deadline, lazy_waited, sink))
    }
    pub(crate) fn reap(&mut self, sink: Sink<'_>) -> Result<usize, Errno> {
        each!(self, d => d.reap(sink))
    }
    /// Whether `reap` may find something, as far as can be told without a system call.
    pub(crate) fn may_have_completed(&mut self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring(d) => d.may_have_completed(),
            _ => true,
        }
    }
    /// Whether a lazy send's end is told after a wait, and not before it as well: then tasks of any worker may wait for it.
    pub(crate) fn settles_after_waits(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring(_) => true,
            _ => false,
        }
    }
    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring(d) => d.flush(),
            #[cfg(target_os = "linux")]
            AnyDriver::Epoll(d) => d.flush(),
            // Makes every call at once.
            AnyDriver::Poll(_) => Ok(()),
        }
    }
    /// Whether calls on sockets may be tried before they are submitted: not where the driver tries them, and cannot be
    /// told that it was in vain.
    pub(crate) fn lets_try_sockets(&self) -> bool {
        !matches!(self, AnyDriver::Poll(_))
    }
    /// A call on this descriptor would have had to wait, just now.
    pub(crate) fn tried_in_vain(&mut self, fd: Fd, writing: bool) {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Epoll(d) => d.tried_in_vain(fd, writing),
            _ => {
                let _ = (fd, writing);
            }
        }
    }
    /// Takes a copy of `bytes` and sends it soon, without an operation. False: it is not taken, an operation is the way.
    #[inline]
    pub(crate) fn try_send(
        &mut self,
        fd: Fd,
        bytes: &[u8],
        keep: impl FnOnce() -> Option<Keeper>,
    ) -> Result<bool, Errno> {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring(d) => d.try_send(fd, bytes, keep),
            #[cfg(target_os = "linux")]
            AnyDriver::Epoll(d) => d.try_send(fd, bytes, keep),
            _ => {
                let _ = (fd, bytes, keep);
                Ok(false)
            }
        }
    }
    /// Sends what `try_send` has taken.
    pub(crate) fn send_taken(&mut self) {
        #[cfg(target_os = "linux")]
        match self {
            // What cannot be given to the kernel now is not, and the runtime ends.
            AnyDriver::Uring(d) => drop(d.flush()),
            AnyDriver::Epoll(d) => drop(d.flush()),
            AnyDriver::Poll(_) => {}
        }
    }
    /// Sends without a copy whose memory is free only when a peer has acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring(d) => d.unacknowledged(),
            _ => 0,
        }
    }
    /// Resets their connections.
    pub(crate) fn reset_unacknowledged(&mut self) {
        #[cfg(target_os = "linux")]
        if let AnyDriver::Uring(d) = self {
            d.reset_unacknowledged();
        }
    }
    pub(crate) fn provide(&mut self) -> Result<Arc<dyn ProvidedMemory>, Errno> {
        each!(self, d => d.provide())
    }
    pub(crate) fn buffer(&self, id: u16) -> *mut u8 {
        each!(self, d => d.buffer(id))
    }
    #[inline]
    pub(crate) fn recycle(&mut self, id: u16) {
        each!(self, d => d.recycle(id));
    }
    pub(crate) fn counters(&self) -> Counters {
        each!(self, d => d.counters())
    }
    #[cfg(unix)]
    pub(crate) fn pollable(&self) -> Option<Fd> {
        each!(self, d => d.pollable())
    }
    /// Nothing that another loop could wait for.
    #[cfg(not(unix))]
    pub(crate) fn pollable(&self) -> Option<Fd> {
        None
    }
    pub(crate) fn arm_notify(&mut self) {
        each!(self, d => d.arm_notify());
    }
    pub(crate) fn name(&self) -> &'static str {
        each!(self, d => d.name())
    }
    pub(crate) fn description(&self) -> Box<dyn Display + Send + Sync> {
        each!(self, d => Box::new(d.description()))
    }
    pub(crate) fn files(&self) -> Files {
        match self {
            #[cfg(target_os = "linux")]
            AnyDriver::Uring(d) => Files { tried: d.tries_files(), waited_for: true },
            #[cfg(target_os = "linux")]
            AnyDriver::Epoll(d) => Files { tried: d.tries_files(), waited_for: false },
            AnyDriver::Poll(_) => Files { tried: false, waited_for: false },
        }
    }
}

/// Makes the driver that `options` ask for, which the thread that will use it must [bind](AnyDriver::bind). The text says
/// why it is none of those before it.
///
/// # Errors
/// The system's, for a driver that was named; for `auto` that of the last one tried.
pub(crate) fn make(options: &DriverOptions, park: &Arc<ParkWord>) -> io::Result<(AnyDriver, String)> {
    let mut passed_over = String::new();
    let order: &[Driver] = match options.driver {
        Driver::Auto => NATIVE,
        ref one => std::slice::from_ref(one),
    };
    let mut last = None;
    for &driver in order {
        match make_one(driver, options, Arc::clone(park)) {
            Ok(made) => return Ok((made, passed_over)),
            Err(e) => {
                passed_over += &format!("; not {}: {e}", long_name(driver));
                last = Some(e);
            }
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
}

fn long_name(driver: Driver) -> &'static str {
    if driver == Driver::Uring { "io_uring" } else { driver.name() }
}

pub(crate) fn os_error(e: Errno) -> io::Error {
    io::Error::from_raw_os_error(e.0)
}

fn portable(options: &DriverOptions, park: Arc<ParkWord>) -> io::Result<AnyDriver> {
    let (buffers, buffer_size) = (options.buffers, options.buffer_size);
    let config = fallback::DriverConfig { buffers, buffer_size, ..Default::default() };
    fallback::PollDriver::new(&config, park).map(|d| AnyDriver::Poll(Box::new(d))).map_err(os_error)
}

#[cfg(target_os = "linux")]
mod os {
    use super::*;
    use ouzel_core::op::{FileStat, StatRoom};
    use rustix::net::SocketAddrUnix;
    use rustix::pipe::PipeFlags;
    use std::os::fd::BorrowedFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(super) const NATIVE: &[Driver] = &[Driver::Uring, Driver::Epoll, Driver::Poll];

    pub(super) fn make_one(d: Driver, options: &DriverOptions, park: Arc<ParkWord>) -> io::Result<AnyDriver> {
        let mask = match std::env::var("OUZEL_URING_MASK") {
            Ok(names) => names
                .parse::<linux::Mask>()
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, format!("OUZEL_URING_MASK: {e}")))?,
            Err(_) => linux::Mask::NONE,
        };
        let config = linux::DriverConfig {
            entries: options.entries,
            buffers: options.buffers,
            buffer_size: options.buffer_size,
            mask,
        };
        let made = match d {
            Driver::Uring => linux::UringDriver::unbound(&config, park).map(AnyDriver::Uring),
            Driver::Epoll => linux::EpollDriver::new(&config, park).map(|d| AnyDriver::Epoll(Box::new(d))),
            _ => return portable(options, park),
        };
        made.map_err(os_error)
    }

    pub(crate) fn now() -> Nanos {
        linux::clock::now()
    }

    pub(crate) fn execute(request: &Request) -> i32 {
        linux::execute(request)
    }

    pub(crate) fn file_stat(room: &StatRoom) -> FileStat {
        linux::file_stat(room)
    }

    pub(crate) use linux::{begin_to_wait, open_cached, read_cached, stat_cached, stat_open_cached};

    pub(crate) fn fd_changed(fd: Fd) {
        linux::FdTable::of_process().changed(fd);
    }

    pub(crate) fn exit_descriptor(child: u32) -> Option<OwnedFd> {
        linux::process::exit_descriptor(child).ok()
    }

    pub(crate) fn heavy_barrier() -> Option<fn()> {
        linux::heavy_barrier()
    }

    pub(crate) fn pages() -> Pages {
        linux::pages()
    }

    pub(crate) fn processors() -> usize {
        linux::processors()
    }

    /// Both ends of a pipe to splice through, the one that is read first, and its room. None: there is no splice.
    pub(crate) fn splice_pipe() -> Option<io::Result<(OwnedFd, OwnedFd, usize)>> {
        /// More than it has by itself, if we may.
        const WIDE: usize = 1 << 20;
        let pipe = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
        Some(pipe.map_err(io::Error::from).and_then(|(out, into)| {
            let room = match rustix::pipe::fcntl_setpipe_size(&into, WIDE) {
                Ok(room) => room,
                Err(_) => rustix::pipe::fcntl_getpipe_size(&into)?,
            };
            Ok((out, into, room))
        }))
    }

    /// A Unix socket's name that is no path, as a `sockaddr`.
    pub(crate) fn abstract_sockaddr(addr: &SocketAddr) -> Option<io::Result<SocketAddrUnix>> {
        let name = addr.as_abstract_name()?;
        Some(SocketAddrUnix::new_abstract_name(name).map_err(Into::into))
    }

    /// The same, the other way.
    pub(crate) fn from_abstract(raw: &SocketAddrUnix) -> Option<SocketAddr> {
        SocketAddr::from_abstract_name(raw.abstract_name()?).ok()
    }

    /// User, group and process at the other end of a Unix socket.
    pub(crate) fn peer_cred(fd: BorrowedFd<'_>) -> io::Result<(u32, u32, Option<i32>)> {
        let cred = rustix::net::sockopt::socket_peercred(fd)?;
        Ok((cred.uid.as_raw(), cred.gid.as_raw(), Some(cred.pid.as_raw_nonzero().get())))
    }

    /// The process in which a runtime was made last; 0 before.
    static MADE: AtomicU64 = AtomicU64::new(0);

    /// The process that something was made in, and belongs to: a forked child is another one.
    #[derive(Clone, Copy, Debug)]
    pub struct Origin(linux::fork::Origin);

    impl Origin {
        /// This process, which makes something.
        #[must_use]
        pub fn here() -> Self {
            let here = linux::fork::Origin::here();
            // ORDERING: Relaxed: a number; a fork is a point in one thread's program order.
            MADE.store(here.made().number(), Ordering::Relaxed);
            Origin(here)
        }

        /// Whether this process is not that one, but a forked child of it.
        #[inline(always)]
        #[must_use]
        pub fn is_another_process(self) -> bool {
            self.0.is_foreign()
        }
    }

    pub(crate) fn in_forked_child() -> bool {
        // ORDERING: Relaxed, as above.
        let made = MADE.load(Ordering::Relaxed);
        made != 0 && linux::fork::Generation::from_number(made).is_foreign()
    }
}

#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
use portable as os;

/// Closes a descriptor that an operation made.
///
/// # Safety
/// It is the caller's to close.
#[cfg(unix)]
pub(crate) unsafe fn close(fd: Fd) {
    use std::os::fd::FromRawFd;
    fd_changed(fd);
    // SAFETY: the caller's.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}

/// There are none, and this does nothing.
#[cfg(not(unix))]
pub(crate) unsafe fn close(_: Fd) {}

#[cfg(unix)]
pub(crate) use libc::{ECANCELED, ENOMEM, ETIMEDOUT};

/// Where errors are told in the drivers' numbers, which are Linux's.
#[cfg(not(unix))]
pub(crate) const ECANCELED: i32 = 125;
#[cfg(not(unix))]
pub(crate) const ENOMEM: i32 = 12;
#[cfg(not(unix))]
pub(crate) const ETIMEDOUT: i32 = 110;

#[cfg(unix)]
pub(crate) use fallback::signal;
/// Where a system sets a socket's flags by one call more, or signals a broken pipe unless the socket says not to.
#[cfg(unix)]
mod sockets {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::net::{AddressFamily, SendFlags, SocketType};

    /// For a send that neither waits nor signals.
    #[cfg(not(target_vendor = "apple"))]
    pub(crate) const SEND_NOW: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
    #[cfg(target_vendor = "apple")]
    pub(crate) const SEND_NOW: SendFlags = SendFlags::DONTWAIT;

    /// A new socket: close-on-exec, non-blocking.
    #[cfg(not(target_vendor = "apple"))]
    pub(crate) fn socket(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
        use rustix::net::SocketFlags;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(rustix::net::socket_with(family, kind, flags, None)?)
    }

    #[cfg(target_vendor = "apple")]
    pub(crate) fn socket(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
        let fd = rustix::net::socket(family, kind, None)?;
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        rustix::net::sockopt::set_socket_nosigpipe(&fd, true)?;
        Ok(fd)
    }

    #[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
    pub(crate) fn set_reuseport(fd: &impl AsFd, on: bool) -> io::Result<()> {
        Ok(rustix::net::sockopt::set_socket_reuseport(fd, on)?)
    }

    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    pub(crate) fn set_reuseport(_: &impl AsFd, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub use os::Origin;
use os::{NATIVE, make_one};
#[cfg(unix)]
pub(crate) use os::{
    abstract_sockaddr, begin_to_wait, exit_descriptor, fd_changed, from_abstract, open_cached, peer_cred,
    read_cached, splice_pipe, stat_cached, stat_open_cached,
};
pub(crate) use os::{execute, file_stat, heavy_barrier, in_forked_child, now, pages, processors};
#[cfg(unix)]
pub(crate) use sockets::{SEND_NOW, set_reuseport, socket};
