//! The run queue of one thread: a ring of pointers that grows when it is full and never shrinks.
//!
//! `VecDeque` would do; it spends 12 instructions more per task on lengths that are not powers of two.

use alloc::boxed::Box;
use alloc::vec;
use core::cell::Cell;
use core::ptr::{self, NonNull};

/// See the module. Slots `first` to `end` are filled; both count on and wrap by the mask.
pub(super) struct Ring<T> {
    slots: Cell<NonNull<*mut T>>,
    mask: Cell<usize>,
    first: Cell<usize>,
    end: Cell<usize>,
}

impl<T> Ring<T> {
    /// A ring for `slots` pointers, a power of two, before it has to grow.
    pub(super) fn new(slots: usize) -> Self {
        assert!(slots.is_power_of_two());
        Ring {
            slots: Cell::new(allocate(slots)),
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
        let (len, slots) = (self.len(), self.mask.get() + 1);
        let next = allocate(slots * 2);
        let mask = slots * 2 - 1;
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
        unsafe { release(old, slots) };
    }
}

fn allocate<T>(slots: usize) -> NonNull<*mut T> {
    let slots: Box<[*mut T]> = vec![ptr::null_mut(); slots].into_boxed_slice();
    NonNull::from(Box::leak(slots)).cast()
}

/// # Safety
/// `slots` came from `allocate(len)` and is given up.
unsafe fn release<T>(slots: NonNull<*mut T>, len: usize) {
    let slots = ptr::slice_from_raw_parts_mut(slots.as_ptr(), len);
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(slots) });
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with as many slots, and this is the ring's end.
        unsafe { release(self.slots.get(), self.mask.get() + 1) };
    }
}

#[cfg(all(test, not(ouzel_loom)))]
mod tests {
    use super::Ring;
    use core::ptr::NonNull;
    use std::collections::VecDeque;

    #[test]
    fn it_keeps_the_order_while_it_grows_and_wraps() {
        let things: [u8; 64] = [0; 64];
        let (ring, mut model) = (Ring::new(2), VecDeque::new());
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
        }
    }
}
