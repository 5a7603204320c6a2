//! The header of a message with its parts and its name, in an operation's scratch space.

use ouzel_core::op::{Scratch, Segment};

use crate::addr;

/// How many parts of a message the scratch space has room for.
pub(crate) const PARTS: usize = 5;

/// Where they are: behind a message's header.
const PARTS_AT: usize = 64;
const _: () = assert!(size_of::<libc::msghdr>() <= PARTS_AT, "the header comes first");
const _: () = assert!(PARTS_AT + PARTS * size_of::<Segment>() <= size_of::<Scratch>());

/// Writes a message's header: its parts, and the address and length of a name.
///
/// The parts' description goes to `elsewhere`, or if that is null to the scratch space, behind the place for a header.
///
/// # Safety
/// The scratch space is the operation's. `header` is at its start or has room for one, `elsewhere` is null or has
/// room for all parts, and without it there are [`PARTS`] at the most.
pub(crate) unsafe fn describe(
    header: *mut libc::msghdr,
    scratch: *mut Scratch,
    elsewhere: *mut Segment,
    parts: impl Iterator<Item = Segment>,
    name: (*mut u8, u32),
) {
    let inside = scratch.cast::<u8>().wrapping_add(PARTS_AT).cast::<Segment>();
    let first = if elsewhere.is_null() { inside } else { elsewhere };
    let mut count = 0;
    for part in parts {
        // SAFETY: the caller's: there is room for one more.
        unsafe { first.wrapping_add(count).write(part) };
        count += 1;
    }
    // SAFETY: plain data, for which zeros are good.
    let mut told: libc::msghdr = unsafe { std::mem::zeroed() };
    told.msg_name = name.0.cast();
    told.msg_namelen = name.1;
    told.msg_iov = first.cast();
    told.msg_iovlen = count as _;
    // SAFETY: the caller's.
    unsafe { header.write(told) };
}

/// The scratch space's room for one address.
pub(crate) fn address_room(scratch: *mut Scratch) -> *mut [u8; addr::STORAGE] {
    scratch.cast()
}
