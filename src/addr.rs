//! Socket addresses as the bytes the kernel reads and writes.

use std::net::SocketAddr;

use rustix::net::addr::{SocketAddrArg, SocketAddrStorage};
use rustix::net::{AddressFamily, SocketAddrAny};

/// Room for any address.
pub(crate) const STORAGE: usize = 128;

/// Writes `addr` to `out` as a `sockaddr` and returns its length.
pub(crate) fn encode(addr: &SocketAddr, out: &mut [u8; STORAGE]) -> u32 {
    match addr {
        SocketAddr::V4(a) => copy(a, out),
        SocketAddr::V6(a) => copy(a, out),
    }
}

fn copy(addr: &impl SocketAddrArg, out: &mut [u8; STORAGE]) -> u32 {
    let write = |ptr: *const rustix::net::addr::SocketAddrOpaque, len: u32| {
        // SAFETY: `with_sockaddr` passes a valid sockaddr of `len` bytes, and an IP address's is at most 28.
        let bytes = unsafe { core::slice::from_raw_parts(ptr.cast::<u8>(), len as usize) };
        out[..bytes.len()].copy_from_slice(bytes);
        len
    };
    // SAFETY: the closure only reads the bytes during the call.
    unsafe { addr.with_sockaddr(write) }
}

/// Bytes of the longer kind of IP address.
const IP: usize = 28;

/// Where the kernel leaves an IP address.
#[derive(Debug)]
#[repr(C, align(4))]
pub(crate) struct IpRoom {
    bytes: [u8; IP],
    len: u32,
}

impl Default for IpRoom {
    fn default() -> Self {
        IpRoom { bytes: [0; IP], len: IP as u32 }
    }
}

impl IpRoom {
    /// Where the address goes, and where its length does.
    pub(crate) fn place(&mut self) -> (*mut u8, *mut u32) {
        (self.bytes.as_mut_ptr(), &raw mut self.len)
    }

    /// What was left there, if it is an IP address.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        decode(self.bytes.get(..self.len as usize)?)
    }
}

/// The IP address in a `sockaddr`.
fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let mut storage = SocketAddrStorage::zeroed();
    // SAFETY: `bytes` has at most `IP` bytes, which the storage, of more than that, has room for.
    unsafe { (&raw mut storage).cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len().min(IP)) };
    let wanted = match storage.family() {
        AddressFamily::INET => 16,
        AddressFamily::INET6 => IP,
        _ => return None,
    };
    if bytes.len() < wanted {
        return None;
    }
    // SAFETY: a `sockaddr` of a family whose whole length was copied.
    let any = unsafe { SocketAddrAny::read(&raw const storage, bytes.len() as u32) };
    any.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for address in ["1.2.3.4:567", "[2001:db8::7%3]:65535", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let mut bytes = [0; STORAGE];
            let len = encode(&address, &mut bytes) as usize;
            assert_eq!(decode(&bytes[..len]), Some(address));
            assert_eq!(decode(&bytes[..len - 1]), None);
        }
        assert_eq!(decode(&[]), None);
    }
}
