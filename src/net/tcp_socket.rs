//! A TCP socket before it listens or connects.

use std::io;
use std::net::SocketAddr;

use rustix::net::{AddressFamily, SocketType, sockopt};

use super::base::{local_addr, new_socket};
use super::methods::as_fd;
use super::{Connect, TcpListener, TcpStream};
use crate::fd::SharedFd;
use crate::platform;

/// A TCP socket whose options are set before it becomes a listener or a stream.
///
/// ```
/// use ouzel::net::TcpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuseport(true)?;
///     socket.bind("127.0.0.1:0".parse().unwrap())?;
///     let listener = socket.listen(16)?;
///
///     // A second listener on the same port: the kernel spreads the connections.
///     let second = TcpSocket::new_v4()?;
///     second.set_reuseport(true)?;
///     second.bind(listener.local_addr()?)?;
///     second.listen(16)?;
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    fd: SharedFd,
}

impl TcpSocket {
    /// A socket of IP version four.
    ///
    /// # Errors
    /// The system's: `EMFILE`.
    pub fn new_v4() -> io::Result<Self> {
        Ok(TcpSocket { fd: new_socket(AddressFamily::INET, SocketType::STREAM)? })
    }

    /// A socket of IP version six.
    ///
    /// # Errors
    /// The system's: `EMFILE`.
    pub fn new_v6() -> io::Result<Self> {
        Ok(TcpSocket { fd: new_socket(AddressFamily::INET6, SocketType::STREAM)? })
    }

    /// Lets an address be bound that closed connections still occupy.
    ///
    /// # Errors
    /// The system's.
    pub fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_socket_reuseaddr(&self.fd, on)?)
    }

    /// Lets several sockets be bound to one port; all of them must ask for it.
    ///
    /// # Errors
    /// The system's.
    pub fn set_reuseport(&self, on: bool) -> io::Result<()> {
        platform::set_reuseport(&self.fd, on)
    }

    /// Asks for this many bytes of receive buffer; set before `listen` or `connect`, it bounds the window.
    ///
    /// # Errors
    /// The system's.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        Ok(sockopt::set_socket_recv_buffer_size(&self.fd, bytes)?)
    }

    /// Asks for this many bytes of send buffer.
    ///
    /// # Errors
    /// The system's.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        Ok(sockopt::set_socket_send_buffer_size(&self.fd, bytes)?)
    }

    /// Turns Nagle's algorithm off (`true`) or on; accepted connections inherit it.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.fd, on)?)
    }

    /// Binds to `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// The system's, when the address is in use or not this machine's.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        Ok(rustix::net::bind(&self.fd, &address)?)
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    /// Waits for connections from now on, with room for `backlog` that are not accepted yet.
    ///
    /// # Errors
    /// The system's.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        rustix::net::listen(&self.fd, i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(TcpListener::from_shared(self.fd))
    }

    /// Connects to `address`.
    ///
    /// Dropping the future closes the half-made connection.
    ///
    /// # Errors
    /// The system's: refused, unreachable, timed out.
    pub fn connect(self, address: SocketAddr) -> Connect<TcpStream> {
        Connect::by(self.fd, address)
    }

    fn shared_fd(&self) -> &SharedFd {
        &self.fd
    }
}

as_fd!(TcpSocket);
