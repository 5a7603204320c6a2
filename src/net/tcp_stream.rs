//! A TCP connection.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use rustix::net::sockopt;

use super::base::{local_addr, peer_addr, set_ttl, shutdown, ttl};
use super::methods::{as_fd, copy_methods, read_methods, std_methods, write_methods};
use super::split::{self, is_stream};
use super::{Connect, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ToSocketAddrs, WriteHalf};
use crate::fd::SharedFd;

/// A TCP connection.
///
/// Operations take `&self`: one read and one write may be in flight at a time without a split. Two
/// reads at once get the bytes in no particular order.
///
/// ```
/// use ouzel::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all("hello").await.0?;
///     let (result, buf) = server.read_exact(vec![0; 5]).await;
///     result?;
///     assert_eq!(buf, b"hello");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct TcpStream {
    fd: SharedFd,
}

impl TcpStream {
    read_methods!();
    write_methods!();
    copy_methods!();
    std_methods!(std::net::TcpStream);

    /// Connects to the first of `addresses` that answers.
    ///
    /// Dropping the future closes the half-made connection.
    ///
    /// # Errors
    /// The system's for the last address: refused, unreachable, timed out.
    pub fn connect(addresses: impl ToSocketAddrs) -> Connect<Self> {
        Connect::any(addresses.to_socket_addrs())
    }

    /// Connects to `address`, or gives up after `time`: [`connect`](Self::connect) with a [`Connect::timeout`].
    ///
    /// # Errors
    /// `TimedOut`; else as [`connect`](Self::connect).
    pub fn connect_timeout(address: &SocketAddr, time: Duration) -> Connect<Self> {
        Self::connect(address).timeout(time)
    }

    /// The two directions apart, for one task.
    pub fn split(&mut self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
        split::split(&self.fd)
    }

    /// The two directions apart, for two tasks. Dropping the half that writes shuts its direction down.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # use ouzel::net::{TcpListener, TcpStream};
    /// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
    /// # runtime.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let (read, write) = client.into_split();
    /// let sending = ouzel::spawn(async move { write.write_all("over").await.0 });
    /// let (result, _) = server.read_exact(vec![0; 4]).await;
    /// result?;
    /// sending.await.unwrap()?;
    /// // The half that wrote is gone, and the peer sees the end.
    /// assert_eq!(server.read(vec![0; 1]).await.0?, 0);
    /// # drop(read);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        split::into_split(self.fd)
    }

    /// Closes one direction or both. The peer reads an end of stream.
    ///
    /// # Errors
    /// The system's: not connected any more.
    pub async fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        shutdown(&self.fd, how).await
    }

    /// Turns Nagle's algorithm off (`true`) or on.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.fd, on)?)
    }

    /// Whether Nagle's algorithm is off.
    ///
    /// # Errors
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(sockopt::tcp_nodelay(&self.fd)?)
    }

    /// Asks an idle peer for a sign of life after so long, in whole seconds; `None`: never.
    ///
    /// # Errors
    /// The system's; `EINVAL` for less than a second.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        if let Some(idle) = idle {
            sockopt::set_tcp_keepidle(&self.fd, idle)?;
        }
        Ok(sockopt::set_socket_keepalive(&self.fd, idle.is_some())?)
    }

    /// After how long an idle peer is asked for a sign of life, if it is.
    ///
    /// # Errors
    /// The system's.
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        if !sockopt::socket_keepalive(&self.fd)? {
            return Ok(None);
        }
        Ok(Some(sockopt::tcp_keepidle(&self.fd)?))
    }

    /// What closing does with bytes not sent yet: `None` sends them in the background; a time lets the close wait
    /// so long for them, in whole seconds, and zero throws them away and resets the connection.
    ///
    /// A wait blocks the thread that drops the stream: only zero is of use here.
    ///
    /// # Errors
    /// The system's.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(&self.fd, linger)?)
    }

    /// See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    /// The system's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(sockopt::socket_linger(&self.fd)?)
    }

    /// Asks for this many bytes of receive buffer.
    ///
    /// # Errors
    /// The system's.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        Ok(sockopt::set_socket_recv_buffer_size(&self.fd, bytes)?)
    }

    /// Bytes of receive buffer; on some systems twice what was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        Ok(sockopt::socket_recv_buffer_size(&self.fd)?)
    }

    /// Asks for this many bytes of send buffer.
    ///
    /// # Errors
    /// The system's.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        Ok(sockopt::set_socket_send_buffer_size(&self.fd, bytes)?)
    }

    /// Bytes of send buffer; on some systems twice what was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(sockopt::socket_send_buffer_size(&self.fd)?)
    }

    /// Time to live of outgoing packets.
    ///
    /// # Errors
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        ttl(&self.fd)
    }

    /// Sets the time to live of outgoing packets.
    ///
    /// # Errors
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        set_ttl(&self.fd, ttl)
    }

    /// This end's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    /// The other end's address.
    ///
    /// # Errors
    /// The system's: not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        peer_addr(&self.fd)
    }
}

as_fd!(TcpStream);
is_stream!(TcpStream);
