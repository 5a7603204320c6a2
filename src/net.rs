//! TCP with owned buffers: a buffer goes into an operation and comes back with the result.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::net::sockopt;

use crate::addr;
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;
use crate::op::{self, Request};

/// A socket that waits for TCP connections.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let listener = ouzel::net::TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
///     let address = listener.local_addr()?;
///     let client = ouzel::spawn(async move { ouzel::net::TcpStream::connect(address).await });
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
    /// Binds to `address` and listens, with `SO_REUSEADDR`. Port 0 picks a free one.
    ///
    /// # Errors
    /// The system's, when the address is in use or not this machine's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::from_std(std::net::TcpListener::bind(address)?)
    }

    /// Takes over a listener made by `std`; makes it non-blocking.
    ///
    /// # Errors
    /// The system's, when it cannot be made non-blocking.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(TcpListener { fd: SharedFd::new(listener.into()) })
    }

    /// Waits for a connection.
    ///
    /// Allocates the stream's shared descriptor. Dropping the future loses nothing but a connection
    /// that had already been taken from the queue, which is closed.
    ///
    /// # Errors
    /// The system's: `EMFILE` when descriptors have run out (the connection stays in the queue).
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let fd = self.fd.raw();
        let (result, _) = op::Op::new(op::Accepted::new(self.fd.clone()), move |_, _| Request::Accept {
            fd,
            addr: std::ptr::null_mut(),
            addr_len: std::ptr::null_mut(),
        })
        .await;
        let raw = result? as RawFd;
        // SAFETY: the driver just created this descriptor and nobody else has its number.
        let stream = TcpStream { fd: SharedFd::new(unsafe { OwnedFd::from_raw_fd(raw) }) };
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }
}

/// A TCP connection.
///
/// Operations take `&self`: one read and one write may be in flight at a time without a split. Two
/// reads at once get the bytes in no particular order.
#[derive(Debug)]
pub struct TcpStream {
    fd: SharedFd,
}

impl TcpStream {
    /// Connects to `address`.
    ///
    /// Dropping the future closes the half-made connection.
    ///
    /// # Errors
    /// The system's: refused, unreachable, timed out.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let shared = SharedFd::new(socket_with(family, SocketType::STREAM, flags, None)?);
        let fd = shared.raw();
        let (result, shared) = op::Op::new(shared, move |_, scratch| {
            let (room, _) = op::address_room(scratch);
            // SAFETY: the scratch space belongs to the slot, which outlives the operation.
            let addr_len = addr::encode(&address, unsafe { &mut *room });
            Request::Connect { fd, addr: room.cast(), addr_len }
        })
        .await;
        result?;
        Ok(TcpStream { fd: shared })
    }

    /// Takes over a connected stream made by `std`; makes it non-blocking.
    ///
    /// # Errors
    /// The system's, when it cannot be made non-blocking.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(TcpStream { fd: SharedFd::new(stream.into()) })
    }

    /// Gives the stream to `std`, in blocking mode.
    ///
    /// # Errors
    /// The stream back when an operation is still in flight on it; the system's error otherwise.
    pub fn into_std(self) -> Result<std::net::TcpStream, Self> {
        let fd = self.fd.try_into_owned().map_err(|fd| TcpStream { fd })?;
        let stream = std::net::TcpStream::from(fd);
        // A socket can always be made blocking; if not, it stays as it is and still works.
        let _ = stream.set_nonblocking(false);
        Ok(stream)
    }

    /// Receives into `buf`, from its start up to its capacity; gives it back with the count.
    ///
    /// `Ok(0)` means that the peer has finished sending, or that the buffer has no room. Dropping the
    /// future cancels: bytes that had already arrived for it are lost, the buffer is freed once the
    /// kernel has let go of it. To keep them, cancel through [`crate::time::timeout`]-like selection
    /// on the next read instead.
    pub async fn read<B: IoBufMut>(&self, buf: B) -> (io::Result<usize>, B) {
        let fd = self.fd.raw();
        let (result, (_, mut buf)) = op::Op::new((self.fd.clone(), buf), move |payload, _| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let (_, buf) = unsafe { &mut *payload };
            Request::Recv { fd, buf: buf.as_mut_ptr(), len: buf.capacity(), flags: 0 }
        })
        .await;
        if let Ok(n) = result {
            // SAFETY: the kernel wrote `n` bytes from the buffer's start, at most its capacity.
            unsafe { buf.set_filled(n) };
        }
        (result, buf)
    }

    /// Sends `buf`; gives it back with the count, which is its length unless an error came between.
    ///
    /// Dropping the future cancels: some of the bytes may have been sent.
    pub async fn write<B: IoBuf>(&self, buf: B) -> (io::Result<usize>, B) {
        let fd = self.fd.raw();
        let (result, (_, buf)) = op::Op::new((self.fd.clone(), buf), move |payload, _| {
            // SAFETY: as in `read`.
            let (_, buf) = unsafe { &*payload };
            Request::Send { fd, buf: buf.as_ptr(), len: buf.len(), flags: 0, lazy: false }
        })
        .await;
        (result, buf)
    }

    /// Sends all of `buf`.
    ///
    /// Dropping the future cancels: some of the bytes may have been sent.
    pub async fn write_all<B: IoBuf>(&self, buf: B) -> (io::Result<()>, B) {
        let len = buf.len();
        let (result, mut buf) = self.write(buf).await;
        let mut sent = match result {
            Ok(n) => n,
            Err(e) => return (Err(e), buf),
        };
        while sent < len {
            let (result, rest) = self.write(buf.slice(sent..)).await;
            buf = rest.into_inner();
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buf),
                Ok(n) => sent += n,
                Err(e) => return (Err(e), buf),
            }
        }
        (Ok(()), buf)
    }

    /// Closes one direction or both. The peer reads an end of stream.
    ///
    /// # Errors
    /// The system's: not connected any more.
    pub async fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let fd = self.fd.raw();
        let how = match how {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        };
        let (result, _) = op::Op::new(self.fd.clone(), move |_, _| Request::Shutdown { fd, how }).await;
        result.map(drop)
    }

    /// Turns Nagle's algorithm off (`true`) or on.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.fd, on)?)
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
        let peer = rustix::net::getpeername(&self.fd)?.ok_or(io::ErrorKind::NotConnected)?;
        peer.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

fn local_addr(fd: &SharedFd) -> io::Result<SocketAddr> {
    rustix::net::getsockname(fd)?.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}

macro_rules! as_fd {
    ($($t:ty),*) => {$(
        impl AsFd for $t {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.fd.as_fd()
            }
        }
        impl AsRawFd for $t {
            fn as_raw_fd(&self) -> RawFd {
                self.fd.raw()
            }
        }
    )*};
}
as_fd!(TcpListener, TcpStream);
