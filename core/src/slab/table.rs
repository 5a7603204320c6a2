//! All chunks of one runtime, numbered, read without a lock; the owner of their memory.
//!
//! ```text
//!  segments[0] -> 64 entries   segments[1] -> 128   segments[2] -> 256 ...
//!
//!  entry, of chunk i        null: not there yet, or given back      address | touched | class: in use
//! ```
//!
//! A chunk is reserved (a number and 64 KiB of a 2 MiB region), filled by its slab, and then published; a reader
//! that meets a number in between sees null. Regions are mapped whole, because 64 KiB
//! at a time, aligned, costs as much again in gaps, and unmapped when the table is dropped.
//!
//! *Giving back.* [`ChunkTable::give_back`] takes a chunk without a task: its entry becomes null, its memory goes to
//! the system if [`Pages`] can do that, and it waits, with its number and class, for the next slab that
//! grows by one of that class. It stays mapped and reads as cells that were never used, so a weak id or a walk that
//! has read the entry before does no harm, whenever it goes on: state words keep their places for good.
//! What must outlive the cells, the newest of their generations and whether ids were made of them, is kept here
//! and given to the chunk's next cells as they are handed out.

use alloc::alloc::handle_alloc_error;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};

use crate::config::{CHUNK_BYTES, CHUNK_CELLS, REGION_CHUNKS, TABLE_FIRST};
use crate::pages::Pages;
use crate::sync::{AtomicPtr, AtomicU32, Lock, Ordering, ZERO_IS_NEW};
use crate::task::chunk::{CLASSES, Chunk};
use crate::task::header::Header;
use crate::task::state::Kept;

/// Enough for 2^22 chunks, the most that a task's index can name: 256 GiB of cells.
const SEGMENTS: usize = 16;
const MAX_CHUNKS: u32 = 1 << 22;

/// A chunk's address and, in the low bits, its class and how many of its cells were ever handed out: a walk touches no
/// memory that no task has touched.
type Entry = AtomicPtr<u8>;
const CLASS_MASK: usize = CLASSES - 1;
const _: () = assert!(CLASSES.is_power_of_two() && CLASSES * (CHUNK_CELLS + 1) <= CHUNK_BYTES);

/// See the module.
pub struct ChunkTable {
    pages: Pages,
    segments: [AtomicPtr<Entry>; SEGMENTS],
    /// Chunks numbered.
    len: AtomicU32,
    regions: Lock<Regions>,
}

struct Regions {
    all: Vec<NonNull<u8>>,
    /// Chunks of the newest region that were ever in use.
    used: usize,
    /// Chunks that were given back, by class.
    idle: [Vec<Reserved>; CLASSES],
    /// Chunks that have a number, by class.
    numbered: [usize; CLASSES],
}

/// A chunk for a slab that grows. Its cells are there, and were never used.
pub(super) struct Reserved {
    pub(super) chunk: Chunk,
    pub(super) index: u32,
    /// What its cells' words begin with.
    pub(super) kept: Kept,
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
    pub(crate) fn new(pages: Pages) -> Self {
        ChunkTable {
            pages,
            segments: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            len: AtomicU32::new(0),
            regions: Lock::new(Regions {
                all: Vec::new(),
                used: REGION_CHUNKS,
                idle: [const { Vec::new() }; CLASSES],
                numbered: [0; CLASSES],
            }),
        }
    }

    /// A chunk of `class`; none if memory or numbers have run out.
    pub(super) fn reserve(&self, class: usize) -> Option<Reserved> {
        let mut regions = self.regions.lock();
        if let Some(idle) = regions.idle[class].pop() {
            return Some(idle);
        }
        // ORDERING: Relaxed: written under the lock only.
        let index = self.len.load(Ordering::Relaxed);
        if index == MAX_CHUNKS {
            return None;
        }
        if regions.used == REGION_CHUNKS {
            regions.all.try_reserve(1).ok()?;
            let region = self.pages.map(region_layout())?;
            regions.all.push(region);
            regions.used = 0;
        }
        let (segment, len, _) = locate(index);
        // ORDERING: Relaxed: written under the lock only.
        if self.segments[segment].load(Ordering::Relaxed).is_null() {
            let entries = no_entries(len)?;
            // ORDERING: Release pairs with the Acquire in `entry`: the entries are there.
            self.segments[segment].store(Box::into_raw(entries).cast(), Ordering::Release);
        }
        // Room for all of its class: who gives one back, for want of memory perhaps, needs none.
        let room = regions.numbered[class] + 1;
        regions.idle[class].try_reserve(room).ok()?;
        regions.numbered[class] = room;
        // ORDERING: Release pairs with the Acquire in `len`: the segment is there.
        self.len.store(index + 1, Ordering::Release);
        let used = regions.used;
        regions.used += 1;
        let region = *regions.all.last()?;
        // SAFETY: chunk `used` lies inside the region.
        let chunk = Chunk { at: unsafe { region.add(used * CHUNK_BYTES) }, class };
        if !ZERO_IS_NEW {
            for cell in chunk.all() {
                // SAFETY: the cell lies in the chunk, aligned to 64, and is ours alone as yet.
                unsafe { cell.write(Header::vacant()) };
            }
        }
        Some(Reserved { chunk, index, kept: Kept::default() })
    }

