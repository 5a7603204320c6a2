//! The ring of provided buffers: the kernel takes from its head, recycling adds at its tail.
//!
//! One page-aligned array of `io_uring_buf`, shared with the kernel; the tail overlays a spare field of
//! the first element. Only the owner writes the tail.
//!
//! The kernel takes its buffers in turn, so with all of them in the ring each message would be copied to memory that has
//! been out of the caches for longest. It gets about twice as many as were filled between two looks of late; the
//! others are held back, and the one read last is the first to follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use ouzel_core::driver::Errno;
use ouzel_core::op::ProvidedMemory;

use crate::buffers::{BufferPool, Buffers, Mapping};

/// The one group of buffers of a driver.
pub(super) const GROUP: u16 = 0;

/// Provided buffers, in a ring of the kernel's or handed out by us.
#[derive(Debug)]
pub(super) enum Provided {
    Ring(BufferRing),
    Pool(BufferPool),
}

impl Provided {
    pub(super) fn at(&self, id: u16) -> *mut u8 {
        match self {
            Provided::Ring(ring) => ring.buffers.at(id),
            Provided::Pool(pool) => pool.at(id),
        }
    }

    pub(super) fn memory(&self) -> Arc<dyn ProvidedMemory> {
        match self {
            Provided::Ring(ring) => ring.buffers.clone(),
            Provided::Pool(pool) => pool.memory(),
        }
    }

    pub(super) fn recycle(&mut self, id: u16) {
        match self {
            Provided::Ring(ring) => ring.recycle(id),
            Provided::Pool(pool) => pool.put(id),
        }
    }
}

/// The fewest buffers the kernel is to have.
const LEAST: u16 = 2;

/// Looks after which a busier time is forgotten.
const WINDOW: u32 = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct BufferRing {
    buffers: Arc<Buffers>,
    entries: Mapping,
    tail: u16,
    /// Buffers in the ring, as far as completions have told.
    lent: u16,
    /// How many there are to be.
    wanted: u16,
    /// The others that nobody uses, the one used last at the end.
    spare: Vec<u16>,
    /// Filled since the last look; the most between two looks of this window, and how many those are.
    filled: u16,
    most: u16,
    looks: u32,
}

impl BufferRing {
    /// Registers a ring of `count` buffers with `ring`.
    pub(super) fn new(ring: &IoUring, count: u32, size: u32) -> Result<Self, Errno> {
        let buffers = Arc::new(Buffers::new(count, size)?);
        let spare = buffers.ids()?;
        let entries = Mapping::new(usize::from(buffers.count()) * size_of::<BufRingEntry>())?;
        let base = entries.base() as u64;
        // SAFETY: the array is mapped for as long as `self` lives, which is longer than the ring: the
        // driver drops the ring first.
        unsafe { ring.submitter().register_buf_ring_with_flags(base, buffers.count(), GROUP, 0) }
            .map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EIO)))?;
        let mut provided = BufferRing {
            wanted: LEAST.min(buffers.count()),
            buffers,
            entries,
            tail: 0,
            lent: 0,
            spare,
            filled: 0,
            most: 0,
            looks: 0,
        };
        provided.fill_up();
        Ok(provided)
    }

    /// A completion has named one.
    #[inline]
    pub(super) fn taken(&mut self) {
        self.lent -= 1;
        self.filled += 1;
        self.fill_up();
    }

    /// All completions of a look are handled.
    #[inline]
    pub(super) fn looked(&mut self) {
        let filled = std::mem::take(&mut self.filled);
        self.most = self.most.max(filled);
        self.looks += 1;
        if filled > self.wanted / 2 {
            self.want(filled);
        } else if self.looks >= WINDOW {
            self.want(self.most);
            (self.looks, self.most) = (0, 0);
        }
    }

    fn want(&mut self, filled: u16) {
        self.wanted = filled.saturating_mul(2).clamp(LEAST, 1 << 15).min(self.buffers.count());
        self.fill_up();
    }

    /// Whether a receive that found none would find one now. The next ones are to find more.
    pub(super) fn has_more(&mut self) -> bool {
        self.want(self.wanted.max(self.filled));
        self.lent > 0
    }

    fn fill_up(&mut self) {
        while self.lent < self.wanted
            && let Some(id) = self.spare.pop()
        {
            self.lend(id);
        }
    }

    /// Nobody reads buffer `id` any more.
    #[inline]
    fn recycle(&mut self, id: u16) {
        if self.lent < self.wanted { self.lend(id) } else { self.spare.push(id) }
    }

    /// Gives buffer `id` to the kernel.
    fn lend(&mut self, id: u16) {
        let base = self.entries.base().cast::<BufRingEntry>();
        let index = self.tail & (self.buffers.count() - 1);
        // SAFETY: `index` is below the number of entries.
        let entry = unsafe { base.add(usize::from(index)) };
        // SAFETY: mapped and aligned; the kernel reads entries between head and tail only, and this one
        // is outside: there are as many entries as buffers, and `id` is ours at the moment.
        let entry = unsafe { &mut *entry };
        // Field by field: the first entry's last field is the tail.
        entry.set_addr(self.buffers.at(id) as u64);
        entry.set_len(self.buffers.size());
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.lent += 1;
        // SAFETY: `base` is the first entry of the ring.
        let tail = unsafe { BufRingEntry::tail(base) }.cast_mut();
        // SAFETY: mapped, aligned to two, and accessed atomically by both sides.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // ORDERING: Release pairs with the kernel's acquire of the tail: it sees the entry filled in.
        tail.store(self.tail, Ordering::Release);
    }
}
