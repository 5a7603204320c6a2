//! Memory held ready while something is done that cannot say that there is none: the standard library starts a thread, the
//! facade makes a runtime.
//!
//! ```text
//!   Spare::new(bytes) ─ one request; refused: the call says so, and has done nothing
//!        │
//!        ├─ the call's own requests go to the host or the system as ever
//!        │       └─ one is refused ─► comes from the block, one behind the other
//!        │
//!   drop ─► nothing more comes from the block. It is given back when nothing that came from it is in use:
//!           nearly always here, else with the last of it.
//! ```
//!
//! While a call has a block, what is refused to any other thread comes from there, too: the call may well have started that thread.
//! So a block is larger than what its call needs. Where no memory is refused, a call with a block costs one request more, and
//! whatever gives memory back one load. In a child that was forked while another thread had the list of blocks, calls go without.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{alloc, dealloc};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::lock::lock_unless_lost;

/// At the beginning of a block.
struct Head {
    next: Cell<Option<Block>>,
    /// Of all of it.
    layout: Layout,
    /// Bytes given out, with this.
    filled: Cell<usize>,
    /// What was given out and has not come back.
    used_count: Cell<usize>,
    /// The call goes on.
    is_open: Cell<bool>,
}

/// Its head is looked at under the lock only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block(NonNull<Head>);

/// All blocks: the first one.
struct Blocks(Option<Block>);

// SAFETY: a block belongs to no thread, and its head is looked at under the lock only.
unsafe impl Send for Blocks {}

static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks(None));

/// What was given out of blocks and has not come back.
static USED: AtomicUsize = AtomicUsize::new(0);

impl Block {
    fn head(self, _locked: &Blocks) -> &Head {
        // SAFETY: a block in the list is there, and the lock is held.
        unsafe { self.0.as_ref() }
    }

    /// `layout` bytes of what is left.
    fn take(self, blocks: &Blocks, layout: Layout) -> Option<NonNull<u8>> {
        let (begin, head) = (self.0.addr().get(), self.head(blocks));
        let at = (begin + head.filled.get()).next_multiple_of(layout.align()) - begin;
        if !head.is_open.get() || layout.size() > head.layout.size().checked_sub(at)? {
            return None;
        }
        head.filled.set(at + layout.size());
        head.used_count.update(|n| n + 1);
        // SAFETY: within the block, as was looked at.
        Some(unsafe { self.0.cast::<u8>().add(at) })
    }

    fn holds(self, blocks: &Blocks, ptr: *mut u8) -> bool {
        let begin = self.0.addr().get();
        (begin..begin + self.head(blocks).layout.size()).contains(&ptr.addr())
    }

    /// Gives it back: nobody needs it any more, and it is out of the list.
    fn free(self, layout: Layout) {
        // SAFETY: from `Spare::new`, which has its layout from there.
        unsafe { dealloc(self.0.as_ptr().cast(), layout) };
    }
}

impl Blocks {
    fn lock() -> MutexGuard<'static, Blocks> {
        BLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn iter(&self) -> impl Iterator<Item = Block> {
        core::iter::successors(self.0, |block| block.head(self).next.get())
    }

    /// Takes it out of the list if nobody needs it any more: then it is to be freed.
    fn remove_unused(&mut self, unused: Block) -> Option<Layout> {
        let head = unused.head(self);
        let (next, layout) = (head.next.get(), head.layout);
        if head.is_open.get() || head.used_count.get() > 0 {
            return None;
        }
        let before = self.iter().find(|block| block.head(self).next.get() == Some(unused));
        match before {
            Some(before) => before.head(self).next.set(next),
            None => self.0 = next,
        }
        Some(layout)
    }
}

/// A block that memory may come from, as a rule; see the module.
#[derive(Debug)]
pub(crate) struct Spare(Option<Block>);

// SAFETY: a block belongs to no thread.
unsafe impl Send for Spare {}

impl Spare {
    /// One with room for `bytes`.
    pub(crate) fn new(bytes: usize) -> Result<Spare> {
        let room = Layout::array::<u8>(bytes).map_err(|_| Error::NO_MEMORY)?;
        let (layout, filled) = Layout::new::<Head>().extend(room).map_err(|_| Error::NO_MEMORY)?;
        // SAFETY: of a size.
        let block = Block(NonNull::new(unsafe { alloc(layout) }).ok_or(Error::NO_MEMORY)?.cast());
        let Some(mut blocks) = lock_unless_lost(&BLOCKS) else {
            block.free(layout);
            return Ok(Spare(None));
        };
        let (next, filled) = (Cell::new(blocks.0), Cell::new(filled));
        let head = Head { next, layout, filled, used_count: Cell::new(0), is_open: Cell::new(true) };
        // SAFETY: it has room for it, and nobody else knows it.
        unsafe { block.0.write(head) };
        blocks.0 = Some(block);
        Ok(Spare(Some(block)))
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let Some(block) = self.0 else { return };
        let mut blocks = Blocks::lock();
        block.head(&blocks).is_open.set(false);
        let unused = blocks.remove_unused(block);
        drop(blocks);
        if let Some(layout) = unused {
            block.free(layout);
        }
    }
}

