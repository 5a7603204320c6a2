//! Memory that may be refused, for what the standard library makes only where it may not be.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc};
use std::sync::Arc;

use crate::error::{Error, Result};

/// A block of memory.
type Block = (NonNull<u8>, Layout);

thread_local! {
    static SET_ASIDE: Cell<Option<Block>> = const { Cell::new(None) };
}

/// The block that this thread has set aside, if it is what is asked for. For the allocator.
#[inline]
pub(crate) fn set_aside(layout: Layout) -> Option<NonNull<u8>> {
    let (block, _) = SET_ASIDE.get().filter(|(_, known)| *known == layout)?;
    SET_ASIDE.set(None);
    Some(block)
}

/// What `make` makes of one block of this layout: that is set aside, and the allocator gives it out for it. (Should the standard
/// library ask for another one some day, it gets that from where all come from, and the tests that are refused memory end.)
fn made<R>(layout: Layout, make: impl FnOnce() -> R) -> Result<R> {
    // SAFETY: of a size, as was asserted.
    let block = NonNull::new(unsafe { alloc(layout) }).ok_or(Error::NO_MEMORY)?;
    SET_ASIDE.set(Some((block, layout)));
    let made = make();
    if let Some((unused, layout)) = SET_ASIDE.take() {
        // SAFETY: the block from above, which nobody has got.
        unsafe { dealloc(unused.as_ptr(), layout) };
    }
    Ok(made)
}

/// `Box::new`; the value is dropped where there is no memory for it.
pub(crate) fn boxed<T>(value: T) -> Result<Box<T>> {
    const { assert!(size_of::<T>() > 0, "that needs no memory") };
    made(Layout::new::<T>(), || Box::new(value))
}

/// `Arc::new`; the value is dropped where there is no memory for it.
pub(crate) fn shared<T>(value: T) -> Result<Arc<T>> {
    let counts = Layout::new::<[usize; 2]>();
    let (layout, _) = counts.extend(Layout::new::<T>()).map_err(|_| Error::NO_MEMORY)?;
    made(layout.pad_to_align(), || Arc::new(value))
}

/// Room for one more in a vector.
pub(crate) fn room<T>(all: &mut Vec<T>) -> Result<()> {
    all.try_reserve(1).map_err(|_| Error::NO_MEMORY)
}

/// Room in a list of free places for all places there are, and one: to give one back needs no memory then.
pub(crate) fn room_for_free<T>(free: &mut Vec<u32>, all: &[T]) -> Result<()> {
    free.try_reserve(all.len() + 1 - free.len()).map_err(|_| Error::NO_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_taken_by_what_it_was_meant_for() {
        #[repr(align(64))]
        #[derive(Debug)]
        struct Wide([u8; 70]);
        let shared = shared(Wide([3; 70])).unwrap();
        assert!(SET_ASIDE.get().is_none());
        assert_eq!((shared.0[69], Arc::strong_count(&shared)), (3, 1));
        assert_eq!(*boxed(7).unwrap(), 7);
    }

    #[test]
    fn another_block_does_not_take_it() {
        let layout = Layout::new::<[u64; 5]>();
        let (other, taken) = made(layout, || (Box::new([1_u64; 4]), set_aside(layout))).unwrap();
        let block = taken.unwrap();
        assert_ne!(block.as_ptr().cast_const(), other.as_ptr().cast());
        // SAFETY: from the allocator, of this layout, and nobody has got it since.
        unsafe { dealloc(block.as_ptr(), layout) };
        // One that nobody takes is given back.
        assert_eq!(made(layout, || 1), Ok(1));
        assert_eq!(set_aside(layout), None);
    }
}
