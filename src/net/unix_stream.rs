//! A connection between processes of one machine.

use std::io;
use std::net::Shutdown;

use super::base::shutdown;
use super::methods::{as_fd, read_methods, std_methods, write_methods};
use super::split::{self, is_stream};
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
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
    std_methods!(std::os::unix::net::UnixStream);

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
