//! Zeroed memory from the system, in large pages where it is much.
//!
//! Looking an item up touches two places that nobody was at lately; with small pages each has to be found in the page tables
//! first. The system gives pages when they are first written to, large ones whole.

use std::ffi::c_void;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// Bytes of a large page, and where one may begin.
const LARGE: usize = 2 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Memory {
    base: NonNull<u8>,
    bytes: usize,
    /// What was asked for, with room before `base` so that a large page begins there.
    mapping: (*mut c_void, usize),
}

// SAFETY: plain memory; who writes where is decided by whoever holds it.
unsafe impl Send for Memory {}
// SAFETY: shared, it gives nothing but its address.
unsafe impl Sync for Memory {}

impl Memory {
    /// None: there is not so much.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let spare = if bytes >= 2 * LARGE { LARGE } else { 0 };
        let len = bytes.max(1).checked_add(spare)?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let at = unsafe { mmap_anonymous(std::ptr::null_mut(), len, prot, flags) }.ok()?;
        let begin = if spare > 0 { at.wrapping_byte_add(at.align_offset(LARGE)) } else { at };
        let memory = Memory { base: NonNull::new(begin.cast())?, bytes, mapping: (at, len) };
        if spare > 0 {
            // A system without large pages refuses, and gives small ones.
            // SAFETY: our own mapping; what is in it stays as it is.
            let _ = unsafe { madvise(begin, bytes, Advice::LinuxHugepage) };
        }
        Some(memory)
    }

    /// The first byte.
    pub(super) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How many.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: our own mapping, which nobody uses any more.
        let _ = unsafe { munmap(self.mapping.0, self.mapping.1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_memory_begins_at_a_large_page_and_all_of_it_can_be_written() {
        for bytes in [16, 4096, LARGE, 2 * LARGE, 5 * LARGE + 16] {
            let memory = Memory::new(bytes).unwrap();
            assert_eq!((memory.bytes(), memory.base().align_offset(16)), (bytes, 0));
            assert!(bytes < 2 * LARGE || memory.base().align_offset(LARGE) == 0, "{bytes}");
            for at in [0, bytes / 2, bytes - 1] {
                let byte = memory.base().wrapping_add(at);
                // SAFETY: inside, and nobody else's.
                assert_eq!(unsafe { byte.read() }, 0);
                // SAFETY: as above.
                unsafe { byte.write(7) };
            }
        }
        assert!(Memory::new(usize::MAX).is_none() && Memory::new(usize::MAX / 2).is_none());
    }
}
