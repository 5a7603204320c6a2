//! What an operation owns while the driver may touch it: stored in the slot, or boxed if too big.
//!
//! The value does not move between [`Payload::put`] and [`Payload::take`], so a request may point into
//! it. Whether it is boxed follows from its type alone, so that holder and storage agree without a flag.

use alloc::boxed::Box;
use core::mem::MaybeUninit;

use crate::sync::UnsafeCell;

/// Room in a slot for what a kernel is told to read or write besides the payload: socket addresses,
/// message headers, times. Keeps its address until the operation's last completion; content undefined
/// at the start.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Scratch(pub [u64; 18]);

const WORDS: usize = 4;
/// Room and alignment of a payload that is not boxed.
const ROOM: usize = WORDS * size_of::<Aligned>();

#[repr(align(16))]
#[derive(Clone, Copy, Debug)]
struct Aligned(#[expect(dead_code, reason = "it is room")] [u64; 2]);

type Room = [MaybeUninit<Aligned>; WORDS];

/// Room for one value of any type; who put it there knows which.
#[derive(Debug)]
pub(super) struct Payload {
    room: UnsafeCell<Room>,
    /// Drops the value in place. Written by `put`, read by `drop_in_place`.
    drop_fn: UnsafeCell<unsafe fn(*mut u8)>,
}

const fn inline<P>() -> bool {
    size_of::<P>() <= ROOM && align_of::<P>() <= align_of::<Aligned>()
}

unsafe fn drop_nothing(_: *mut u8) {}

unsafe fn drop_inline<P>(room: *mut u8) {
    // SAFETY: `put` wrote a `P` at the start of the room, and the caller drops it once.
    unsafe { room.cast::<P>().drop_in_place() };
}

unsafe fn drop_boxed<P>(room: *mut u8) {
    // SAFETY: `put` wrote a box's pointer at the start of the room.
    let raw = unsafe { room.cast::<*mut P>().read() };
    // SAFETY: it came from `Box::into_raw`, and the caller drops it once.
    drop(unsafe { Box::from_raw(raw) });
}

impl Payload {
    pub(super) fn new() -> Self {
        Payload {
            room: UnsafeCell::new([MaybeUninit::uninit(); WORDS]),
            drop_fn: UnsafeCell::new(drop_nothing),
        }
    }

    /// Moves `value` in; returns where it lies until it is taken or dropped.
    ///
    /// # Safety
    /// The room is empty, and nobody else uses it.
    pub(super) unsafe fn put<P: 'static>(&self, value: P) -> *mut P {
        let f: unsafe fn(*mut u8) = if inline::<P>() { drop_inline::<P> } else { drop_boxed::<P> };
        // SAFETY: the caller is the only user.
        self.drop_fn.with_mut(|p| unsafe { p.write(f) });
        self.room.with_mut(|room| {
            if inline::<P>() {
                let place = room.cast::<P>();
                // SAFETY: the room is large and aligned enough (`inline`), empty, and the caller's alone.
                unsafe { place.write(value) };
                place
            } else {
                let raw = Box::into_raw(Box::new(value));
                // SAFETY: a pointer fits, and the room is empty and the caller's alone.
                unsafe { room.cast::<*mut P>().write(raw) };
                raw
            }
        })
    }

    /// Moves the value out.
    ///
    /// # Safety
    /// The room holds a `P` from `put`, nobody else uses it, and no driver knows its address any more.
    pub(super) unsafe fn take<P: 'static>(&self) -> P {
        self.room.with_mut(|room| {
            if inline::<P>() {
                // SAFETY: a `P` lies there; the caller takes it once.
                unsafe { room.cast::<P>().read() }
            } else {
                // SAFETY: `put` wrote a box's pointer at the start of the room.
                let raw = unsafe { room.cast::<*mut P>().read() };
                // SAFETY: it came from `Box::into_raw`; the caller takes it once.
                *unsafe { Box::from_raw(raw) }
            }
        })
    }

    /// Drops the value. Runs the payload's own code, which may do anything, panic included.
    ///
    /// # Safety
    /// As for `take`.
    pub(super) unsafe fn drop_in_place(&self) {
        // SAFETY: written by `put`, and nobody else uses the cell.
        let f = self.drop_fn.with(|p| unsafe { *p });
        let room = self.room.with_mut(|room| room.cast::<u8>());
        // SAFETY: `f` was chosen by the type of the value that lies in the room.
        unsafe { f(room) };
    }
}
