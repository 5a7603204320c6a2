//! What the kinds of Unix sockets have in common: addresses, and who is at the other end.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use rustix::net::SocketAddrAny;

use crate::addr;
use crate::fd::SharedFd;
use crate::platform;

/// Who is at the other end of a Unix socket, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UCred {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
}

impl UCred {
    /// The user.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The process, where the system tells.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }
}

pub(super) fn peer_cred(fd: &SharedFd) -> io::Result<UCred> {
    platform::peer_cred(fd.as_fd()).map(|(uid, gid, pid)| UCred { uid, gid, pid })
}

pub(super) fn local_addr(fd: &SharedFd) -> io::Result<SocketAddr> {
    known(rustix::net::getsockname(fd)?)
}

pub(super) fn peer_addr(fd: &SharedFd) -> io::Result<SocketAddr> {
    match rustix::net::getpeername(fd)? {
        Some(any) => known(any),
        None => SocketAddr::from_pathname(""),
    }
}

fn known(any: SocketAddrAny) -> io::Result<SocketAddr> {
    addr::decode_any(any).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

pub(super) fn at(path: impl AsRef<Path>) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(path)
}
