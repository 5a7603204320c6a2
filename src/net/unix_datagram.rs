//! Datagrams between processes of one machine.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use super::base::shutdown;
use super::methods::{as_fd, datagram_methods, std_methods};
use super::unix_addr::{at, local_addr, peer_addr};
use super::{RecvFromUnix, SendToUnix};
use crate::addr::UnixRoom;
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;

/// A Unix socket for datagrams, which arrive whole and in order.
///
/// ```
/// use ouzel::net::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let (a, b) = UnixDatagram::pair()?;
///     a.send("one").await.0?;
///     a.send("two").await.0?;
///     assert_eq!(b.recv(Vec::with_capacity(64)).await.1, b"one");
///     assert_eq!(b.recv(Vec::with_capacity(64)).await.1, b"two");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    fd: SharedFd,
}

impl UnixDatagram {
    datagram_methods!();
    std_methods!(std::os::unix::net::UnixDatagram);

    /// Makes a socket at `path`.
    ///
    /// # Errors
    /// The system's: `AddrInUse` if there is such a file.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_addr(&at(path)?)
    }

    /// As [`bind`](Self::bind), to any kind of address, abstract names among them.
    ///
    /// # Errors
    /// The system's.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixDatagram::bind_addr(address)?)
    }

    /// A socket without a name: it can send, and be answered by nobody.
    ///
    /// # Errors
    /// The system's: `EMFILE`.
    pub fn unbound() -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixDatagram::unbound()?)
    }

    /// Two sockets that are each other's peer.
    ///
    /// # Errors
    /// The system's: `EMFILE`.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = std::os::unix::net::UnixDatagram::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }

    /// Makes the socket at `path` the peer. Done at once.
    ///
    /// # Errors
    /// The system's: nobody is there.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&at(path)?)
    }

    /// As [`connect`](Self::connect), to any kind of address.
    ///
    /// # Errors
    /// The system's.
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        crate::addr::with_unix(address, |raw| Ok(rustix::net::connect(&self.fd, raw)?))
    }

    /// Sends `buf` as one datagram to the socket at `path`. Allocates.
    ///
    /// Dropping the future cancels: the datagram may have been sent.
    pub fn send_to<B: IoBuf>(&self, buf: B, path: impl AsRef<Path>) -> SendToUnix<B> {
        SendToUnix::new(&self.fd, buf, at(path).and_then(|address| UnixRoom::of(&address)))
    }

    /// As [`send_to`](Self::send_to), to any kind of address.
    pub fn send_to_addr<B: IoBuf>(&self, buf: B, address: &SocketAddr) -> SendToUnix<B> {
        SendToUnix::new(&self.fd, buf, UnixRoom::of(address))
    }

    /// Receives one datagram into `buf`, up to its capacity, and says who sent it; what does not fit is lost.
    /// Allocates.
    ///
    /// Dropping the future cancels: a datagram that had already arrived for it is lost.
    pub fn recv_from<B: IoBufMut>(&self, buf: B) -> RecvFromUnix<B> {
        RecvFromUnix::new(&self.fd, buf, 0)
    }

    /// As [`recv_from`](Self::recv_from), but leaves the datagram for the next receive.
    pub fn peek_from<B: IoBufMut>(&self, buf: B) -> RecvFromUnix<B> {
        RecvFromUnix::new(&self.fd, buf, libc::MSG_PEEK)
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// The system's: not connected.
    pub async fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        shutdown(&self.fd, how).await
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// The system's: not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        peer_addr(&self.fd)
    }
}

as_fd!(UnixDatagram);
