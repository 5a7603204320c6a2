//! Sockets with owned buffers: a buffer goes into an operation and comes back with the result.
//!
//! | type | what it is |
//! |---|---|
//! | [`TcpListener`], [`TcpStream`] | TCP; [`TcpSocket`] for options before `listen` or `connect` |
//! | [`UnixStream`] | the same between processes of one machine |
//! | [`Read`], [`Write`], [`ReadExact`], [`WriteAll`] | transfers in progress: kept, awaited, cancelled |
//! | [`ReadHalf`] and its like | a stream's two directions apart |
//!
//! Operations take `&self`: one read and one write may be in flight at a time without a split. Two reads at once
//! get the bytes in no particular order. Nothing here blocks the thread, and nothing looks names up; addresses are
//! given as [`ToSocketAddrs`].

mod base;
mod methods;
mod split;
mod tcp_listener;
mod tcp_socket;
mod tcp_stream;
mod to_socket_addrs;
mod transfer;
mod unix_stream;

pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, Stream, WriteHalf};
pub use tcp_listener::TcpListener;
pub use tcp_socket::TcpSocket;
pub use tcp_stream::TcpStream;
pub use to_socket_addrs::ToSocketAddrs;
pub use transfer::{Read, ReadExact, Write, WriteAll};
pub use unix_stream::UnixStream;
