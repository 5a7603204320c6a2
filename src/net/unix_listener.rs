//! Waiting for connections from processes of this machine.

use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use super::methods::{as_fd, std_methods};
use super::unix_addr::{at, local_addr};
use super::{Accept, Incoming, UnixStream};
use crate::fd::SharedFd;

/// A Unix socket that waits for connections.
///
/// Its path stays when it is dropped; who binds the same again removes it first.
///
/// ```
/// use ouzel::net::{UnixListener, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("ouzel-doc-listener-{}", std::process::id()));
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all("hello").await.0?;
///     let (result, buf) = server.read_exact(vec![0; 5]).await;
///     result?;
///     assert_eq!(buf, b"hello");
///     std::fs::remove_file(&path)
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct UnixListener {
    fd: SharedFd,
}

impl UnixListener {
    std_methods!(std::os::unix::net::UnixListener);

    /// Makes a socket at `path` and listens.
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
        Self::from_std(std::os::unix::net::UnixListener::bind_addr(address)?)
    }

    /// Waits for a connection; gives it and the peer's address, which is mostly unnamed.
    ///
    /// Allocates the stream's shared descriptor. Dropping the future loses nothing but a connection
    /// that had already been taken from the queue, which is closed; [`Accept::cancel`] loses none.
    ///
    /// # Errors
    /// The system's: `EMFILE` when descriptors have run out (the connection stays in the queue).
    pub fn accept(&self) -> Accept<UnixStream> {
        Accept::new(&self.fd)
    }

    /// Accepts for as long as it is polled, by one operation for all connections where the system can.
    ///
    /// Not beside another accept of the same listener, if it matters who gets which connection.
    #[must_use]
    pub fn incoming(&self) -> Incoming<UnixStream> {
        Incoming::new(&self.fd)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }
}

as_fd!(UnixListener);
