//! The entries of a ring, which are no calls: shortened in its memory when they are submitted.
//!
//! A ring is found by what makes it: `io_uring_setup` says where in its memory the queue is, and two calls of `mmap` where
//! that memory is. The program submits by the ring's descriptor, not by a number in its thread's table
//! (`OUZEL_URING_MASK=ring_fd`).

use std::collections::HashMap;
use std::io;

use libc::{c_int, user_regs_struct};

use crate::calls::{Shortener, Undo};
use crate::trace::Memory;

/// What `mmap` is given as an offset for the queue, and for its entries.
const OF_QUEUE: u64 = 0;
const OF_ENTRIES: u64 = 0x1000_0000;

/// The entries lie in the order in which they are submitted: a flag of `io_uring_setup`.
const NO_ARRAY: u32 = 1 << 16;

/// Bytes of an entry.
const ENTRY: u64 = 64;
/// A flag of it: no news if all went well. A send that is shortened would be one where all went well.
const QUIET: u8 = 1 << 6;

/// What an entry asks for: number, name, and what `addr` points at.
const OPERATIONS: &[(u8, &str, Points)] = &[
    (1, "ring readv", Points::Places),
    (2, "ring writev", Points::Places),
    (9, "ring sendmsg", Points::Message),
    (10, "ring recvmsg", Points::Message),
    (22, "ring read", Points::Bytes),
    (23, "ring write", Points::Bytes),
    (26, "ring send", Points::Bytes),
    (27, "ring recv", Points::Bytes),
    (30, "ring splice", Points::Bytes),
    (47, "ring send_zc", Points::Bytes),
];

enum Points {
    Bytes,
    Places,
    Message,
}

/// All rings of a program, by their descriptors.
#[derive(Default)]
pub(crate) struct Rings(HashMap<c_int, Ring>);

#[derive(Default)]
struct Ring {
    flags: u32,
    /// Where in the queue's memory its first entry's number, its end, its size less one and its array are.
    head: u64,
    tail: u64,
    mask: u64,
    array: u64,
    /// Where the program has the queue and the entries.
    queue: u64,
    entries: u64,
}

impl Rings {
    /// A call that may have made a ring is over.
    pub(crate) fn ended(&mut self, memory: &Memory, regs: &user_regs_struct) {
        let (number, result) = (regs.orig_rax.cast_signed(), regs.rax.cast_signed());
        if result < 0 {
            return;
        }
        if number == libc::SYS_io_uring_setup {
            // `struct io_uring_params`: the flags, and `struct io_sqring_offsets`.
            let at = |n: u64| memory.read_u32(regs.rsi + n).expect("the kernel wrote there");
            let [head, tail, mask, array] = [40, 44, 48, 64].map(|n| u64::from(at(n)));
            let ring = Ring { flags: at(8), head, tail, mask, array, ..Ring::default() };
            self.0.insert(result as c_int, ring);
        } else if number == libc::SYS_mmap
            && regs.r10 as c_int & libc::MAP_ANONYMOUS == 0
            && let Some(ring) = self.0.get_mut(&(regs.r8 as c_int))
        {
            match regs.r9 {
                OF_QUEUE => ring.queue = regs.rax,
                OF_ENTRIES => ring.entries = regs.rax,
                _ => {}
            }
        }
    }

    /// Entries are about to be submitted.
    pub(crate) fn submitted(
        &mut self,
        memory: &Memory,
        regs: &user_regs_struct,
        shortener: &mut Shortener,
        undo: &mut Undo,
    ) -> io::Result<()> {
        let Some(ring) = self.0.get(&(regs.rdi as c_int)) else { return Ok(()) };
        let at = |offset: u64| memory.read_u32(ring.queue + offset);
        let (head, tail, mask) = (at(ring.head)?, at(ring.tail)?, at(ring.mask)?);
        for n in 0..tail.wrapping_sub(head).min(regs.rsi as u32) {
            let place = head.wrapping_add(n) & mask;
            let ordered = ring.flags & NO_ARRAY != 0;
            let place = if ordered { place } else { at(ring.array + 4 * u64::from(place))? };
            shorten(memory, ring.entries + u64::from(place) * ENTRY, shortener, undo)?;
        }
        Ok(())
    }
}

/// Shortens one entry. It need not be put back: what was submitted is not looked at again.
fn shorten(memory: &Memory, at: u64, shortener: &mut Shortener, undo: &mut Undo) -> io::Result<()> {
    let [operation, flags] = memory.read(at)?;
    let Some((_, name, points)) = OPERATIONS.iter().find(|known| known.0 == operation) else { return Ok(()) };
    let fd = i32::from_ne_bytes(memory.read(at + 4)?);
    if flags & QUIET != 0 || !shortener.is_stream(memory, fd) {
        return Ok(());
    }
    let (addr, len) = (memory.read_u64(at + 16)?, memory.read_u32(at + 24)?);
    let shorter = match points {
        Points::Bytes => shortener.shorten(name, u64::from(len)),
        Points::Places => shortener.shorten_places(name, memory, (addr, u64::from(len)), undo)?,
        Points::Message => {
            shortener.shorten_message(name, memory, addr, undo)?;
            None
        }
    };
    match shorter {
        Some(shorter) => memory.write(at + 24, &(shorter as u32).to_ne_bytes()),
        None => Ok(()),
    }
}
