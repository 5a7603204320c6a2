//! What all byte streams, and halves of them, can do: written once, made methods of each.
//!
//! A macro rather than a trait, so that a user has nothing to import.

macro_rules! read_methods {
    () => {
        /// Receives into `buf`, from its start up to its capacity; gives it back with the count.
        ///
        /// `Ok(0)` means that the peer has finished sending, or, at once, that the buffer has no room. Allocates nothing for
        /// buffers whose handle has up to 56 bytes (a `Vec` has 24).
        ///
        /// Dropping the future cancels: bytes that had already arrived for it are lost, the next read continues
        /// after them, and the buffer is freed once the kernel has let go of it. To keep both, call
        /// [`Read::cancel`](crate::net::Read::cancel) and await the future again.
        pub fn read<B: crate::buf::IoBufMut>(&self, buf: B) -> crate::net::Read<B> {
            crate::net::Read::new(self.shared_fd(), buf, 0)
        }

        /// Receives until `buf` is full, to its capacity, and gives it back.
        ///
        /// An end of the stream before that is `UnexpectedEof`; the buffer then holds what came. Dropping the
        /// future loses what it has received so far.
        pub fn read_exact<B: crate::buf::IoBufMut>(&self, buf: B) -> crate::net::ReadExact<B> {
            crate::net::ReadExact::new(self.shared_fd(), buf)
        }

        /// Receives into several buffers, one after the other; gives them back with the count of all bytes.
        ///
        /// Allocates for more than five, and for arrays of more than 48 bytes.
        pub fn read_vectored<T>(&self, buffers: T) -> crate::net::ReadVectored<T>
        where
            T: crate::net::Buffers<Buf: crate::buf::IoBufMut>,
        {
            crate::net::ReadVectored::new(self.shared_fd(), buffers)
        }

        /// Receives for as long as the stream lasts, into buffers of the driver's own: for connections that are idle
        /// most of the time, which then hold no buffer, and for reading without a system call for each piece.
        ///
        /// One at a time, and no other read beside it. Ends as [`RecvStream`](crate::net::RecvStream) says.
        #[must_use]
        pub fn recv_stream(&self) -> crate::net::RecvStream {
            crate::net::RecvStream::new(self.shared_fd())
        }

        /// Receives what is there, now: `WouldBlock` if that is nothing. To wait in between: [`PollFd`](crate::net::PollFd).
        ///
        /// # Errors
        /// `WouldBlock`; else the system's.
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            let (n, _) = rustix::net::recv(self.shared_fd(), buf, rustix::net::RecvFlags::DONTWAIT)?;
            Ok(n)
        }

        /// As [`read`](Self::read), but leaves the bytes in the stream: the next read gets them again.
        pub fn peek<B: crate::buf::IoBufMut>(&self, buf: B) -> crate::net::Read<B> {
            crate::net::Read::new(self.shared_fd(), buf, libc::MSG_PEEK)
        }
    };
}

macro_rules! write_methods {
    () => {
        /// Sends `buf`; gives it back with the count, which is its length unless an error came between.
        ///
        /// Dropping the future cancels: some of the bytes may have been sent. To learn how many, call
        /// [`Write::cancel`](crate::net::Write::cancel) and await the future again.
        pub fn write<B: crate::buf::IoBuf>(&self, buf: B) -> crate::net::Write<B> {
            crate::net::Write::new(self.shared_fd(), buf)
        }

        /// Sends all of `buf`.
        ///
        /// Dropping the future cancels: some of the bytes may have been sent.
        pub fn write_all<B: crate::buf::IoBuf>(&self, buf: B) -> crate::net::WriteAll<B> {
            crate::net::WriteAll::new(self.shared_fd(), buf)
        }

        /// Begins to send all of `buf`, for a task that has other things to do than to wait for it: a server's replies.
        /// See [`LazyWrite`](crate::net::LazyWrite).
        ///
        /// One at a time, and no other write beside it: they might overtake each other. Allocates nothing for
        /// buffers whose handle has up to 56 bytes.
        ///
        /// # Errors
        /// There is no runtime here, or it is closing, or memory has run out; the buffer comes back.
        pub fn write_lazy<B: crate::buf::IoBuf>(
            &self,
            buf: B,
        ) -> Result<crate::net::LazyWrite<B>, (std::io::Error, B)> {
            crate::net::LazyWrite::begin(self.shared_fd(), buf)
        }

        /// Sends what there is room for, now: `WouldBlock` if there is none. To wait in between:
        /// [`PollFd`](crate::net::PollFd).
        ///
        /// # Errors
        /// `WouldBlock`; else the system's.
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            Ok(rustix::net::send(self.shared_fd(), buf, crate::platform::SEND_NOW)?)
        }

        /// Sends from several buffers, one after the other; gives them back with the count, which may be short.
        ///
        /// Allocates for more than five, and for arrays of more than 48 bytes.
        pub fn write_vectored<T: crate::net::Buffers>(&self, buffers: T) -> crate::net::WriteVectored<T> {
            crate::net::WriteVectored::new(self.shared_fd(), buffers)
        }
    };
}

