//! Socket addresses as the bytes the kernel reads.

use std::net::SocketAddr;

use rustix::net::addr::SocketAddrArg;

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
