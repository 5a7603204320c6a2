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

/// See the module.
pub struct FdTable([AtomicU32; CELLS]);

/// Zero as they are, most of them are in pages that nobody touches.
static OF_PROCESS: FdTable = FdTable::new();

impl std::fmt::Debug for FdTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FdTable").finish_non_exhaustive()
    }
}

impl FdTable {
    /// The table of this process's numbers, which all of its drivers share.
    #[must_use]
    pub fn of_process() -> &'static FdTable {
        &OF_PROCESS
    }

    /// A table in which no number has changed yet.
    pub(crate) const fn new() -> Self {
        FdTable([const { AtomicU32::new(0) }; CELLS])
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
