//! The run queue of a thread that nobody steals from: a ring of pointers that grows when it is full and shrinks
//! when it is told to.
//!
//! `VecDeque` would do; it spends 12 instructions more per task on lengths that are not powers of two. And where first
//! and end are numbers, counted on for ever and masked, a push and a pop take 24 in place of 12.

use alloc::alloc::handle_alloc_error;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use crate::config::{CHUNK_BYTES, LARGE_RING};
use crate::pages::Pages;

/// See the module. What is filled lies between `first` and `end`; *wrapped*, from `first` to the last slot and from the
/// first one to `end`.
///
/// Nothing but comparisons of pointers stands before a push or a pop: a push goes as far as `room`, which may be too near
/// and never too far; a pop as far as `end` or `stop`, which are equal to `first` before anything else is wrong. (A bound of
/// pops that is looked up when it is reached saves one comparison in a long queue; in one of a single task it is reached each time,
/// which took 7 instructions more.)
pub(crate) struct GrowingRing<T> {
    first: Cell<Slot<T>>,
    end: Cell<Slot<T>>,
    /// No pop goes further, nor beyond the last slot.
    stop: Cell<Slot<T>>,
    room: Cell<Slot<T>>,
    wrapped: Cell<bool>,
    /// Pops allowed after those before `stop`.
    allowed: Cell<usize>,
    /// What was popped before the first slot was filled for the last time.
    popped: Cell<usize>,
    slots: Cell<NonNull<*mut T>>,
    len: Cell<usize>,
    pages: Pages,
}

type Slot<T> = *mut *mut T;

/// How many slots lie from `from` to `to`, not before it.
#[inline(always)]
fn between<T>(from: Slot<T>, to: Slot<T>) -> usize {
    (to.addr() - from.addr()) / size_of::<*mut T>()
}

impl<T> GrowingRing<T> {
    /// A ring for `slots` pointers, a power of two, before it has to grow.
    pub(crate) fn new(slots: usize, pages: Pages) -> Self {
        assert!(slots.is_power_of_two());
        let begin = allocate(pages, slots).unwrap_or_else(|e| handle_alloc_error(e));
        let ring = GrowingRing {
            first: Cell::new(begin.as_ptr()),
            end: Cell::new(begin.as_ptr()),
            room: Cell::new(begin.as_ptr()),
            wrapped: Cell::new(false),
            stop: Cell::new(begin.as_ptr()),
            allowed: Cell::new(usize::MAX),
            popped: Cell::new(0),
            slots: Cell::new(begin),
            len: Cell::new(slots),
            pages,
        };
        ring.room.set(ring.limit());
        ring.allow(usize::MAX);
        ring
    }

    fn begin(&self) -> Slot<T> {
        self.slots.get().as_ptr()
    }

    /// Behind the last slot.
    fn limit(&self) -> Slot<T> {
        self.begin().wrapping_add(self.len.get())
    }

    /// Pops so far.
    #[inline]
    pub(crate) fn popped(&self) -> usize {
        self.popped.get().wrapping_add(between(self.begin(), self.first.get()))
    }

    /// Pushes so far.
    pub(crate) fn pushed(&self) -> usize {
        self.popped().wrapping_add(self.len())
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        if self.wrapped.get() {
            between(self.first.get(), self.limit()) + between(self.begin(), self.end.get())
        } else {
            between(self.first.get(), self.end.get())
        }
    }

    /// From here on so many pops find something, at the most. (A new ring allows any number.)
    pub(crate) fn allow(&self, pops: usize) {
        let first = self.first.get();
        let here = pops.min(between(first, self.limit()));
        self.stop.set(first.wrapping_add(here));
        self.allowed.set(if pops == usize::MAX { pops } else { pops - here });
    }

    /// Appends `value` if there is room; else gives it back, for `push`.
    #[inline(always)]
    #[must_use]
    pub(crate) fn push_if_room(&self, value: NonNull<T>) -> Option<NonNull<T>> {
        let end = self.end.get();
        if end == self.room.get() {
            return Some(value);
        }
        // SAFETY: before `room` there is a slot, which is not filled, and this thread's.
        unsafe { end.write(value.as_ptr()) };
        self.end.set(end.wrapping_add(1));
        None
    }

