//! Provided buffers: equal pieces of one allocation, handed out by the driver itself.
//!
//! The allocation is zeroed memory straight from the allocator, so on systems with lazy paging a
//! buffer costs memory from its first use on. Last given back is first used: it is still in the cache.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;
use std::sync::Arc;

use ouzel_core::op::ProvidedMemory;

/// `count` buffers of `size` bytes, and which of them are free.
#[derive(Debug)]
pub(crate) struct Buffers {
    memory: Arc<Memory>,
    free: Vec<u16>,
    /// Per buffer: whether it is out. Catches a buffer given back twice.
    out: Box<[bool]>,
}

impl Buffers {
    /// `count` is rounded up to a power of two and kept within 1 and 32768.
    /// None: there is no memory for them.
    pub(crate) fn new(count: u32, size: u32) -> Option<Self> {
        let count = count.clamp(1, 1 << 15).next_power_of_two() as u16;
        let memory = Memory::new(usize::from(count), size.max(1) as usize)?;
        let (mut free, mut out) = (Vec::new(), Vec::new());
        free.try_reserve_exact(usize::from(count)).ok()?;
        out.try_reserve_exact(usize::from(count)).ok()?;
        free.extend((0..count).rev());
        out.resize(usize::from(count), false);
        Some(Buffers { memory: Arc::new(memory), free, out: out.into_boxed_slice() })
    }

    /// Those that are there, or new ones.
    pub(crate) fn made(there: &mut Option<Self>, count: u32, size: u32) -> Option<&mut Self> {
        if there.is_none() {
            *there = Buffers::new(count, size);
        }
        there.as_mut()
    }

    pub(crate) fn take(&mut self) -> Option<u16> {
        let id = self.free.pop()?;
        self.out[usize::from(id)] = true;
        Some(id)
    }

    /// # Panics
    /// If `id` is not out.
    pub(crate) fn put(&mut self, id: u16) {
        let was_out = std::mem::replace(&mut self.out[usize::from(id)], false);
        assert!(was_out, "buffer {id} was given back twice");
        self.free.push(id);
    }

    /// The first byte of buffer `id`.
    ///
    /// # Panics
    /// If there is no such buffer.
    pub(crate) fn at(&self, id: u16) -> *mut u8 {
        self.memory.at(id)
    }

    pub(crate) fn size(&self) -> usize {
        self.memory.size
    }

    pub(crate) fn memory(&self) -> Arc<dyn ProvidedMemory> {
        self.memory.clone()
    }
}

/// The allocation.
#[derive(Debug)]
struct Memory {
    base: NonNull<[u8]>,
    size: usize,
}

// SAFETY: plain memory owned by this value; who may touch a buffer that is out is its taker's affair.
unsafe impl Send for Memory {}
// SAFETY: shared, it gives nothing but addresses.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(count: usize, size: usize) -> Option<Self> {
        let layout = Layout::array::<u8>(count.checked_mul(size)?).ok()?;
        // SAFETY: neither of them is zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Memory { base: NonNull::slice_from_raw_parts(base, layout.size()), size })
    }
}

impl ProvidedMemory for Memory {
    fn at(&self, id: u16) -> *mut u8 {
        let begin = usize::from(id) * self.size;
        assert!(begin < self.base.len(), "no provided buffer {id}");
        // SAFETY: within the allocation.
        unsafe { self.base.cast::<u8>().as_ptr().add(begin) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: bytes as a boxed slice of them has them, from the allocator, given up only here.
        drop(unsafe { Box::from_raw(self.base.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buffer_is_handed_out_once_and_apart_from_the_others() {
        let mut buffers = Buffers::new(3, 100).unwrap();
        let ids: Vec<u16> = std::iter::from_fn(|| buffers.take()).collect();
        assert_eq!(ids, [0, 1, 2, 3], "rounded up to a power of two");
        assert_eq!(buffers.at(2) as usize - buffers.at(1) as usize, 100);
        buffers.put(2);
        assert_eq!(buffers.take(), Some(2));
    }

    #[test]
    #[should_panic(expected = "given back twice")]
    fn giving_a_buffer_back_twice_panics() {
        let mut buffers = Buffers::new(2, 1).unwrap();
        let id = buffers.take().unwrap();
        buffers.put(id);
        buffers.put(id);
    }
}
