//! A stream's two directions apart: borrowed for one task, owned for two.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use super::methods::{copy_methods, read_methods, write_methods};
use crate::fd::SharedFd;

pub(super) mod sealed {
    /// A descriptor that only this crate can look into.
    #[derive(Debug)]
    pub struct Share(pub(crate) crate::fd::SharedFd);

    /// What halves need of a stream.
    pub trait Whole {
        fn of(share: Share) -> Self;
        fn share(&self) -> Share;
    }

    impl Share {
        pub(crate) fn into<S: Whole>(fd: crate::fd::SharedFd) -> S {
            S::of(Share(fd))
        }
    }
}

/// A byte stream that can be split: [`TcpStream`](super::TcpStream) and [`UnixStream`](super::UnixStream).
pub trait Stream: sealed::Whole {}

macro_rules! is_stream {
    ($t:ty) => {
        impl crate::net::split::Stream for $t {}

        impl crate::net::split::sealed::Whole for $t {
            fn of(share: crate::net::split::sealed::Share) -> Self {
                <$t>::from_shared(share.0)
            }

            fn share(&self) -> crate::net::split::sealed::Share {
                crate::net::split::sealed::Share(self.shared_fd().clone())
            }
        }
    };
}
pub(super) use is_stream;

/// The receiving direction of a borrowed stream. Made by `split`.
pub struct ReadHalf<'a, S> {
    fd: &'a SharedFd,
    stream: PhantomData<&'a S>,
}

/// The sending direction of a borrowed stream. Made by `split`.
pub struct WriteHalf<'a, S> {
    fd: &'a SharedFd,
    stream: PhantomData<&'a S>,
}

pub(super) fn split<S: Stream>(fd: &SharedFd) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf { fd, stream: PhantomData }, WriteHalf { fd, stream: PhantomData })
}

impl<S: Stream> ReadHalf<'_, S> {
    read_methods!();

    fn shared_fd(&self) -> &SharedFd {
        self.fd
    }
}

impl<S: Stream> WriteHalf<'_, S> {
    write_methods!();
    copy_methods!();

    fn shared_fd(&self) -> &SharedFd {
        self.fd
    }
}

/// The receiving direction of a stream, with a share in it. Made by `into_split`.
///
/// Dropping it does nothing to the stream until the other half goes too, which closes it.
pub struct OwnedReadHalf<S> {
    fd: SharedFd,
    stream: PhantomData<S>,
}

/// The sending direction of a stream, with a share in it. Made by `into_split`.
///
/// Dropping it shuts the sending direction down, so that the peer reads an end; see [`OwnedWriteHalf::forget`].
pub struct OwnedWriteHalf<S: Stream> {
    fd: SharedFd,
    stream: PhantomData<S>,
}

pub(super) fn into_split<S: Stream>(fd: SharedFd) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let write = OwnedWriteHalf { fd: fd.clone(), stream: PhantomData };
    (OwnedReadHalf { fd, stream: PhantomData }, write)
}

impl<S: Stream> OwnedReadHalf<S> {
    read_methods!();

    fn shared_fd(&self) -> &SharedFd {
        &self.fd
    }

    /// The stream again.
    ///
    /// # Errors
    /// Both halves back if they are not of one stream.
    pub fn reunite(self, write: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !self.fd.is_same(&write.fd) {
            return Err(ReuniteError(self, write));
        }
        write.forget();
        Ok(sealed::Share::into(self.fd))
    }
}

impl<S: Stream> OwnedWriteHalf<S> {
    write_methods!();

    fn shared_fd(&self) -> &SharedFd {
        &self.fd
    }

    /// Drops the half without shutting its direction down.
    pub fn forget(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again, and never dropped.
        drop(unsafe { std::ptr::read(&this.fd) });
    }
}

impl<S: Stream> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        // A connection that is gone already needs no end.
        let _ = rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Write);
    }
}

/// Two halves that are not of one stream.
pub struct ReuniteError<S: Stream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: Stream> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of one stream")
    }
}

impl<S: Stream> std::error::Error for ReuniteError<S> {}

impl<S: Stream> From<ReuniteError<S>> for io::Error {
    fn from(e: ReuniteError<S>) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, e.to_string())
    }
}

macro_rules! debug {
    ($($name:ident<$($l:lifetime,)? S>),*) => {$(
        impl<S: Stream> fmt::Debug for $name<$($l,)? S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(self.shared_fd()).finish()
            }
        }
    )*};
}
debug!(ReadHalf<'_, S>, WriteHalf<'_, S>, OwnedReadHalf<S>, OwnedWriteHalf<S>);

impl<S: Stream> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError").field(&self.0).field(&self.1).finish()
    }
}