    /// Appends `value`. Grows if there is no room, and aborts if it cannot.
    #[inline(always)]
    pub(crate) fn push(&self, value: NonNull<T>) {
        if let Some(value) = self.push_if_room(value) {
            self.push_further_or_abort(value);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_further_or_abort(&self, value: NonNull<T>) {
        self.push_further(value).unwrap_or_else(|(_, e)| handle_alloc_error(e));
    }

    /// Looks for room further on, grows if there is none, and appends `value`, which was refused.
    ///
    /// # Errors
    /// Memory has run out for this layout; the value back.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_further(&self, value: NonNull<T>) -> Result<(), (NonNull<T>, Layout)> {
        if self.wrapped.get() {
            self.room.set(self.first.get());
        } else if self.first.get() != self.begin() {
            self.wrapped.set(true);
            self.end.set(self.begin());
            self.room.set(self.first.get());
        }
        let Some(value) = self.push_if_room(value) else { return Ok(()) };
        if let Err(e) = self.resize(self.len.get() * 2) {
            return Err((value, e));
        }
        let left = self.push_if_room(value);
        debug_assert!(left.is_none(), "a ring twice as long has room");
        Ok(())
    }

    /// Takes the oldest, if a pop is allowed.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        let first = self.first.get();
        if first == self.end.get() || first == self.stop.get() {
            return self.pop_further();
        }
        Some(self.pop_at(first))
    }

    /// Takes what is at `first`, which is filled.
    #[inline(always)]
    fn pop_at(&self, first: Slot<T>) -> NonNull<T> {
        self.first.set(first.wrapping_add(1));
        // SAFETY: from `first` on every slot is filled up to `end` or, wrapped, to the last one, and this thread's.
        let value = unsafe { first.read() };
        // SAFETY: as above, by a push.
        unsafe { NonNull::new_unchecked(value) }
    }

    #[cold]
    #[inline(never)]
    fn pop_further(&self) -> Option<NonNull<T>> {
        if self.first.get() == self.limit() {
            // Not wrapped, all is popped; wrapped, the rest lies from the first slot on.
            self.popped.set(self.popped());
            self.first.set(self.begin());
            if !self.wrapped.replace(false) {
                self.end.set(self.begin());
            }
            self.room.set(self.limit());
            self.allow(self.allowed.get());
        }
        let first = self.first.get();
        // Wrapped and full, `end` is at `first`.
        let empty = first == self.end.get() && !self.wrapped.get();
        (!empty && first != self.stop.get()).then(|| self.pop_at(first))
    }

    /// Makes the ring as small as its content allows, but not smaller than `least` slots, a power of two.
    #[cold]
    pub(crate) fn shrink(&self, least: usize) {
        let slots = self.len().next_power_of_two().max(least);
        if slots < self.len.get() {
            // Without memory for a smaller one it stays as it is.
            let _ = self.resize(slots);
        }
    }

    /// Moves to `to` slots, a power of two and enough for what is in the ring.
    fn resize(&self, to: usize) -> Result<(), Layout> {
        let (filled, popped) = (self.len(), self.popped());
        let next = allocate::<T>(self.pages, to)?;
        let head = if self.wrapped.get() { between(self.first.get(), self.limit()) } else { filled };
        let begin = next.as_ptr();
        // SAFETY: the slots from `first` on are filled, and the new ones are others, which nobody else knows.
        unsafe { begin.copy_from_nonoverlapping(self.first.get(), head) };
        // SAFETY: as above, of those from the first slot on, none if it is not wrapped.
        unsafe { begin.wrapping_add(head).copy_from_nonoverlapping(self.begin(), filled - head) };
        let allowed = self.allowed.get().saturating_add(between(self.first.get(), self.stop.get()));
        let (old, slots) = (self.slots.replace(next), self.len.replace(to));
        self.popped.set(popped);
        self.wrapped.set(false);
        self.first.set(begin);
        self.allow(allowed);
        self.end.set(begin.wrapping_add(filled));
        self.room.set(self.limit());
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
        unsafe { release(self.pages, self.slots.get(), self.len.get()) };
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
        let (mut pushed, mut popped, mut allowed) = (0, 0, usize::MAX);
        let mut random = 1u32;
        for _ in 0..10_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if random >> 31 == 0 && model.len() < 64 {
                let thing = NonNull::from(&things[(random >> 8) as usize % 64]);
                ring.push(thing);
                model.push_back(thing);
                pushed += 1;
            } else if allowed == 0 {
                assert_eq!(ring.pop(), None);
            } else {
                let next = model.pop_front();
                (popped, allowed) =
                    (popped + usize::from(next.is_some()), allowed - usize::from(next.is_some()));
                assert_eq!(ring.pop(), next);
            }
            assert_eq!((ring.len(), ring.pushed(), ring.popped()), (model.len(), pushed, popped));
            if random.is_multiple_of(100) {
                ring.shrink(2);
            }
            if random.is_multiple_of(31) {
                allowed = (random >> 16) as usize % 99;
                ring.allow(allowed);
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
            let (back, layout) = ring.push_further(NonNull::from(&more)).unwrap_err();
            assert_eq!((back, layout.size()), (NonNull::from(&more), LARGE_RING));
            assert_eq!(ring.len(), longest);
        }
        assert!(things.iter().all(|thing| ring.pop() == Some(NonNull::from(thing))));
        assert_eq!(ring.pop(), None);
    }
}
