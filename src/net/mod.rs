//! Sockets with owned buffers: a buffer goes into an operation and comes back with the result.
//!
//! | type | what it is |
//! |---|---|
//! | [`TcpListener`], [`TcpStream`] | TCP; [`TcpSocket`] for options before `listen` or `connect` |
//! | [`UdpSocket`] | UDP |
//! | [`UnixListener`], [`UnixStream`], [`UnixDatagram`] | the same between processes of one machine |
//! | [`Incoming`], [`RecvStream`] | one operation for all connections, for all bytes of a stream |
//! | [`Read`], [`Write`], [`RecvFrom`], .. | transfers in progress: kept, awaited, cancelled |
//! | [`Accept`], [`Connect`] | connections in progress: the same |
//! | [`splice`], [`send_file`] | bytes that do not pass through this process |
//! | [`LazyWrite`] | a send that nobody waits for |
//! | [`ReadHalf`] and its like | a stream's two directions apart |
//! | [`PollFd`] | readiness alone, of any descriptor: for borrowed memory, for adapters |
//!
//! Operations take `&self`: one read and one write may be in flight at a time without a split. Two reads at once
//! get the bytes in no particular order. Nothing here blocks the thread. Addresses are given as [`ToSocketAddrs`];
//! names are looked up by [`lookup_host`] alone.

mod accept;
mod base;
mod chunk;
mod connect;
mod exact;
mod incoming;
mod lazy;
mod limit;
mod lookup;
mod message;
mod methods;
mod ready;
mod recv_stream;
mod splice;
mod split;
mod tcp_listener;
mod tcp_socket;
mod tcp_stream;
mod to_socket_addrs;
mod transfer;
mod udp;
mod unix_addr;
mod unix_datagram;
mod unix_listener;
mod unix_stream;
mod vectored;

pub use accept::{Accept, Accepted};
pub use chunk::Chunk;
pub use connect::Connect;
pub use exact::{ReadExact, WriteAll};
pub use incoming::Incoming;
pub use lazy::LazyWrite;
pub use lookup::{ToHost, lookup_host};
pub use message::{RecvFrom, RecvFromUnix, SendTo, SendToUnix};
pub(crate) use methods::as_fd;
pub use ready::PollFd;
pub use recv_stream::RecvStream;
pub use splice::{send_file, splice};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, Stream, WriteHalf};
pub use tcp_listener::TcpListener;
pub use tcp_socket::TcpSocket;
pub use tcp_stream::TcpStream;
pub use to_socket_addrs::ToSocketAddrs;
pub use transfer::{Read, Write};
pub use udp::UdpSocket;
pub use unix_addr::UCred;
pub use unix_datagram::UnixDatagram;
pub use unix_listener::UnixListener;
pub use unix_stream::UnixStream;
pub use vectored::{Buffers, ReadVectored, WriteVectored};
