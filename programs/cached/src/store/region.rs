//! The memory of one shard: asked for once, at the start, and looked at by granules of 16 bytes.
//!
//! Positions are numbers of granules. Zero is no position: the first granule is left empty.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use super::item::{At, GRANULE, HEADER, Header};
use super::prefetch::prefetch;

/// See the module. The system gives the pages when they are first written to.
#[derive(Debug)]
pub(super) struct Region {
    base: NonNull<u8>,
    granules: u32,
}

// SAFETY: plain memory, owned by the region alone.
unsafe impl Send for Region {}

fn layout(granules: u32) -> Option<Layout> {
    Layout::from_size_align(granules as usize * GRANULE, GRANULE).ok()
}

impl Region {
    /// None: there is not so much memory, or it is more than positions can name.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let granules = u32::try_from(bytes / GRANULE).ok().filter(|n| *n > 1)?;
        // SAFETY: the layout is not empty.
        let base = unsafe { alloc_zeroed(layout(granules)?) };
        Some(Region { base: NonNull::new(base)?, granules })
    }

    pub(super) fn granules(&self) -> u32 {
        self.granules
    }

    /// Address of byte `offset` of the block at `at`.
    ///
    /// # Panics
    /// Outside the region.
    pub(super) fn address(&self, at: At, offset: usize) -> *mut u8 {
        let byte = at as usize * GRANULE + offset;
        assert!(at != 0 && byte <= self.granules as usize * GRANULE, "position {at}+{offset} is no item's");
        self.base.as_ptr().wrapping_add(byte)
    }

    fn header_at(&self, at: At) -> *mut Header {
        // A header that begins inside must end there too.
        let _end = self.address(at, HEADER);
        self.address(at, 0).cast()
    }

    pub(super) fn header(&self, at: At) -> &Header {
        // SAFETY: inside the region, aligned to a granule; any bytes are a header, and values of items do not
        // overlap headers.
        unsafe { &*self.header_at(at) }
    }

    pub(super) fn header_mut(&mut self, at: At) -> &mut Header {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { &mut *self.header_at(at) }
    }

    /// Has the header at `at` brought, with what lies behind it.
    pub(super) fn prefetch(&self, at: At) {
        const LINE: usize = 64;
        let header = self.base.as_ptr().wrapping_add(at as usize * GRANULE);
        for line in 0..3 {
            prefetch(header.wrapping_add(line * LINE));
        }
    }

    /// `len` bytes of the block at `at`, from byte `offset` on.
    ///
    /// # Panics
    /// Outside the region.
    pub(super) fn bytes(&self, at: At, offset: usize, len: usize) -> &[u8] {
        let _end = self.address(at, offset + len);
        // SAFETY: inside the region, initialised by `alloc_zeroed`; who writes there borrows the region mutably, or
        // fills an item that is nobody else's yet.
        unsafe { std::slice::from_raw_parts(self.address(at, offset), len) }
    }

    /// As [`Region::bytes`].
    ///
    /// # Panics
    /// Outside the region.
    pub(super) fn bytes_mut(&mut self, at: At, offset: usize, len: usize) -> &mut [u8] {
        let _end = self.address(at, offset + len);
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.address(at, offset), len) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some(layout) = layout(self.granules) {
            // SAFETY: it was allocated with this very layout.
            unsafe { dealloc(self.base.as_ptr(), layout) };
        }
    }
}
