//! What every chunk of cells begins with, where its cells lie, and the way from a cell to it: its address,
//! rounded down.
//!
//! A chunk keeps its size class, and so the places of its cells, for as long as its table lives. Whoever comes by a
//! chunk without holding one of its cells (a weak id, a walk) goes by the class alone, never by the head: the
//! chunk may be empty, and its memory given back to the system, at that moment.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::header::Header;
use super::schedule::Schedule;
use crate::config::{CHUNK_BYTES, CHUNK_CELLS};

/// Bytes of a cell in each size class.
pub(crate) const CLASS_BYTES: [usize; CLASSES] = [64, 128, 192, 256, 384, 512, 1024, 2048];
/// Size classes.
pub(crate) const CLASSES: usize = 8;
/// The largest cell.
pub(crate) const LARGEST: usize = CLASS_BYTES[CLASSES - 1];

/// The smallest class with room for `bytes`.
pub(crate) const fn class_of(bytes: usize) -> usize {
    let mut class = 0;
    while CLASS_BYTES[class] < bytes {
        class += 1;
    }
    class
}

/// What all cells of a chunk have in common. Written before the chunk's first cell is handed out; not again while
/// one is out, but for what the slab's owner counts.
pub(crate) struct ChunkHead {
    /// Kept alive by the slab, for as long as one of its cells is out.
    pub(crate) sched: *const dyn Schedule,
    /// The slab's identity, which is also its address.
    pub(crate) slab: *const (),
    /// The slab's list of free cells of this size; its owner's alone.
    pub(crate) free: *const Cell<*mut Header>,
    /// Number of this chunk in its chunk table.
    pub(crate) index: u32,
    /// The size class.
    pub(crate) class: u32,
    /// The slab's owner alone, as the two below: the trim that `idle` was counted in.
    pub(crate) round: Cell<u32>,
    /// Cells found in the slab's list in that trim.
    pub(crate) idle: Cell<u32>,
    /// The next chunk that the trim in progress gives back.
    pub(crate) next: Cell<*mut ChunkHead>,
}

#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<ChunkHead>() <= 64, "a chunk gives one cache line to its head");

/// Distance of the first cell from its chunk.
const FIRST: usize = size_of::<ChunkHead>().next_multiple_of(64);

/// A chunk as one finds it in a table: its address and its class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) at: NonNull<u8>,
    pub(crate) class: usize,
}

impl Chunk {
    /// How many cells it has.
    #[inline]
    pub(crate) fn cells(self) -> u32 {
        const CELLS: [u32; CLASSES] = {
            let mut cells = [0; CLASSES];
            let mut class = 0;
            while class < CLASSES {
                let fit = (CHUNK_BYTES - FIRST) / CLASS_BYTES[class];
                cells[class] = if fit < CHUNK_CELLS { fit } else { CHUNK_CELLS } as u32;
                class += 1;
            }
            cells
        };
        CELLS[self.class]
    }

    /// Cell number `i`.
    ///
    /// # Safety
    /// The chunk is mapped and has more than `i` cells.
    #[inline(always)]
    pub(crate) unsafe fn cell(self, i: u32) -> NonNull<Header> {
        debug_assert!(i < self.cells());
        // SAFETY: cell `i` lies inside the chunk, by the caller's promise.
        unsafe { self.at.add(FIRST + i as usize * CLASS_BYTES[self.class]) }.cast()
    }

    /// Every cell.
    pub(crate) fn all(self) -> impl Iterator<Item = NonNull<Header>> {
        // SAFETY: `i` is below the number of cells, and a `Chunk` is of a table, which keeps it mapped.
        (0..self.cells()).map(move |i| unsafe { self.cell(i) })
    }

    /// Where the head lies.
    pub(crate) fn head(self) -> NonNull<ChunkHead> {
        self.at.cast()
    }
}

impl ChunkHead {
    /// The number of `cell` in its chunk.
    pub(crate) fn number_of(&self, cell: NonNull<Header>) -> u32 {
        let offset = cell.as_ptr().addr() & (CHUNK_BYTES - 1);
        ((offset - FIRST) / CLASS_BYTES[self.class as usize]) as u32
    }

    /// A head for the chunk `index` of `class`.
    pub(crate) fn new(
        sched: *const dyn Schedule,
        slab: *const (),
        free: *const Cell<*mut Header>,
        index: u32,
        class: usize,
    ) -> Self {
        let (round, idle, next) = (Cell::new(0), Cell::new(0), Cell::new(ptr::null_mut()));
        ChunkHead { sched, slab, free, index, class: class as u32, round, idle, next }
    }
}

/// The chunk that `cell` lies in.
#[inline(always)]
pub(crate) fn chunk_of(cell: NonNull<Header>) -> NonNull<ChunkHead> {
    let chunk = cell.as_ptr().map_addr(|a| a & !(CHUNK_BYTES - 1)).cast();
    // SAFETY: every task lies in a chunk, behind its head, so rounding its address down does not reach zero.
    unsafe { NonNull::new_unchecked(chunk) }
}

/// The head of the chunk that `cell` lies in.
///
/// # Safety
/// The caller keeps the cell out, or is its slab's owner and has it in a list, for `'a`.
#[inline(always)]
pub(crate) unsafe fn head_of<'a>(cell: NonNull<Header>) -> &'a ChunkHead {
    // SAFETY: heads are written before their cells are handed out; the caller keeps the chunk from being given back.
    unsafe { chunk_of(cell).as_ref() }
}
