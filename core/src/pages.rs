//! Where the memory of a runtime's tasks comes from, and how the system gets it back meanwhile.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr;

/// A source of memory, in regions of 64 KiB to some megabytes. An adapter makes one of system calls; [`Pages::HEAP`] is
/// the global allocator.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    map: unsafe fn(Layout) -> *mut u8,
    unmap: unsafe fn(*mut u8, Layout),
    discard: unsafe fn(*mut u8, usize) -> bool,
}

impl Pages {
    /// The global allocator, which takes back a region only when its runtime has gone.
    pub const HEAP: Pages = Pages { map: alloc_zeroed, unmap: dealloc, discard: keep };

    /// A source of these three calls, which may come from any thread.
    ///
    /// - `map` gives memory of that layout, all zero, or null.
    /// - `unmap` takes it back as a whole.
    /// - `discard` gives the system what lies behind an address of it (64 KiB at a time, so aligned) and says true: it
    ///   stays mapped, and reads as zero until it is written again. False: it is as it was. A word of it that another
    ///   thread reads meanwhile has its old value or is zero; what is written after a zero was read there stays.
    ///
    /// # Safety
    /// They do that.
    #[must_use]
    pub const unsafe fn new(
        map: unsafe fn(Layout) -> *mut u8,
        unmap: unsafe fn(*mut u8, Layout),
        discard: unsafe fn(*mut u8, usize) -> bool,
    ) -> Self {
        Pages { map, unmap, discard }
    }

    pub(crate) fn map(&self, layout: Layout) -> Option<ptr::NonNull<u8>> {
        debug_assert!(layout.size() > 0);
        // SAFETY: `new`'s promise; the layout is not empty.
        ptr::NonNull::new(unsafe { (self.map)(layout) })
    }

    /// # Safety
    /// `at` came from `map(layout)` and is not used any more.
    pub(crate) unsafe fn unmap(&self, at: ptr::NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { (self.unmap)(at.as_ptr(), layout) };
    }

    /// # Safety
    /// The bytes are of a region that is mapped, and nobody needs what is in them.
    pub(crate) unsafe fn discard(&self, at: ptr::NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (self.discard)(at.as_ptr(), bytes) }
    }
}

unsafe fn keep(_: *mut u8, _: usize) -> bool {
    false
}
