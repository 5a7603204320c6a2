//! Socket addresses as the bytes the kernel reads and writes.

mod unix;

use std::net::SocketAddr;

use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque, SocketAddrStorage};
use rustix::net::{AddressFamily, SocketAddrAny};

use crate::op::raw::Scratch;

pub(crate) use unix::{UnixRoom, decode_any, encode_unix, with_unix};

/// Room for any address.
pub(crate) const STORAGE: usize = 128;

/// Where the kernel finds or leaves the address of a peer, while an operation owns it.
pub(crate) trait Room: Default + Send + 'static {
    /// What lies there.
    type Addr;

    /// First byte, and how many there are: of an address that was put there, else of room.
    fn place(&mut self) -> (*mut u8, u32);

    /// Where the message's header goes, which is at the start of the scratch space unless its answer is wanted.
    fn header(&mut self, scratch: *mut Scratch) -> *mut libc::msghdr {
        scratch.cast()
    }

    /// The address, if it is of the kind that is looked for.
    fn get(&self) -> Option<Self::Addr>;

    /// The bytes of the address that was put there.
    fn bytes(&self) -> &[u8];

    /// Puts a sender's address there; none: it has no name.
    fn put(&mut self, from: Option<SocketAddrAny>);
}

/// The address in a room, as an argument of a call.
pub(crate) struct At<'a, R>(pub(crate) &'a R);

// SAFETY: the bytes are those of a `sockaddr`, written by `copy`.
unsafe impl<R: Room> SocketAddrArg for At<'_, R> {
    unsafe fn with_sockaddr<T>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> T) -> T {
        let bytes = self.0.bytes();
        f(bytes.as_ptr().cast(), bytes.len() as SocketAddrLen)
    }
}

/// Writes `addr` to `out` as a `sockaddr` and returns its length.
pub(crate) fn encode(addr: &SocketAddr, out: &mut [u8]) -> u32 {
    match addr {
        SocketAddr::V4(a) => copy(a, out),
        SocketAddr::V6(a) => copy(a, out),
    }
}

/// # Panics
/// If there is not enough room: 28 bytes will do for an IP address, 110 for a Unix one.
fn copy(addr: &impl SocketAddrArg, out: &mut [u8]) -> u32 {
    let write = |ptr: *const SocketAddrOpaque, len: SocketAddrLen| {
        // SAFETY: `with_sockaddr` passes a valid sockaddr of `len` bytes.
        let bytes = unsafe { core::slice::from_raw_parts(ptr.cast::<u8>(), len as usize) };
        out[..bytes.len()].copy_from_slice(bytes);
        len
    };
    // SAFETY: the closure only reads the bytes during the call.
    unsafe { addr.with_sockaddr(write) }
}

/// A `sockaddr` of which `len` bytes were written, as rustix knows it. None if it has no family.
fn read(bytes: &[u8], len: usize) -> Option<SocketAddrAny> {
    let len = len.min(bytes.len()).min(size_of::<SocketAddrStorage>());
    let mut storage = SocketAddrStorage::zeroed();
    // SAFETY: `len` bytes are there, and the storage has room for them.
    unsafe { (&raw mut storage).cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), len) };
    let wanted = match storage.family() {
        AddressFamily::INET => 16,
        AddressFamily::INET6 => IP,
        AddressFamily::UNIX => len,
        _ => return None,
    };
    // SAFETY: a `sockaddr` of a known family, of which all was copied that is looked at.
    (len >= wanted).then(|| unsafe { SocketAddrAny::read(&raw const storage, wanted as SocketAddrLen) })
}

/// Bytes of the longer kind of IP address.
const IP: usize = 28;

/// An IP address, or room for one.
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

impl From<SocketAddr> for IpRoom {
    fn from(addr: SocketAddr) -> Self {
        let mut room = IpRoom::default();
        room.len = encode(&addr, &mut room.bytes);
        room
    }
}

impl IpRoom {
    /// Where the length goes.
    pub(crate) fn len_place(&mut self) -> *mut u32 {
        &raw mut self.len
    }
}

impl Room for IpRoom {
    type Addr = SocketAddr;

    fn place(&mut self) -> (*mut u8, u32) {
        (self.bytes.as_mut_ptr(), self.len)
    }

    fn get(&self) -> Option<SocketAddr> {
        // The family says how long it is.
        read(&self.bytes, self.len as usize)?.try_into().ok()
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }

    fn put(&mut self, from: Option<SocketAddrAny>) {
        match from {
            Some(from) if from.addr_len() as usize <= IP => self.len = copy(&from, &mut self.bytes),
            _ => self.len = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for address in ["1.2.3.4:567", "[2001:db8::7%3]:65535", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let mut room = IpRoom::from(address);
            assert_eq!(room.get(), Some(address));
            room.len -= 1;
            assert_eq!(room.get(), None);
        }
        assert_eq!(IpRoom::default().get(), None);
    }
}