/// Not of a half whose drop is a shutdown, which would overtake what was taken.
macro_rules! copy_methods {
    () => {
        /// Sends a copy of `bytes` without an operation, for short replies: behind all that was taken before, no later than by
        /// [`write_lazy`](Self::write_lazy), and nobody hears of its end. False: nothing is taken, and another write is the
        /// way, which goes behind what was.
        ///
        /// Takes bytes in a [`LocalRuntime`](crate::LocalRuntime) on io_uring and epoll, 16 KiB at the most; not while the
        /// socket is full, and not in a [`Runtime`](crate::Runtime), whose tasks move. Not while another write of this stream
        /// is under way. What is taken is sent even if the stream is dropped then, but for the end of the runtime, which drops
        /// what finds no room. A `shutdown` of the sending side comes behind it. All this holds on one runtime:
        /// before a stream goes on to another one, or is split in halves of their own, await a write. Never blocks; allocates only where the socket is full.
        ///
        /// # Errors
        /// Why bytes taken before were not sent, once; nothing is taken then.
        ///
        /// ```
        /// # fn main() -> std::io::Result<()> {
        /// # ouzel::LocalRuntime::new()?.block_on(async {
        /// use ouzel::net::UnixStream;
        ///
        /// let (server, client) = UnixStream::pair()?;
        /// if !server.send_copy(b"a reply")? {
        ///     server.write_all("a reply").await.0?;
        /// }
        /// let (n, buf) = client.read(Vec::with_capacity(64)).await;
        /// assert_eq!((n?, buf.as_slice()), (7, &b"a reply"[..]));
        /// # Ok(())
        /// # })
        /// # }
        /// ```
        #[inline]
        pub fn send_copy(&self, bytes: &[u8]) -> std::io::Result<bool> {
            let fd = self.shared_fd();
            crate::op::raw::try_send_kept(fd.raw(), bytes, || Some(fd.keeper()))
        }
    };
}

/// What a socket for datagrams does once it has a peer.
macro_rules! datagram_methods {
    () => {
        /// Sends `buf` as one datagram to the peer.
        ///
        /// Dropping the future cancels: the datagram may have been sent.
        pub fn send<B: crate::buf::IoBuf>(&self, buf: B) -> crate::net::Write<B> {
            crate::net::Write::of_datagram(&self.fd, buf)
        }

        /// Receives one datagram into `buf`, up to its capacity; what does not fit is lost.
        ///
        /// Dropping the future cancels: a datagram that had already arrived for it is lost.
        pub fn recv<B: crate::buf::IoBufMut>(&self, buf: B) -> crate::net::Read<B> {
            crate::net::Read::of_datagram(&self.fd, buf, 0)
        }

        /// As [`recv`](Self::recv), but leaves the datagram for the next receive.
        pub fn peek<B: crate::buf::IoBufMut>(&self, buf: B) -> crate::net::Read<B> {
            crate::net::Read::of_datagram(&self.fd, buf, libc::MSG_PEEK)
        }
    };
}

/// `AsFd` and `AsRawFd` for a type with a `shared_fd` method.
macro_rules! as_fd {
    ($t:ty) => {
        impl std::os::fd::AsFd for $t {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.shared_fd().as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $t {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.shared_fd().raw()
            }
        }
    };
}

/// `from_std`, `into_std` and `take_error` of a socket type with a counterpart in `std`.
macro_rules! std_methods {
    ($std:ty) => {
        /// Takes over a socket made by `std`; makes it non-blocking.
        ///
        /// # Errors
        /// The system's, when it cannot be made non-blocking.
        pub fn from_std(socket: $std) -> std::io::Result<Self> {
            socket.set_nonblocking(true)?;
            Ok(Self::from_shared(crate::fd::SharedFd::new(socket.into())))
        }

        /// Gives the socket to `std`, in blocking mode.
        ///
        /// # Errors
        /// The socket back when an operation is still in flight on it.
        pub fn into_std(self) -> Result<$std, Self> {
            let fd = self.into_shared().try_into_owned().map_err(Self::from_shared)?;
            let socket = <$std>::from(fd);
            // A socket can always be made blocking; if not, it stays as it is and still works.
            let _ = socket.set_nonblocking(false);
            Ok(socket)
        }

        /// The error that the socket has kept since the last look, if there is one.
        ///
        /// # Errors
        /// The system's.
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
            Ok(rustix::net::sockopt::socket_error(self)?.err().map(Into::into))
        }

        pub(crate) fn shared_fd(&self) -> &crate::fd::SharedFd {
            &self.fd
        }

        pub(crate) fn from_shared(fd: crate::fd::SharedFd) -> Self {
            Self { fd }
        }

        fn into_shared(self) -> crate::fd::SharedFd {
            self.fd
        }
    };
}

pub(crate) use as_fd;
pub(super) use {copy_methods, datagram_methods, read_methods, std_methods, write_methods};
