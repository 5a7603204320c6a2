//! Memory for tasks straight from the kernel, so that a part of it can be given back.
//!
//! `MADV_DONTNEED` frees what lies behind private anonymous pages at once; they stay mapped and read as zero. Memory of
//! the global allocator would not do: who knows what lies behind it.

use core::alloc::Layout;
use core::ffi::c_void;
use core::ptr;

use ouzel_core::slab::Pages;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// The kernel's memory, by `mmap`.
#[must_use]
pub fn pages() -> Pages {
    // SAFETY: private anonymous mappings are zero at first, and again after MADV_DONTNEED, which replaces each page
    // once and as a whole.
    unsafe { Pages::new(map, unmap, discard) }
}

/// See [`Pages::new`]. Maps more than that, so that an aligned part is in it, and unmaps the rest.
unsafe fn map(layout: Layout) -> *mut u8 {
    let (bytes, align) = (layout.size(), layout.align());
    let whole = bytes + align;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let mapped = unsafe { mmap_anonymous(ptr::null_mut(), whole, ProtFlags::READ | ProtFlags::WRITE, flags) };
    let Ok(start) = mapped else { return ptr::null_mut() };
    let before = start.align_offset(align);
    let aligned = start.wrapping_byte_add(before);
    if before > 0 {
        // SAFETY: the start of what was mapped above, and not used.
        let _ = unsafe { munmap(start, before) };
    }
    // SAFETY: the end of what was mapped above, and not used. Something is left: `before` is less than `align`.
    let _ = unsafe { munmap(aligned.wrapping_byte_add(bytes), align - before) };
    aligned.cast()
}

unsafe fn unmap(at: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise: it came from `map`, and nobody uses it any more. That cannot fail.
    let _ = unsafe { munmap(at.cast::<c_void>(), layout.size()) };
}

unsafe fn discard(at: *mut u8, bytes: usize) -> bool {
    // SAFETY: the caller's promise: it is a part of what `map` gave, and nobody needs what is in it. (It fails for
    // memory that was locked; nothing has changed then.)
    unsafe { madvise(at.cast::<c_void>(), bytes, Advice::LinuxDontNeed) }.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_zero_and_zero_again_when_discarded() {
        let layout = Layout::from_size_align(1 << 20, 1 << 16).unwrap();
        // SAFETY: the layout is not empty.
        let at = unsafe { map(layout) };
        assert!(!at.is_null() && at.addr().is_multiple_of(1 << 16));
        // SAFETY: mapped above, all of it, and zero.
        let memory = unsafe { core::slice::from_raw_parts_mut(at, layout.size()) };
        assert!(memory.iter().all(|byte| *byte == 0));
        memory.fill(1);
        // SAFETY: the second chunk of it.
        assert!(unsafe { discard(at.wrapping_add(1 << 16), 1 << 16) });
        let kept = (memory[0], memory[(1 << 17) - 1], memory[1 << 17]);
        assert_eq!(kept, (1, 0, 1));
        // SAFETY: mapped above with this layout, and not used below.
        unsafe { unmap(at, layout) };
    }
}
