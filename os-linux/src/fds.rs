//! Generations of descriptor numbers: how an epoll driver notices that number 7 is another file now.
//!
//! The kernel drops a registration when the file is closed, and hands the number to the next file. A
//! driver that believed number 7 to be registered would wait for ever, so whoever opens or closes a
//! descriptor says so here, and a registration counts only for the generation it was made in. The
//! drivers do it for what they open and close themselves; all else (`socket`, a descriptor opened on
//! the blocking pool, a host's own) is [`FdTable::changed`] by whoever does it.
//!
//! A fixed table indexed by the low bits of the number: two numbers that share a cell cost each other
//! a needless registration, never an error. Untouched pages take no memory.

use std::sync::atomic::{AtomicU32, Ordering};

use ouzel_core::op::Fd;

const CELLS: usize = 1 << 16;

/// See the module. Shared by all drivers of a runtime.
pub struct FdTable(Box<[AtomicU32; CELLS]>);

impl Default for FdTable {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for FdTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FdTable").finish_non_exhaustive()
    }
}

impl FdTable {
    /// A table in which no number has changed yet.
    #[must_use]
    pub fn new() -> Self {
        // Zeroed by the allocator, not by us: the pages stay untouched.
        let zeroed: *mut [u32] = Box::into_raw(vec![0u32; CELLS].into_boxed_slice());
        // SAFETY: the box of so many was taken apart just now, and an atomic has the layout of its integer.
        FdTable(unsafe { Box::from_raw(zeroed.cast::<[AtomicU32; CELLS]>()) })
    }

    /// Says that `fd` was just opened, or is about to be closed.
    #[inline]
    pub fn changed(&self, fd: Fd) {
        // ORDERING: Relaxed. Whoever uses the number next learned it from the caller (which orders
        // this before), or from the kernel, and then calls this itself.
        self.0[fd as usize & (CELLS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// The generation `fd` is in.
    #[inline]
    #[must_use]
    pub fn generation(&self, fd: Fd) -> u32 {
        // ORDERING: Relaxed, see `changed`.
        self.0[fd as usize & (CELLS - 1)].load(Ordering::Relaxed)
    }
}
