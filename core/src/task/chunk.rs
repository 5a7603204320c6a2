//! What every chunk of cells begins with, and the way from a cell to it: its address, rounded down.

use core::cell::Cell;
use core::ptr::NonNull;

use super::header::Header;
use super::schedule::Schedule;
use crate::config::CHUNK_BYTES;

/// What all cells of a chunk have in common. Written once, before the chunk's first cell is handed out.
pub(crate) struct ChunkHead {
    /// Kept alive by the slab, for as long as one of its cells is out.
    pub(crate) sched: *const dyn Schedule,
    /// The slab's identity, which is also its address.
    pub(crate) slab: *const (),
    /// The slab's list of free cells of this size; its owner's alone.
    pub(crate) free: *const Cell<*mut Header>,
    /// Number of this chunk in its chunk table.
    pub(crate) index: u32,
    pub(crate) cell_size: u32,
    /// Cells in this chunk.
    pub(crate) cells: u32,
    /// Distance of the first cell from the chunk.
    pub(crate) first: u32,
}

#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<ChunkHead>() <= 64, "a chunk gives one cache line to its head");

impl ChunkHead {
    /// Cell number `i` of the chunk at `chunk`.
    ///
    /// # Safety
    /// `chunk` is a chunk's address, with leave to access all of it, and has more than `i` cells.
    #[inline(always)]
    pub(crate) unsafe fn cell(chunk: NonNull<ChunkHead>, i: u32) -> NonNull<Header> {
        // SAFETY: a chunk's head is written before it is given to anybody.
        let head = unsafe { chunk.as_ref() };
        debug_assert!(i < head.cells);
        let offset = head.first as usize + i as usize * head.cell_size as usize;
        // SAFETY: cell `i` lies inside the chunk, by the caller's promise.
        unsafe { chunk.cast::<u8>().add(offset) }.cast()
    }

    /// The number of `cell` in its chunk.
    pub(crate) fn number_of(&self, cell: NonNull<Header>) -> u32 {
        let offset = cell.as_ptr().addr() & (CHUNK_BYTES - 1);
        (offset as u32 - self.first) / self.cell_size
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
/// The caller keeps the cell, or its slab, alive for `'a`.
#[inline(always)]
pub(crate) unsafe fn head_of<'a>(cell: NonNull<Header>) -> &'a ChunkHead {
    // SAFETY: heads are written before their cells are handed out and never again; the caller keeps it mapped.
    unsafe { chunk_of(cell).as_ref() }
}
