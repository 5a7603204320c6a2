//! What the kinds of sockets have in common.

use std::io;
use std::net::{Shutdown, SocketAddr};

use rustix::net::{AddressFamily, SocketType};

use crate::fd::SharedFd;
use crate::op::{Op, Request};
use crate::platform;

/// A new socket: close-on-exec, non-blocking.
pub(super) fn new_socket(family: AddressFamily, kind: SocketType) -> io::Result<SharedFd> {
    Ok(SharedFd::new(platform::socket(family, kind)?))
}

pub(super) fn family_of(address: SocketAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 }
}

pub(super) fn local_addr(fd: &SharedFd) -> io::Result<SocketAddr> {
    rustix::net::getsockname(fd)?.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}

pub(super) fn peer_addr(fd: &SharedFd) -> io::Result<SocketAddr> {
    let peer = rustix::net::getpeername(fd)?.ok_or(io::ErrorKind::NotConnected)?;
    peer.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Time to live of outgoing packets; hops, for a socket of version six.
pub(super) fn ttl(fd: &SharedFd) -> io::Result<u32> {
    use rustix::net::sockopt::{ip_ttl, ipv6_unicast_hops};
    if local_addr(fd)?.is_ipv4() { Ok(ip_ttl(fd)?) } else { Ok(u32::from(ipv6_unicast_hops(fd)?)) }
}

pub(super) fn set_ttl(fd: &SharedFd, ttl: u32) -> io::Result<()> {
    use rustix::net::sockopt::{set_ip_ttl, set_ipv6_unicast_hops};
    if local_addr(fd)?.is_ipv4() {
        return Ok(set_ip_ttl(fd, ttl)?);
    }
    let hops = u8::try_from(ttl).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    Ok(set_ipv6_unicast_hops(fd, Some(hops))?)
}

pub(super) async fn shutdown(fd: &SharedFd, how: Shutdown) -> io::Result<()> {
    let raw = fd.raw();
    let how = match how {
        Shutdown::Read => libc::SHUT_RD,
        Shutdown::Write => libc::SHUT_WR,
        Shutdown::Both => libc::SHUT_RDWR,
    };
    let (result, _) = Op::new(fd.clone(), move |_, _| Request::Shutdown { fd: raw, how }).await;
    result.map(drop)
}
