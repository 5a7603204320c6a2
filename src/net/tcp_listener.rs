//! Waiting for TCP connections.

use std::io;
use std::net::SocketAddr;

use rustix::net::{SocketType, sockopt};

use super::base::{family_of, local_addr, new_socket, set_ttl, ttl};
use super::methods::{as_fd, std_methods};
use super::{Accept, Incoming, TcpStream, ToSocketAddrs, to_socket_addrs};
use crate::fd::SharedFd;

/// Connections that wait to be accepted, unless told otherwise.
const BACKLOG: i32 = 1024;

/// A socket that waits for TCP connections.
///
/// ```
/// use ouzel::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let client = ouzel::spawn(async move { TcpStream::connect(address).await });
///     let (_stream, peer) = listener.accept().await?;
///     let client = client.await.unwrap()?;
///     assert_eq!(client.local_addr()?, peer);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    fd: SharedFd,
}

impl TcpListener {
    std_methods!(std::net::TcpListener);

    /// Binds to the first of `addresses` that will do and listens, with `SO_REUSEADDR` and room for 1024
    /// connections. Port 0 picks a free one. For other options: [`TcpSocket`](super::TcpSocket).
    ///
    /// # Errors
    /// The system's, when the address is in use or not this machine's.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        to_socket_addrs::first(addresses, |address| {
            let fd = new_socket(family_of(address), SocketType::STREAM)?;
            sockopt::set_socket_reuseaddr(&fd, true)?;
            rustix::net::bind(&fd, &address)?;
            rustix::net::listen(&fd, BACKLOG)?;
            Ok(Self::from_shared(fd))
        })
    }

    /// Waits for a connection; gives it and the peer's address.
    ///
    /// Allocates the stream's shared descriptor. Dropping the future loses nothing but a connection
    /// that had already been taken from the queue, which is closed; [`Accept::cancel`] loses none.
    ///
    /// # Errors
    /// The system's: `EMFILE` when descriptors have run out (the connection stays in the queue).
    pub fn accept(&self) -> Accept<TcpStream> {
        Accept::new(&self.fd)
    }

    /// Accepts for as long as it is polled, by one operation for all connections where the system can.
    ///
    /// Not beside another accept of the same listener, if it matters who gets which connection.
    #[must_use]
    pub fn incoming(&self) -> Incoming<TcpStream> {
        Incoming::new(&self.fd)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    /// Time to live of what is sent on accepted connections.
    ///
    /// # Errors
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        ttl(&self.fd)
    }

    /// Sets the time to live of what is sent on connections accepted from now on.
    ///
    /// # Errors
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        set_ttl(&self.fd, ttl)
    }
}

as_fd!(TcpListener);