/// For the allocator, which was refused it: from a block, or null.
#[cold]
pub(crate) fn take(layout: Layout) -> *mut u8 {
    let Some(blocks) = lock_unless_lost(&BLOCKS) else { return ptr::null_mut() };
    let taken = blocks.iter().find_map(|block| block.take(&blocks, layout));
    if taken.is_some() {
        // ORDERING: Relaxed: whoever gives it back has got it from here.
        USED.fetch_add(1, Ordering::Relaxed);
    }
    taken.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Whether this may be from a block: see [`is_taken`].
#[inline]
pub(crate) fn may_be_taken() -> bool {
    // ORDERING: Relaxed, as in `take`.
    USED.load(Ordering::Relaxed) != 0
}

/// Whether this is from a block, or may be for all that a child can know that has lost the list.
#[cold]
pub(crate) fn is_taken(ptr: *mut u8) -> bool {
    let Some(blocks) = lock_unless_lost(&BLOCKS) else { return true };
    blocks.iter().any(|block| block.holds(&blocks, ptr))
}

/// For the allocator: takes it back if it is from a block, or may be. Else says no.
#[cold]
pub(crate) fn give_back(ptr: *mut u8) -> bool {
    let Some(mut blocks) = lock_unless_lost(&BLOCKS) else { return true };
    let Some(block) = blocks.iter().find(|block| block.holds(&blocks, ptr)) else { return false };
    block.head(&blocks).used_count.update(|n| n - 1);
    // ORDERING: Relaxed, as in `take`.
    USED.fetch_sub(1, Ordering::Relaxed);
    let unused = blocks.remove_unused(block);
    drop(blocks);
    if let Some(layout) = unused {
        block.free(layout);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Larger than a block of any other test, which may have one meanwhile.
    const LARGE: usize = 4 << 20;

    /// Each test reckons with the blocks that there are.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn large(bytes: usize, align: usize) -> Layout {
        Layout::from_size_align(LARGE + bytes, align).unwrap()
    }

    #[test]
    fn what_is_refused_comes_from_a_block_for_as_long_as_its_call_goes_on() {
        let _alone = alone();
        assert!(take(large(0, 8)).is_null());
        let spare = Spare::new(2 * LARGE + 8192).unwrap();
        let (first, second) = (take(large(1, 1)), take(large(7, 4096)));
        assert!(!first.is_null() && second.addr() % 4096 == 0);
        assert!(second.addr() > first.addr() + LARGE, "one behind the other");
        assert!(take(large(0, 1)).is_null(), "it is full");
        drop(spare);
        for ptr in [first, second] {
            assert!(may_be_taken() && is_taken(ptr));
            // SAFETY: so much was asked for, and it is there until it is given back.
            unsafe { ptr.write_bytes(0xa5, LARGE) };
        }
        assert!(give_back(first) && is_taken(second));
        assert!(give_back(second) && !is_taken(second), "the last one takes the block along");
        assert!(!give_back(second));
    }

    #[test]
    fn memory_from_elsewhere_is_not_taken_back() {
        let _alone = alone();
        let spare = Spare::new(LARGE + 64).unwrap();
        let (ours, mut other) = (take(large(0, 1)), Box::new(3));
        assert!(!is_taken(&raw mut *other as *mut u8) && !give_back(&raw mut *other as *mut u8));
        assert!(give_back(ours));
        // It is not there twice: what was given back stays empty until the call ends.
        assert!(take(large(0, 1)).is_null());
        drop(spare);
    }

    #[test]
    fn a_lock_that_was_lost_in_a_fork_is_done_without() {
        let _alone = alone();
        let held = Blocks::lock();
        let spare = Spare::new(LARGE + 64).unwrap();
        assert!(spare.0.is_none() && take(large(0, 1)).is_null());
        drop(spare);
        drop(held);
        assert!(Spare::new(1).unwrap().0.is_some());
    }

    #[test]
    fn blocks_end_in_any_order() {
        let _alone = alone();
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let mut spares = [(); 3].map(|()| Some(Spare::new(LARGE + 64).unwrap()));
            let taken = [(); 3].map(|()| take(large(0, 1)));
            assert!(taken.iter().all(|ptr| !ptr.is_null()) && take(large(0, 1)).is_null());
            for which in order {
                spares[which] = None;
            }
            for which in order {
                assert!(give_back(taken[which]) && !is_taken(taken[which]));
            }
        }
    }

    #[test]
    fn what_grows_leaves_its_block() {
        let _alone = alone();
        let spare = Spare::new(LARGE + 64).unwrap();
        let (old, layout) = (take(large(0, 1)), large(0, 1));
        // SAFETY: so much was asked for.
        unsafe { old.write_bytes(7, layout.size()) };
        // SAFETY: `old` is from a block, of that layout.
        let grown = unsafe { std::alloc::realloc(old, layout, layout.size() + 64) };
        assert!(!is_taken(grown), "where there is memory it is taken from there");
        // SAFETY: both have as much, and the first part was written.
        assert!(unsafe { core::slice::from_raw_parts(grown, layout.size()) }.iter().all(|&b| b == 7));
        // SAFETY: from the allocator, of that layout.
        unsafe { std::alloc::dealloc(grown, large(64, 1)) };
        drop(spare);
        assert!(!is_taken(old), "nothing of it was in use");
    }
}
