//! Memory for provided buffers: equal pieces of one mapping, numbered from zero.
//!
//! A mapping rather than a heap block, so that untouched buffers cost no memory and none is zeroed by
//! hand. Taken when the first `RecvMulti` is submitted.

use std::ptr::NonNull;
use std::sync::Arc;

use ouzel_core::driver::Errno;
use ouzel_core::op::ProvidedMemory;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// A private mapping, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: plain memory; who writes where is decided by whoever holds the mapping.
unsafe impl Send for Mapping {}
// SAFETY: shared, it gives nothing but its address.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed, page-aligned memory.
    pub(crate) fn new(bytes: usize) -> Result<Self, Errno> {
        let bytes = bytes.max(1).next_multiple_of(rustix::param::page_size());
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, prot, flags) }
            .map_err(|e| Errno(e.raw_os_error()))?;
        Ok(Mapping { base: NonNull::new(base.cast()).ok_or(Errno(libc::ENOMEM))?, bytes })
    }

    /// Its first byte.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and the last reference to it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// `count` buffers of `size` bytes.
#[derive(Debug)]
pub(crate) struct Buffers {
    memory: Mapping,
    count: u16,
    size: u32,
}

impl Buffers {
    /// `count` is rounded up to a power of two, at most 32768, as a ring of buffers needs it.
    pub(crate) fn new(count: u32, size: u32) -> Result<Self, Errno> {
        let count = count.clamp(1, 1 << 15).next_power_of_two() as u16;
        let size = size.max(64);
        let memory = Mapping::new(usize::from(count) * size as usize)?;
        Ok(Buffers { memory, count, size })
    }

    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// All of them, the first at the end.
    pub(crate) fn ids(&self) -> Result<Vec<u16>, Errno> {
        let mut ids = Vec::new();
        ids.try_reserve_exact(usize::from(self.count)).map_err(|_| Errno(libc::ENOMEM))?;
        ids.extend((0..self.count).rev());
        Ok(ids)
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// The first byte of buffer `id`.
    pub(crate) fn at(&self, id: u16) -> *mut u8 {
        assert!(id < self.count, "no provided buffer {id}");
        // SAFETY: `id` is below the count the mapping was made for.
        unsafe { self.memory.base().add(usize::from(id) * self.size as usize) }
    }
}

impl ProvidedMemory for Buffers {
    fn at(&self, id: u16) -> *mut u8 {
        Buffers::at(self, id)
    }
}

/// Buffers handed out by the driver itself, last used first: it is the one still in the cache.
#[derive(Debug)]
pub(crate) struct BufferPool {
    buffers: Arc<Buffers>,
    free: Vec<u16>,
}

impl BufferPool {
    pub(crate) fn new(count: u32, size: u32) -> Result<Self, Errno> {
        let buffers = Arc::new(Buffers::new(count, size)?);
        let free = buffers.ids()?;
        Ok(BufferPool { buffers, free })
    }

    pub(crate) fn take(&mut self) -> Option<u16> {
        self.free.pop()
    }

    pub(crate) fn put(&mut self, id: u16) {
        debug_assert!(id < self.buffers.count() && !self.free.contains(&id), "buffer {id} given back twice");
        self.free.push(id);
    }

    pub(crate) fn at(&self, id: u16) -> *mut u8 {
        self.buffers.at(id)
    }

    pub(crate) fn size(&self) -> usize {
        self.buffers.size() as usize
    }

    pub(crate) fn memory(&self) -> Arc<dyn ProvidedMemory> {
        self.buffers.clone()
    }
}
