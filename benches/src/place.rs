//! Where an echo server is found, and a client's socket to it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What an echo goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A TCP connection for each client.
    Tcp,
    /// A Unix stream for each client.
    Unix,
    /// Datagrams, all to one socket.
    Udp,
}

/// Where a server is: `HOST:PORT`, `unix:PATH` or `udp:HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Over TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// Over UDP.
    Udp(SocketAddr),
}

impl Place {
    /// A path for a Unix socket of this process, at which there is nothing.
    #[must_use]
    pub fn free_path() -> PathBuf {
        let path = std::env::temp_dir().join(format!("ouzel-echo-{}", std::process::id()));
        // Mostly there is none.
        let _ = std::fs::remove_file(&path);
        path
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(addr) => addr.fmt(f),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Udp(addr) => write!(f, "udp:{addr}"),
        }
    }
}

impl FromStr for Place {
    type Err = std::net::AddrParseError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Some(path) = s.strip_prefix("unix:") {
            return Ok(Place::Unix(path.into()));
        }
        match s.strip_prefix("udp:") {
            Some(addr) => addr.parse().map(Place::Udp),
            None => s.parse().map(Place::Tcp),
        }
    }
}

/// A client's socket.
#[derive(Debug)]
pub enum Link {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over UDP; a write or read is a datagram.
    Udp(UdpSocket),
}

impl Link {
    /// Connects; reads in blocking mode wait for `patience`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(place: &Place, patience: Duration) -> io::Result<Link> {
        let link = match place {
            Place::Tcp(addr) => {
                let stream = TcpStream::connect(addr)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(patience))?;
                Link::Tcp(stream)
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(patience))?;
                Link::Unix(stream)
            }
            Place::Udp(addr) => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
                socket.connect(addr)?;
                socket.set_read_timeout(Some(patience))?;
                Link::Udp(socket)
            }
        };
        Ok(link)
    }

    /// Reads and writes wait no more.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Link::Tcp(s) => s.set_nonblocking(true),
            Link::Unix(s) => s.set_nonblocking(true),
            Link::Udp(s) => s.set_nonblocking(true),
        }
    }

    /// Sends `messages`, each of `size` bytes, or as many of them as there is room for.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, messages: &[u8], size: usize) -> io::Result<usize> {
        match self {
            Link::Tcp(s) => s.write(messages),
            Link::Unix(s) => s.write(messages),
            Link::Udp(s) => s.send(&messages[..size.min(messages.len())]),
        }
    }
}

impl Read for Link {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Tcp(s) => s.read(buf),
            Link::Unix(s) => s.read(buf),
            Link::Udp(s) => s.recv(buf),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Link::Tcp(s) => s.as_fd(),
            Link::Unix(s) => s.as_fd(),
            Link::Udp(s) => s.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["127.0.0.1:80", "unix:/tmp/x", "udp:127.0.0.1:53"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert!("nowhere".parse::<Place>().is_err());
    }
}
