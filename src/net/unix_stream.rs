//! A connection between processes of one machine.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use super::base::shutdown;
use super::methods::{as_fd, copy_methods, read_methods, std_methods, write_methods};
use super::split::{self, is_stream};
use super::unix_addr::{at, local_addr, peer_addr, peer_cred};
use super::{Connect, OwnedReadHalf, OwnedWriteHalf, ReadHalf, UCred, WriteHalf};
use crate::fd::SharedFd;

/// A byte stream between processes of one machine.
///
/// ```
/// use ouzel::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let (a, b) = UnixStream::pair()?;
///     a.write_all("ping").await.0?;
///     let (result, buf) = b.read_exact(vec![0; 4]).await;
///     result?;
///     assert_eq!(buf, b"ping");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct UnixStream {
    fd: SharedFd,
}

impl UnixStream {
    read_methods!();
    write_methods!();
    copy_methods!();
    std_methods!(std::os::unix::net::UnixStream);

    /// Connects to the socket at `path`.
    ///
    /// Dropping the future closes the half-made connection.
    ///
    /// # Errors
    /// The system's: nobody listens there.
    pub fn connect(path: impl AsRef<Path>) -> Connect<Self> {
        Connect::unix(at(path))
    }

    /// As [`connect`](Self::connect), to any kind of address, abstract names among them.
    ///
    /// # Errors
    /// The system's.
    pub fn connect_addr(address: &SocketAddr) -> Connect<Self> {
        Connect::unix(Ok(address.clone()))
    }

    /// Two streams connected to each other.
    ///
    /// # Errors
    /// The system's: `EMFILE`.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = std::os::unix::net::UnixStream::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }

    /// The two directions apart, for one task.
    pub fn split(&mut self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
        split::split(&self.fd)
    }

    /// The two directions apart, for two tasks. Dropping the half that writes shuts its direction down.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        split::into_split(self.fd)
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

    /// Who is at the other end: the process that connected, or called `listen`.
    ///
    /// # Errors
    /// `Unsupported` where the system is not asked; else the system's.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        peer_cred(&self.fd)
    }

    /// Closes one direction or both. The peer reads an end of stream.
    ///
    /// # Errors
    /// The system's: not connected any more.
    pub async fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        shutdown(&self.fd, how).await
    }
}

as_fd!(UnixStream);
is_stream!(UnixStream);
