//! The memory of one shard: asked for once, at the start, and looked at by granules of 16 bytes.
//!
//! Positions are numbers of granules. Zero is no position: the first granule is left empty.

use std::ops::Range;

use super::item::{At, GRANULE, HEADER, Header};
use super::memory::Memory;
use super::prefetch::prefetch;

/// Bytes that memory is brought by.
const LINE: usize = 64;
/// Lines that are brought with a header, for the key and a short value; and of a block in all: those behind come by
/// themselves, since they are read in order.
const HEAD_LINES: usize = 3;
const MOST_LINES: usize = 20;

/// See the module. The system gives the pages when they are first written to.
#[derive(Debug)]
pub(super) struct Region {
    memory: Memory,
    granules: u32,
}

impl Region {
    /// None: there is not so much memory, or it is more than positions can name.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let granules = u32::try_from(bytes / GRANULE).ok().filter(|n| *n > 1)?;
        Some(Region { memory: Memory::new(granules as usize * GRANULE)?, granules })
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
        assert!(at != 0 && byte <= self.memory.bytes(), "position {at}+{offset} is no item's");
        self.memory.base().wrapping_add(byte)
    }

    fn header_at(&self, at: At) -> *mut Header {
        let byte = at as usize * GRANULE;
        assert!(at != 0 && byte + HEADER <= self.memory.bytes(), "position {at} is no item's");
        self.memory.base().wrapping_add(byte).cast()
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
        self.prefetch_lines(at, 0..HEAD_LINES);
    }

    /// Has what lies further behind brought: so many bytes of the block at `at`, or the first of them.
    pub(super) fn prefetch_rest(&self, at: At, bytes: usize) {
        self.prefetch_lines(at, HEAD_LINES..bytes.div_ceil(LINE).min(MOST_LINES));
    }

    fn prefetch_lines(&self, at: At, lines: Range<usize>) {
        let header = self.memory.base().wrapping_add(at as usize * GRANULE);
        lines.for_each(|line| prefetch(header.wrapping_add(line * LINE)));
    }

    /// `len` bytes of the block at `at`, from byte `offset` on.
    ///
    /// # Panics
    /// Outside the region.
    pub(super) fn bytes(&self, at: At, offset: usize, len: usize) -> &[u8] {
        // SAFETY: inside the region, zeroed at first; who writes there borrows the region mutably, or
        // fills an item that is nobody else's yet.
        unsafe { std::slice::from_raw_parts(self.piece(at, offset, len), len) }
    }

    /// As [`Region::bytes`].
    ///
    /// # Panics
    /// Outside the region.
    pub(super) fn bytes_mut(&mut self, at: At, offset: usize, len: usize) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.piece(at, offset, len), len) }
    }

    /// Address of byte `offset` of the block at `at`, from which `len` bytes are inside.
    fn piece(&self, at: At, offset: usize, len: usize) -> *mut u8 {
        self.address(at, offset + len).wrapping_sub(len)
    }
}
