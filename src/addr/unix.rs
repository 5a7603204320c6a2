//! Addresses of Unix sockets: paths, abstract names where the system has them, or none.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;

use rustix::net::{SocketAddrAny, SocketAddrUnix};

use super::{Room, copy, read};
use crate::op::raw::Scratch;
use crate::platform;

/// Bytes of the longest address, and of what comes before its name.
const UNIX: usize = 110;
const FAMILY: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);
const _: () = assert!(size_of::<libc::sockaddr_un>() <= UNIX, "it fits");

/// An address, or room for one. Too big for a slot: the operation that owns it allocates.
pub(crate) struct UnixRoom {
    header: MaybeUninit<libc::msghdr>,
    bytes: [u8; UNIX],
    len: u32,
}

// SAFETY: the header points into the operation that owns the room, and is read by the kernel alone.
unsafe impl Send for UnixRoom {}

impl Default for UnixRoom {
    fn default() -> Self {
        UnixRoom { header: MaybeUninit::zeroed(), bytes: [0; UNIX], len: UNIX as u32 }
    }
}

impl UnixRoom {
    /// `addr`, to send to.
    ///
    /// # Errors
    /// `InvalidInput` if it has no name.
    pub(crate) fn of(addr: &SocketAddr) -> io::Result<Self> {
        let mut room = UnixRoom::default();
        room.len = encode_unix(addr, &mut room.bytes)?;
        Ok(room)
    }
}

impl Room for UnixRoom {
    type Addr = SocketAddr;

    fn place(&mut self) -> (*mut u8, u32) {
        (self.bytes.as_mut_ptr(), self.len)
    }

    fn header(&mut self, _: *mut Scratch) -> *mut libc::msghdr {
        self.header.as_mut_ptr()
    }

    fn get(&self) -> Option<SocketAddr> {
        // SAFETY: zeros at first, for which a header is good; written by an operation that is over.
        let len = unsafe { self.header.assume_init_ref() }.msg_namelen as usize;
        // A sender without a name has an address without bytes.
        if len == 0 { unnamed() } else { decode_any(read(&self.bytes, len)?) }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }

    fn put(&mut self, from: Option<SocketAddrAny>) {
        let len = from
            .filter(|from| from.addr_len() as usize <= UNIX)
            .map_or(0, |from| copy(&from, &mut self.bytes));
        // SAFETY: zeros at first, for which a header is good.
        unsafe { self.header.assume_init_mut() }.msg_namelen = len;
    }
}

fn unnamed() -> Option<SocketAddr> {
    SocketAddr::from_pathname("").ok()
}

/// Writes `addr` to `out` as a `sockaddr` and returns its length.
///
/// # Errors
/// `InvalidInput` if there is no name.
pub(crate) fn encode_unix(addr: &SocketAddr, out: &mut [u8]) -> io::Result<u32> {
    with_unix(addr, |raw| Ok(copy(raw, out)))
}

/// Calls `f` with `addr` as rustix knows it.
///
/// # Errors
/// `InvalidInput` if there is no name; else what `f` says.
pub(crate) fn with_unix<R>(
    addr: &SocketAddr,
    f: impl FnOnce(&SocketAddrUnix) -> io::Result<R>,
) -> io::Result<R> {
    let raw = match (addr.as_pathname(), platform::abstract_sockaddr(addr)) {
        (Some(path), _) => SocketAddrUnix::new(path)?,
        (None, Some(named)) => named?,
        (None, None) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "an address without a name")),
    };
    f(&raw)
}

/// What the system calls an address, as `std` knows it.
pub(crate) fn decode_any(any: SocketAddrAny) -> Option<SocketAddr> {
    // Nothing behind the family. rustix would make an abstract name of no bytes of it.
    if any.addr_len() as usize <= FAMILY {
        return unnamed();
    }
    let raw = SocketAddrUnix::try_from(any).ok()?;
    if let Some(named) = platform::from_abstract(&raw) {
        return Some(named);
    }
    match raw.path() {
        Some(path) => SocketAddr::from_pathname(OsStr::from_bytes(path.to_bytes())).ok(),
        None => unnamed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_was_written_and_a_long_one_refused() {
        let path = SocketAddr::from_pathname("/tmp/with spaces and \u{fc}").unwrap();
        let mut room = UnixRoom::of(&path).unwrap();
        assert_eq!(room.get().map(|a| a.is_unnamed()), Some(true), "nothing has come yet");
        // SAFETY: zeros, for which a header is good.
        unsafe { room.header.assume_init_mut() }.msg_namelen = room.len;
        assert_eq!(room.get().unwrap().as_pathname(), path.as_pathname());
        let unnamed = unnamed().unwrap();
        assert!(unnamed.is_unnamed());
        assert_eq!(UnixRoom::of(&unnamed).err().map(|e| e.kind()), Some(io::ErrorKind::InvalidInput));
    }
}
