//! The run queue of a thread that nobody steals from: a ring of pointers that grows when it is full and shrinks
//! when it is told to.
//!
//! `VecDeque` would do; it spends 12 instructions more per task on lengths that are not powers of two.

use alloc::alloc::handle_alloc_error;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use crate::config::{CHUNK_BYTES, LARGE_RING};
use crate::pages::Pages;

/// See the module. Slots `first` to `end` are filled; both count on and wrap by the mask.
pub(crate) struct GrowingRing<T> {
    pages: Pages,
    slots: Cell<NonNull<*mut T>>,
    mask: Cell<usize>,
    first: Cell<usize>,
    end: Cell<usize>,
}

impl<T> GrowingRing<T> {
    /// A ring for `slots` pointers, a power of two, before it has to grow.
    pub(crate) fn new(slots: usize, pages: Pages) -> Self {
        assert!(slots.is_power_of_two());
        GrowingRing {
            pages,
            slots: Cell::new(allocate(pages, slots).unwrap_or_else(|e| handle_alloc_error(e))),
            mask: Cell::new(slots - 1),
            first: Cell::new(0),
            end: Cell::new(0),
        }
    }

    /// Pushes so far.
    pub(crate) fn pushed(&self) -> usize {
        self.end.get()
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.end.get().wrapping_sub(self.first.get())
    }

    /// Where element `i` lies.
    #[inline(always)]
    fn slot(&self, i: usize) -> NonNull<*mut T> {
        // SAFETY: masked, the index is below the number of slots.
        unsafe { self.slots.get().add(i & self.mask.get()) }
    }

    /// Appends `value` if there is room; else gives it back, for `push`.
    #[inline(always)]
    #[must_use]
    pub(crate) fn push_if_room(&self, value: NonNull<T>) -> Option<NonNull<T>> {
        if self.len() > self.mask.get() {
            return Some(value);
        }
        let end = self.end.get();
        // SAFETY: the slot is the ring's, and this thread's.
        unsafe { self.slot(end).write(value.as_ptr()) };
        self.end.set(end.wrapping_add(1));
        None
    }

    /// Appends `value`. Grows if there is no room, and aborts if it cannot.
    #[inline(always)]
    pub(crate) fn push(&self, value: NonNull<T>) {
        if let Some(value) = self.push_if_room(value) {
            self.push_grown_or_abort(value);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_grown_or_abort(&self, value: NonNull<T>) {
        self.push_grown(value).unwrap_or_else(|(_, e)| handle_alloc_error(e));
    }

    /// Grows and appends `value`.
    ///
    /// # Errors
    /// Memory has run out for this layout; the value back.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_grown(&self, value: NonNull<T>) -> Result<(), (NonNull<T>, Layout)> {
        if let Err(e) = self.resize((self.mask.get() + 1) * 2) {
            return Err((value, e));
        }
        let left = self.push_if_room(value);
        debug_assert!(left.is_none(), "a ring twice as long has room");
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
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

    /// Makes the ring as small as its content allows, but not smaller than `least` slots, a power of two.
    #[cold]
    pub(crate) fn shrink(&self, least: usize) {
        let slots = self.len().next_power_of_two().max(least);
        if slots <= self.mask.get() {
            // Without memory for a smaller one it stays as it is.
            let _ = self.resize(slots);
        }
    }

    /// Moves to `to` slots, a power of two and enough for what is in the ring.
    fn resize(&self, to: usize) -> Result<(), Layout> {
        let (len, slots) = (self.len(), self.mask.get() + 1);
        let next = allocate(self.pages, to)?;
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
        Ok(())
    }
}

/// Where so many slots come from: a large ring from where chunks do, so that it can go back to the system.
fn source<T>(pages: Pages, slots: usize) -> (Pages, Layout) {
    let Ok(layout) = Layout::array::<*mut T>(slots) else { panic!("the run queue is too long") };
    match layout.align_to(CHUNK_BYTES) {
        Ok(chunks) if layout.size() >= LARGE_RING => (pages, chunks),
        _ => (Pages::HEAP, layout),
    }
}

/// So many slots, all null; the layout if there is no memory for it.
fn allocate<T>(pages: Pages, slots: usize) -> Result<NonNull<*mut T>, Layout> {
    let (pages, layout) = source::<T>(pages, slots);
    pages.map(layout).map(NonNull::cast).ok_or(layout)
}

/// # Safety
/// `slots` came from `allocate(pages, len)` and is given up.
unsafe fn release<T>(pages: Pages, slots: NonNull<*mut T>, len: usize) {
    let (pages, layout) = source::<T>(pages, len);
    // SAFETY: the caller's promise.
    unsafe { pages.unmap(slots.cast(), layout) };
}

impl<T> Drop for GrowingRing<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with as many slots, and this is the ring's end.
        unsafe { release(self.pages, self.slots.get(), self.mask.get() + 1) };
    }
}

#[cfg(all(test, not(ouzel_loom)))]
mod tests {
    use super::GrowingRing;
    use crate::config::LARGE_RING;
    use crate::pages::Pages;
    use core::ptr::{self, NonNull};
    use std::collections::VecDeque;

    #[test]
    fn it_keeps_the_order_while_it_grows_and_wraps_and_shrinks() {
        let things: [u8; 64] = [0; 64];
        let (ring, mut model) = (GrowingRing::new(2, Pages::HEAP), VecDeque::new());
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

    #[test]
    fn without_memory_to_grow_it_gives_the_value_back_and_keeps_the_others() {
        // SAFETY: no memory is given, so none comes back.
        let none = unsafe { Pages::new(|_| ptr::null_mut(), |_, _| unreachable!(), |_, _| false) };
        let longest = LARGE_RING / size_of::<usize>() / 2;
        let (things, more) = (std::vec![0u8; longest], 0u8);
        let ring = GrowingRing::new(2, none);
        // Wrapped, so that a growth would have to move both ends.
        ring.push(NonNull::from(&more));
        assert_eq!(ring.pop(), Some(NonNull::from(&more)));
        things.iter().for_each(|thing| ring.push(NonNull::from(thing)));
        for _ in 0..2 {
            assert_eq!(ring.push_if_room(NonNull::from(&more)), Some(NonNull::from(&more)));
            let (back, layout) = ring.push_grown(NonNull::from(&more)).unwrap_err();
            assert_eq!((back, layout.size()), (NonNull::from(&more), LARGE_RING));
            assert_eq!(ring.len(), longest);
        }
        assert!(things.iter().all(|thing| ring.pop() == Some(NonNull::from(thing))));
        assert_eq!(ring.pop(), None);
    }
}
