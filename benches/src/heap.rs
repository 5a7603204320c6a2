//! The system's allocator with counters, for programs that count allocations.
//!
//! Counting costs an atomic operation an allocation, which is more than some engines need for a task: so
//! `ouzel-cell` does without, and the cases that count run in `ouzel-cell-counted`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATION_COUNT: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTE_COUNT: AtomicU64 = AtomicU64::new(0);

/// To be declared as the program's `#[global_allocator]`.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// What was counted so far, in the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heap {
    /// Calls that allocate; one that moves a block to grow it is a call too.
    pub allocations: u64,
    /// Bytes asked for and not given back.
    pub live_bytes: u64,
}

impl Heap {
    /// The counts now.
    #[must_use]
    pub fn now() -> Self {
        Heap {
            allocations: ALLOCATION_COUNT.load(Ordering::Relaxed),
            live_bytes: LIVE_BYTE_COUNT.load(Ordering::Relaxed),
        }
    }

    /// Whether this program counts: it has, if so, by the time anybody asks.
    #[must_use]
    pub fn is_counted() -> bool {
        Heap::now().allocations > 0
    }
}

fn count(allocated: usize, freed: usize) {
    LIVE_BYTE_COUNT.fetch_add(allocated as u64, Ordering::Relaxed);
    LIVE_BYTE_COUNT.fetch_sub(freed as u64, Ordering::Relaxed);
    ALLOCATION_COUNT.fetch_add(u64::from(allocated > 0), Ordering::Relaxed);
}

// SAFETY: everything is passed on to the system's allocator as it came, and its answers are passed back.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as in `alloc`; every block of ours is one of `System`'s.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(block, layout) }
    }
}
