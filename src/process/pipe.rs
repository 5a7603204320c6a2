//! The pipes to and from a child.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::io::ioctl_fionbio;

use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;
use crate::net::{Read, ReadExact, Write, WriteAll};

/// Bytes that are asked for at a time when all is wanted.
const PIECE: usize = 32 * 1024;

fn shared(pipe: impl Into<OwnedFd>) -> io::Result<SharedFd> {
    let pipe = pipe.into();
    // The child's end has a mode of its own.
    ioctl_fionbio(&pipe, true)?;
    Ok(SharedFd::new(pipe))
}

/// All that comes until the other end is closed; nothing of no pipe.
pub(super) async fn read_to_end(pipe: Option<&SharedFd>) -> io::Result<Vec<u8>> {
    let Some(pipe) = pipe else { return Ok(Vec::new()) };
    let (mut all, mut piece) = (Vec::new(), Vec::with_capacity(PIECE));
    loop {
        let (n, bytes) = Read::of_pipe(pipe, piece).await;
        if n? == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&bytes);
        piece = bytes;
    }
}

/// The methods of a pipe of either direction, for another program or for `std`.
macro_rules! pipe {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            fd: SharedFd,
        }

        impl $name {
            pub(super) fn new(pipe: std::process::$name) -> io::Result<Self> {
                shared(pipe).map(|fd| $name { fd })
            }

            pub(super) fn shared_fd(&self) -> &SharedFd {
                &self.fd
            }

            /// The pipe's descriptor, in blocking mode.
            ///
            /// # Errors
            /// The pipe back when an operation is still in flight on it.
            pub fn into_owned_fd(self) -> Result<OwnedFd, Self> {
                let fd = self.fd.try_into_owned().map_err(|fd| $name { fd })?;
                // A pipe can always be made blocking.
                let _ = ioctl_fionbio(&fd, false);
                Ok(fd)
            }
        }

        crate::net::as_fd!($name);

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            /// For another child.
            fn try_from(pipe: $name) -> io::Result<Stdio> {
                pipe.into_owned_fd().map(Stdio::from).map_err(|_| io::ErrorKind::ResourceBusy.into())
            }
        }
    };
}

macro_rules! reads {
    ($name:ident) => {
        impl $name {
            /// Reads what there is into `buf`, from its start up to its capacity; gives it back with the count.
            ///
            /// `Ok(0)`: nobody will write any more. Dropping the future loses what had arrived for it; see
            /// [`Read::cancel`](crate::net::Read::cancel).
            pub fn read<B: IoBufMut>(&self, buf: B) -> Read<B> {
                Read::of_pipe(&self.fd, buf)
            }

            /// Reads until `buf` is full, to its capacity, and gives it back. An end before that is `UnexpectedEof`.
            pub fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<B> {
                ReadExact::of_pipe(&self.fd, buf)
            }

            /// Reads all that comes until nobody writes any more.
            ///
            /// Dropping the future loses what it has read.
            ///
            /// # Errors
            /// The system's; what was read is lost with it.
            pub async fn read_to_end(&self) -> io::Result<Vec<u8>> {
                read_to_end(Some(&self.fd)).await
            }
        }
    };
}

pipe! {
    /// What a child reads. Dropping it is the end of the child's input.
    ///
    /// ```
    /// use ouzel::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
    /// # runtime.block_on(async {
    /// let mut sort = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let stdin = sort.stdin.take().unwrap();
    /// stdin.write_all("pear\napple\n").await.0?;
    /// drop(stdin);
    /// assert_eq!(sort.wait_with_output().await?.stdout, b"apple\npear\n");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ChildStdin
}
pipe! {
    /// What a child writes.
    ///
    /// ```
    /// use ouzel::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
    /// # runtime.block_on(async {
    /// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let (result, bytes) = child.stdout.as_ref().unwrap().read(Vec::with_capacity(64)).await;
    /// result?;
    /// assert_eq!(bytes, b"hello\n");
    /// assert!(child.wait().await?.success());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ChildStdout
}
pipe! {
    /// What a child says about errors. As [`ChildStdout`].
    ChildStderr
}
reads!(ChildStdout);
reads!(ChildStderr);

impl ChildStdin {
    /// Writes as much of `buf` as there is room for, at least a byte; gives it back with the count.
    ///
    /// A child that does not read any more is `BrokenPipe` (a process that has not told the system to ignore
    /// `SIGPIPE`, as Rust's do, is killed by it). Dropping the future cancels: some of the bytes may have been written.
    pub fn write<B: IoBuf>(&self, buf: B) -> Write<B> {
        Write::of_pipe(&self.fd, buf)
    }

    /// Writes all of `buf`. As [`ChildStdin::write`] otherwise.
    pub fn write_all<B: IoBuf>(&self, buf: B) -> WriteAll<B> {
        WriteAll::of_pipe(&self.fd, buf)
    }
}
