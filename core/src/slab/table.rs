//! All chunks of one runtime, numbered: append-only, read without a lock, and the owner of their memory.
//!
//! ```text
//!  segments[0] -> 64 chunk pointers   segments[1] -> 128   segments[2] -> 256 ...
//! ```
//!
//! A chunk is reserved (a number and 64 KiB of a 2 MiB region), filled by its slab, and then published; a reader
//! that meets a number in between sees null. Regions are taken from the allocator whole, because 64 KiB
//! at a time, aligned, costs as much again in gaps, and go back when the table is dropped.

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};

use crate::config::{CHUNK_BYTES, REGION_CHUNKS, TABLE_FIRST};
use crate::sync::{AtomicPtr, AtomicU32, Lock, Ordering};
use crate::task::chunk::ChunkHead;
use crate::task::header::Header;

/// Enough for 2^22 chunks, the most that a task's index can name: 256 GiB of cells.
const SEGMENTS: usize = 16;
const MAX_CHUNKS: u32 = 1 << 22;

type Entry = AtomicPtr<ChunkHead>;

/// See the module.
pub struct ChunkTable {
    segments: [AtomicPtr<Entry>; SEGMENTS],
    /// Chunks reserved.
    len: AtomicU32,
    regions: Lock<Regions>,
}

struct Regions {
    all: Vec<NonNull<u8>>,
    /// Chunks of the newest region that are in use.
    used: usize,
}

// SAFETY: the regions are plain memory; what lies in them is shared by its own rules (slab, task state).
unsafe impl Send for Regions {}

/// The segment of chunk `index`, its length, and the place in it.
fn locate(index: u32) -> (usize, usize, usize) {
    let i = index as usize + TABLE_FIRST;
    let segment = (i / TABLE_FIRST).ilog2() as usize;
    let len = TABLE_FIRST << segment;
    (segment, len, i - len)
}

fn region_layout() -> Layout {
    const {
        match Layout::from_size_align(REGION_CHUNKS * CHUNK_BYTES, CHUNK_BYTES) {
            Ok(layout) => layout,
            Err(_) => panic!("regions are too large"),
        }
    }
}

impl ChunkTable {
    pub(crate) fn new() -> Self {
        ChunkTable {
            segments: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            len: AtomicU32::new(0),
            regions: Lock::new(Regions { all: Vec::new(), used: REGION_CHUNKS }),
        }
    }

    /// Memory for one chunk, and its number; none if memory or numbers have run out.
    pub(crate) fn reserve(&self) -> Option<(NonNull<u8>, u32)> {
        let mut regions = self.regions.lock();
        // ORDERING: Relaxed: written under the lock only.
        let index = self.len.load(Ordering::Relaxed);
        if index == MAX_CHUNKS {
            return None;
        }
        if regions.used == REGION_CHUNKS {
            regions.all.try_reserve(1).ok()?;
            // SAFETY: the layout is not empty.
            let region = NonNull::new(unsafe { alloc(region_layout()) })?;
            regions.all.push(region);
            regions.used = 0;
        }
        let (segment, len, _) = locate(index);
        // ORDERING: Relaxed: written under the lock only.
        if self.segments[segment].load(Ordering::Relaxed).is_null() {
            let entries: Box<[Entry]> = (0..len).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
            // ORDERING: Release pairs with the Acquire in `get`: the entries are there.
            self.segments[segment].store(Box::into_raw(entries).cast(), Ordering::Release);
        }
        // ORDERING: Release pairs with the Acquire in `len`: the segment is there.
        self.len.store(index + 1, Ordering::Release);
        let used = regions.used;
        regions.used += 1;
        let region = *regions.all.last()?;
        // SAFETY: chunk `used` lies inside the region.
        Some((unsafe { region.add(used * CHUNK_BYTES) }, index))
    }

    /// Makes a reserved chunk visible; it is complete.
    pub(crate) fn publish(&self, index: u32, chunk: NonNull<ChunkHead>) {
        let entry = self.entry(index).unwrap_or_else(|| handle_alloc_error(region_layout()));
        // ORDERING: Release pairs with the Acquire in `get`: the head, and every cell's header.
        entry.store(chunk.as_ptr(), Ordering::Release);
    }

    fn entry(&self, index: u32) -> Option<&Entry> {
        let (segment, _, place) = locate(index);
        // ORDERING: Acquire pairs with the Release in `reserve`: the entries are there.
        let entries = NonNull::new(self.segments.get(segment)?.load(Ordering::Acquire))?;
        // SAFETY: `locate` gives a place below the segment's length.
        let entry = unsafe { entries.add(place) };
        // SAFETY: segments live as long as the table.
        Some(unsafe { entry.as_ref() })
    }

    /// Chunks reserved so far.
    pub(crate) fn len(&self) -> u32 {
        // ORDERING: Acquire pairs with the Release in `reserve`. A walk that must not miss a chunk has a fence
        // before this and its spawner one after the publication (`owned`).
        self.len.load(Ordering::Acquire)
    }

    /// Chunk number `index`, if there is one.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<NonNull<ChunkHead>> {
        // ORDERING: Acquire pairs with the Release in `publish`: the chunk is complete.
        NonNull::new(self.entry(index)?.load(Ordering::Acquire))
    }

    /// Every cell of every chunk, free or not, until `f` breaks off by returning false.
    pub(crate) fn all(&self, mut f: impl FnMut(NonNull<Header>) -> bool) -> bool {
        for chunk in (0..self.len()).filter_map(|i| self.get(i)) {
            // SAFETY: a chunk in the table is complete.
            let cells = unsafe { chunk.as_ref() }.cells;
            for i in 0..cells {
                // SAFETY: the head says that the chunk has these cells.
                if !f(unsafe { ChunkHead::cell(chunk, i) }) {
                    return false;
                }
            }
        }
        true
    }
}

impl Drop for ChunkTable {
    fn drop(&mut self) {
        for (i, segment) in self.segments.iter().enumerate() {
            // ORDERING: Relaxed: nobody else is left; whoever dropped the last reference acquired the rest.
            let entries = segment.load(Ordering::Relaxed);
            if !entries.is_null() {
                let entries = ptr::slice_from_raw_parts_mut(entries, TABLE_FIRST << i);
                // SAFETY: `reserve` made it from a box of this length.
                drop(unsafe { Box::from_raw(entries) });
            }
        }
        for region in &self.regions.lock().all {
            // SAFETY: allocated in `reserve` with this layout; no cell is out, as each slab holds the table until
            // then.
            unsafe { dealloc(region.as_ptr(), region_layout()) };
        }
    }
}

impl fmt::Debug for ChunkTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkTable").field("chunks", &self.len()).finish_non_exhaustive()
    }
}
