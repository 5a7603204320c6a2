//! How often the process asks for memory: a request does not, and `stats` says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator, with a count. It costs a request nothing, since a request allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

static ALLOCATION_COUNT: AtomicU64 = AtomicU64::new(0);

/// Allocations so far, where [`Counting`] is the global allocator.
#[must_use]
pub fn allocations() -> u64 {
    ALLOCATION_COUNT.load(Ordering::Relaxed)
}

// SAFETY: everything is passed on to the system's allocator as it came, and its answers are passed back.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATION_COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATION_COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATION_COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as in `alloc`; every block of ours is one of `System`'s.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(block, layout) }
    }
}
