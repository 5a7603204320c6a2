//! The run queue of one thread: a ring of pointers that grows when it is full and shrinks when it is told to.
//!
//! `VecDeque` would do; it spends 12 instructions more per task on lengths that are not powers of two.

use alloc::alloc::handle_alloc_error;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use crate::config::CHUNK_BYTES;
use crate::slab::Pages;

/// See the module. Slots `first` to `end` are filled; both count on and wrap by the mask.
pub(super) struct Ring<T> {
    pages: Pages,
    slots: Cell<NonNull<*mut T>>,
    mask: Cell<usize>,
    first: Cell<usize>,
    end: Cell<usize>,
}

impl<T> Ring<T> {
    /// A ring for `slots` pointers, a power of two, before it has to grow.
    pub(super) fn new(slots: usize, pages: Pages) -> Self {
        assert!(slots.is_power_of_two());
        Ring {
            pages,
            slots: Cell::new(allocate(pages, slots)),
            mask: Cell::new(slots - 1),
            first: Cell::new(0),
            end: Cell::new(0),
        }
    }

    /// Pushes so far.
    pub(super) fn pushed(&self) -> usize {
        self.end.get()
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.end.get().wrapping_sub(self.first.get())
    }

    /// Where element `i` lies.
    #[inline(always)]
    fn slot(&self, i: usize) -> NonNull<*mut T> {
        // SAFETY: masked, the index is below the number of slots.
        unsafe { self.slots.get().add(i & self.mask.get()) }
    }

    #[inline(always)]
    pub(super) fn push(&self, value: NonNull<T>) {
        if self.len() > self.mask.get() {
            self.grow();
        }
        let end = self.end.get();
        // SAFETY: the slot is the ring's, and this thread's.
        unsafe { self.slot(end).write(value.as_ptr()) };
        self.end.set(end.wrapping_add(1));
    }

    #[inline(always)]
    pub(super) fn pop(&self) -> Option<NonNull<T>> {
        let first = self.first.get();
        if first == self.end.get() {
            return None;
        }
        self.first.set(first.wrapping_add(1));
        // SAFETY: the slot is the ring's, and this thread's; `allocate` wrote it first.
        let value = unsafe { self.slot(first).read() };
        // SAFETY: between `first` and `end` every slot is filled.
        Some(unsafe { NonNull::new_unchecked(value) })
    }

    #[cold]
    #[inline(never)]
    fn grow(&self) {
        self.resize((self.mask.get() + 1) * 2);
    }

    /// Makes the ring as small as its content allows, but not smaller than `least` slots, a power of two.
    #[cold]
    pub(super) fn shrink(&self, least: usize) {
        let slots = self.len().next_power_of_two().max(least);
        if slots <= self.mask.get() {
            self.resize(slots);
        }
    }

    /// Moves to `to` slots, a power of two and enough for what is in the ring.
    fn resize(&self, to: usize) {
        let (len, slots) = (self.len(), self.mask.get() + 1);
        let next = allocate(self.pages, to);
        let mask = to - 1;
        for i in 0..len {
            let at = self.first.get().wrapping_add(i);
            // SAFETY: the slot is the ring's and this thread's, and filled: `i` is below the length.
            let value = unsafe { self.slot(at).read() };
            // SAFETY: masked, the index is below the number of new slots.
            let slot = unsafe { next.add(at & mask) };
            // SAFETY: inside the new slots, which nobody else knows.
            unsafe { slot.write(value) };
        }
        let old = self.slots.replace(next);
        self.mask.set(mask);
        // SAFETY: `old` has that many slots and is not the ring's any more.
        unsafe { release(self.pages, old, slots) };
    }
}

/// Where so many slots come from: a large ring from where chunks do, so that it can go back to the system.
fn source<T>(pages: Pages, slots: usize) -> (Pages, Layout) {
    let Ok(layout) = Layout::array::<*mut T>(slots) else { panic!("the run queue is too long") };
    match layout.align_to(CHUNK_BYTES) {
        Ok(chunks) if layout.size() >= CHUNK_BYTES => (pages, chunks),
        _ => (Pages::HEAP, layout),
    }
}

/// So many slots, all null.
fn allocate<T>(pages: Pages, slots: usize) -> NonNull<*mut T> {
    let (pages, layout) = source::<T>(pages, slots);
    pages.map(layout).unwrap_or_else(|| handle_alloc_error(layout)).cast()
}

/// # Safety
/// `slots` came from `allocate(pages, len)` and is given up.
unsafe fn release<T>(pages: Pages, slots: NonNull<*mut T>, len: usize) {
    let (pages, layout) = source::<T>(pages, len);
    // SAFETY: the caller's promise.
    unsafe { pages.unmap(slots.cast(), layout) };
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with as many slots, and this is the ring's end.
        unsafe { release(self.pages, self.slots.get(), self.mask.get() + 1) };
    }
}

#[cfg(all(test, not(ouzel_loom)))]
mod tests {
    use super::Ring;
    use crate::slab::Pages;
    use core::ptr::NonNull;
    use std::collections::VecDeque;

    #[test]
    fn it_keeps_the_order_while_it_grows_and_wraps_and_shrinks() {
        let things: [u8; 64] = [0; 64];
        let (ring, mut model) = (Ring::new(2, Pages::HEAP), VecDeque::new());
        let mut random = 1u32;
        for _ in 0..10_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if random >> 31 == 0 && model.len() < 64 {
                let thing = NonNull::from(&things[(random >> 8) as usize % 64]);
                ring.push(thing);
                model.push_back(thing);
            } else {
                assert_eq!(ring.pop(), model.pop_front());
            }
            assert_eq!(ring.len(), model.len());
            if random.is_multiple_of(100) {
                ring.shrink(2);
            }
        }
    }
}
