//! The ring of provided buffers: the kernel takes from its head, recycling adds at its tail.
//!
//! One page-aligned array of `io_uring_buf`, shared with the kernel; the tail overlays a spare field of
//! the first element. Only the owner writes the tail.

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

/// See the module.
#[derive(Debug)]
pub(super) struct BufferRing {
    buffers: Arc<Buffers>,
    entries: Mapping,
    tail: u16,
}

impl BufferRing {
    /// Registers a full ring of `count` buffers with `ring`.
    pub(super) fn new(ring: &IoUring, count: u32, size: u32) -> Result<Self, Errno> {
        let buffers = Arc::new(Buffers::new(count, size)?);
        let entries = Mapping::new(usize::from(buffers.count()) * size_of::<BufRingEntry>())?;
        let base = entries.base() as u64;
        // SAFETY: the array is mapped for as long as `self` lives, which is longer than the ring: the
        // driver drops the ring first.
        unsafe { ring.submitter().register_buf_ring_with_flags(base, buffers.count(), GROUP, 0) }
            .map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EIO)))?;
        let mut provided = BufferRing { buffers, entries, tail: 0 };
        (0..provided.buffers.count()).for_each(|id| provided.recycle(id));
        Ok(provided)
    }

    /// Gives buffer `id` to the kernel.
    fn recycle(&mut self, id: u16) {
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
        // SAFETY: `base` is the first entry of the ring.
        let tail = unsafe { BufRingEntry::tail(base) }.cast_mut();
        // SAFETY: mapped, aligned to two, and accessed atomically by both sides.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // ORDERING: Release pairs with the kernel's acquire of the tail: it sees the entry filled in.
        tail.store(self.tail, Ordering::Release);
    }
}
