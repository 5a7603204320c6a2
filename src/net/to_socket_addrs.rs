//! What can be given as an address: anything that says it without a look-up.

use std::io;
use std::iter::Copied;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::option;
use std::slice;

/// One socket address or several, known without asking a name server.
///
/// As `std`'s trait of this name, but a string must be an address: looking a name up would block the thread. For names there is
/// [`lookup_host`](super::lookup_host).
pub trait ToSocketAddrs {
    /// The addresses, in the order in which they are tried.
    type Iter: Iterator<Item = SocketAddr>;

    /// The addresses, in the order in which they are tried.
    ///
    /// # Errors
    /// `InvalidInput` if it is a text that is no address.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

macro_rules! is_one {
    ($($t:ty),*) => {$(
        impl ToSocketAddrs for $t {
            type Iter = option::IntoIter<SocketAddr>;

            fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                Ok(Some(SocketAddr::from(*self)).into_iter())
            }
        }
    )*};
}
is_one!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for str {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let address = self.parse::<SocketAddr>();
        address.map(|a| Some(a).into_iter()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
    }
}

impl ToSocketAddrs for String {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = Copied<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().copied())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

/// The first address for which `attempt` succeeds, or the last error.
pub(super) fn first<T>(
    addresses: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match attempt(address) {
            Ok(done) => return Ok(done),
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(none_given))
}

/// What is wrong with an empty list.
pub(super) fn none_given() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no address was given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_an_address_or_an_error() {
        let one = "127.0.0.1:80".to_socket_addrs().unwrap().collect::<Vec<_>>();
        assert_eq!(one, [SocketAddr::from((Ipv4Addr::LOCALHOST, 80))]);
        assert_eq!("localhost:80".to_socket_addrs().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn addresses_are_tried_in_order_until_one_will_do() {
        let all: [SocketAddr; 3] = [1, 2, 3].map(|port| (Ipv6Addr::LOCALHOST, port).into());
        let mut tried = Vec::new();
        let done = first(&all[..], |a| {
            tried.push(a.port());
            if a.port() == 2 { Ok(a) } else { Err(io::ErrorKind::AddrInUse.into()) }
        });
        assert_eq!((done.unwrap(), tried), (all[1], vec![1, 2]));
        let none: &[SocketAddr] = &[];
        assert_eq!(first(none, |_| Ok(())).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
