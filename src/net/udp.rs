//! UDP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{SocketType, sockopt};

use super::base::{family_of, local_addr, new_socket, peer_addr, set_ttl, ttl};
use super::methods::{as_fd, datagram_methods, std_methods};
use super::{RecvFrom, SendTo, ToSocketAddrs, to_socket_addrs};
use crate::addr::IpRoom;
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;

/// A UDP socket.
///
/// ```
/// use ouzel::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let a = UdpSocket::bind("127.0.0.1:0")?;
///     let b = UdpSocket::bind("127.0.0.1:0")?;
///     a.send_to("ping", b.local_addr()?).await.0?;
///     let (result, buf) = b.recv_from(Vec::with_capacity(1500)).await;
///     let (_, sender) = result?;
///     assert_eq!((buf.as_slice(), sender), (&b"ping"[..], a.local_addr()?));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    fd: SharedFd,
}

impl UdpSocket {
    datagram_methods!();
    std_methods!(std::net::UdpSocket);

    /// Binds to the first of `addresses` that will do. Port 0 picks a free one.
    ///
    /// # Errors
    /// The system's, when the address is in use or not this machine's.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        to_socket_addrs::first(addresses, |address| {
            let fd = new_socket(family_of(address), SocketType::DGRAM)?;
            rustix::net::bind(&fd, &address)?;
            Ok(Self::from_shared(fd))
        })
    }

    /// Makes the first of `addresses` that will do the peer: `send` goes there, and nothing is received from others.
    ///
    /// Nothing is sent; it is done at once.
    ///
    /// # Errors
    /// The system's: unreachable.
    pub fn connect(&self, addresses: impl ToSocketAddrs) -> io::Result<()> {
        to_socket_addrs::first(addresses, |address| Ok(rustix::net::connect(&self.fd, &address)?))
    }

    /// Sends `buf` as one datagram to the first of `addresses`.
    ///
    /// Dropping the future cancels: the datagram may have been sent.
    pub fn send_to<B: IoBuf>(&self, buf: B, addresses: impl ToSocketAddrs) -> SendTo<B> {
        SendTo::new(&self.fd, buf, to_socket_addrs::first(addresses, Ok).map(IpRoom::from))
    }

    /// Receives one datagram into `buf`, up to its capacity, and says who sent it; what does not fit is lost.
    ///
    /// Dropping the future cancels: a datagram that had already arrived for it is lost.
    pub fn recv_from<B: IoBufMut>(&self, buf: B) -> RecvFrom<B> {
        RecvFrom::new(&self.fd, buf, 0)
    }

    /// As [`recv_from`](Self::recv_from), but leaves the datagram for the next receive.
    pub fn peek_from<B: IoBufMut>(&self, buf: B) -> RecvFrom<B> {
        RecvFrom::new(&self.fd, buf, libc::MSG_PEEK)
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(&self.fd)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// The system's: not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        peer_addr(&self.fd)
    }

    /// Whether broadcasts may be sent.
    ///
    /// # Errors
    /// The system's.
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(sockopt::socket_broadcast(&self.fd)?)
    }

    /// Allows broadcasts to be sent, or forbids it.
    ///
    /// # Errors
    /// The system's.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_socket_broadcast(&self.fd, on)?)
    }

    /// Time to live of outgoing packets.
    ///
    /// # Errors
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        ttl(&self.fd)
    }

    /// Sets the time to live of outgoing packets.
    ///
    /// # Errors
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        set_ttl(&self.fd, ttl)
    }

    /// Joins a multicast group, on the interface with that address; unspecified: the system's choice.
    ///
    /// # Errors
    /// The system's.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        Ok(sockopt::set_ip_add_membership(&self.fd, &group, &interface)?)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    /// The system's: never joined.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        Ok(sockopt::set_ip_drop_membership(&self.fd, &group, &interface)?)
    }

    /// Joins a multicast group, on the interface with that number; zero: the system's choice.
    ///
    /// # Errors
    /// The system's.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        Ok(sockopt::set_ipv6_add_membership(&self.fd, group, interface)?)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    /// The system's: never joined.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        Ok(sockopt::set_ipv6_drop_membership(&self.fd, group, interface)?)
    }

    /// Whether this machine receives what the socket sends to its groups.
    ///
    /// # Errors
    /// The system's.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        Ok(sockopt::ip_multicast_loop(&self.fd)?)
    }

    /// Lets this machine receive what the socket sends to its groups, or not.
    ///
    /// # Errors
    /// The system's.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_ip_multicast_loop(&self.fd, on)?)
    }

    /// Time to live of packets to groups.
    ///
    /// # Errors
    /// The system's.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        Ok(sockopt::ip_multicast_ttl(&self.fd)?)
    }

    /// Sets the time to live of packets to groups.
    ///
    /// # Errors
    /// The system's.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        Ok(sockopt::set_ip_multicast_ttl(&self.fd, ttl)?)
    }
}

as_fd!(UdpSocket);