    /// Makes a reserved chunk visible, which is complete, or more of one: its first `touched` cells.
    pub(super) fn publish(&self, index: u32, chunk: Chunk, touched: u32) {
        let entry = self.entry(index).unwrap_or_else(|| handle_alloc_error(region_layout()));
        let low = (touched as usize * CLASSES) | chunk.class;
        // ORDERING: Release pairs with the Acquire in `entry_of`: the head, and every cell's header. A walk that must not
        // miss a cell has a fence before it and its spawner one after this, as for the cell's own word (`owned`).
        entry.store(chunk.at.as_ptr().map_addr(|at| at | low), Ordering::Release);
    }

    /// Takes a published chunk back, whose cells are all free and sealed, and gives its memory to the system.
    pub(super) fn give_back(&self, chunk: Chunk, index: u32, kept: Kept) {
        if let Some(entry) = self.entry(index) {
            // ORDERING: Relaxed: who still reads the old entry finds free cells, before the memory goes and after.
            entry.store(ptr::null_mut(), Ordering::Relaxed);
        }
        // SAFETY: the chunk is in a region, and no cell of it is in use, queued or in a list.
        if !unsafe { self.pages.discard(chunk.at, CHUNK_BYTES) } {
            chunk.all().for_each(|cell| {
                // SAFETY: cells in a table stay mapped.
                unsafe { cell.as_ref() }.forget();
            });
        }
        self.regions.lock().idle[chunk.class].push(Reserved { chunk, index, kept });
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

    /// Chunks numbered so far.
    pub(crate) fn len(&self) -> u32 {
        // ORDERING: Acquire pairs with the Release in `reserve`. A walk that must not miss a chunk has a fence
        // before this and its spawner one after the publication (`owned`).
        self.len.load(Ordering::Acquire)
    }

    /// Bytes in chunks that are in use: reserved by a slab and not given back.
    pub(crate) fn bytes(&self) -> u64 {
        let regions = self.regions.lock();
        let idle: usize = regions.idle.iter().map(Vec::len).sum();
        (u64::from(self.len()) - idle as u64) * CHUNK_BYTES as u64
    }

    /// Chunk number `index`, if it is in use. It stays mapped; whether it stays in use is the slab's affair.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<Chunk> {
        self.entry_of(index).map(|(chunk, _)| chunk)
    }

    /// With how many of its cells were ever handed out.
    #[inline]
    fn entry_of(&self, index: u32) -> Option<(Chunk, usize)> {
        // ORDERING: Acquire pairs with the Release in `publish`: the chunk is complete.
        let entry = NonNull::new(self.entry(index)?.load(Ordering::Acquire))?;
        let low = entry.as_ptr().addr() % CHUNK_BYTES;
        // SAFETY: the low bits are what `publish` added.
        Some((Chunk { at: unsafe { entry.sub(low) }, class: low & CLASS_MASK }, low / CLASSES))
    }

    /// Every cell that was ever handed out, free or not, until `f` breaks off by returning false.
    pub(crate) fn all(&self, mut f: impl FnMut(NonNull<Header>) -> bool) -> bool {
        let entries = (0..self.len()).filter_map(|i| self.entry_of(i));
        entries.into_iter().all(|(chunk, touched)| chunk.all().take(touched).all(&mut f))
    }
}

/// A segment of chunks that are not there; none if memory has run out.
fn no_entries(len: usize) -> Option<Box<[Entry]>> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(len).ok()?;
    entries.resize_with(len, || AtomicPtr::new(ptr::null_mut()));
    Some(entries.into_boxed_slice())
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
        for &region in &self.regions.lock().all {
            // SAFETY: mapped in `reserve` with this layout; no cell is out, as each slab holds the table until then.
            unsafe { self.pages.unmap(region, region_layout()) };
        }
    }
}

impl fmt::Debug for ChunkTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkTable").field("chunks", &self.len()).finish_non_exhaustive()
    }
}
