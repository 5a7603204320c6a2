//! All systems but Linux: the portable driver, and what nothing portable tells.

use ouzel_core::op::{FileStat, StatRoom};

use super::*;
#[cfg(unix)]
pub(crate) use files::*;

pub(super) const NATIVE: &[Driver] = &[Driver::Poll];

pub(super) fn make_one(d: Driver, options: &DriverOptions, park: Arc<ParkWord>) -> io::Result<AnyDriver> {
    match d {
        Driver::Uring | Driver::Epoll => Err(io::ErrorKind::Unsupported.into()),
        _ => portable(options, park),
    }
}

pub(crate) fn now() -> Nanos {
    fallback::clock::now()
}

pub(crate) fn execute(request: &Request) -> i32 {
    fallback::execute(request)
}

pub(crate) fn file_stat(room: &StatRoom) -> FileStat {
    fallback::file_stat(room)
}

pub(crate) fn heavy_barrier() -> Option<fn()> {
    None
}

pub(crate) fn pages() -> Pages {
    Pages::HEAP
}

pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The process that something was made in; nothing tells a forked child here.
#[derive(Clone, Copy, Debug)]
pub struct Origin;

impl Origin {
    /// This process, which makes something.
    #[must_use]
    pub fn here() -> Self {
        Origin
    }

    /// Whether this process is not that one, but a forked child of it.
    #[inline(always)]
    #[must_use]
    pub fn is_another_process(self) -> bool {
        false
    }
}

pub(crate) fn in_forked_child() -> bool {
    false
}

#[cfg(unix)]
mod files {
    use super::*;
    use rustix::net::SocketAddrUnix;
    use std::ffi::CStr;
    use std::mem::MaybeUninit;
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::SocketAddr;

    /// Nothing portable tells what is in memory.
    pub(crate) fn open_cached(_: &CStr) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// As there.
    pub(crate) fn read_cached(_: BorrowedFd<'_>, _: &mut [MaybeUninit<u8>], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// As there.
    pub(crate) fn stat_cached(_: &CStr, _: bool) -> io::Result<FileStat> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// As there.
    pub(crate) fn stat_open_cached(_: BorrowedFd<'_>) -> io::Result<FileStat> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn begin_to_wait(_: BorrowedFd<'_>) {}

    pub(crate) fn fd_changed(_: Fd) {}

    pub(crate) fn exit_descriptor(_: u32) -> Option<OwnedFd> {
        None
    }

    pub(crate) fn splice_pipe() -> Option<io::Result<(OwnedFd, OwnedFd, usize)>> {
        None
    }

    pub(crate) fn abstract_sockaddr(_: &SocketAddr) -> Option<io::Result<SocketAddrUnix>> {
        None
    }

    pub(crate) fn from_abstract(_: &SocketAddrUnix) -> Option<SocketAddr> {
        None
    }

    pub(crate) fn peer_cred(_: BorrowedFd<'_>) -> io::Result<(u32, u32, Option<i32>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
