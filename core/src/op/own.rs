//! The owner's lists: free slots, slots with something left in them, cancellations of its own.
//!
//! One thread uses all this, through `&self`: nothing here is borrowed while foreign code runs, so a
//! handle may be dropped, and an operation submitted, inside a wake that a completion called.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::slot::Slot;
use super::{Completion, Request};
use crate::config::OP_CHUNK_SLOTS;
use crate::sync::UnsafeCell;

/// Touched by the owner's thread only; by whoever frees the memory at the very end.
pub(super) struct Own {
    pub(super) free: Cell<*const Slot>,
    /// Free but for completions that nobody fetched (see `take_unclaimed`).
    soiled: Cell<*const Slot>,
    /// Cancellations asked for on this thread.
    pending: Cell<*const Slot>,
    /// Slots between allocation and reclaim.
    pub(super) out: Cell<usize>,
    /// Slots whose operation is in flight.
    pub(super) undone: Cell<usize>,
    pub(super) closing: Cell<bool>,
    /// Slots that have been initialised, over all chunks.
    pub(super) used: Cell<u32>,
    chunks: UnsafeCell<Vec<NonNull<Slot>>>,
}

fn chunk_layout() -> Layout {
    // A constant size well below the limit: the error cannot happen.
    Layout::array::<Slot>(OP_CHUNK_SLOTS).unwrap_or(Layout::new::<Slot>())
}

/// Takes the first slot off an owner's list.
fn pop<'a>(list: &Cell<*const Slot>, next: impl FnOnce(&'a Slot) -> *const Slot) -> Option<&'a Slot> {
    // SAFETY: the owner's lists hold slots of its own memory.
    let slot = unsafe { list.get().as_ref() }?;
    list.set(next(slot));
    Some(slot)
}

fn link_of(slot: &Slot) -> *const Slot {
    // SAFETY: the slot is free and on a list of the owner's, who alone uses its link.
    slot.link.with(|p| unsafe { *p })
}

fn push_own(list: &Cell<*const Slot>, slot: &Slot) {
    // SAFETY: the slot is free, so its link is the owner's.
    slot.link.with_mut(|p| unsafe { *p = list.get().cast_mut() });
    list.set(slot);
}

/// Whether an unread completion names something that has to be given back.
pub(super) fn names_resource(request: &Request, c: Completion) -> bool {
    let opens =
        matches!(request, Request::Accept { .. } | Request::AcceptMulti { .. } | Request::OpenAt { .. });
    c.buffer().is_some() || (opens && c.res >= 0)
}

impl Own {
    pub(super) fn new() -> Self {
        Own {
            free: Cell::new(ptr::null()),
            soiled: Cell::new(ptr::null()),
            pending: Cell::new(ptr::null()),
            out: Cell::new(0),
            undone: Cell::new(0),
            closing: Cell::new(false),
            used: Cell::new(0),
            chunks: UnsafeCell::new(Vec::new()),
        }
    }

    /// A slot for a new operation: one that was used before if there is one.
    #[inline]
    pub(super) fn alloc(&self, local: bool) -> Option<&Slot> {
        let slot = match pop(&self.free, link_of) {
            Some(slot) => slot,
            None => self.fresh(local)?,
        };
        slot.word.reset();
        slot.is_live.set(true);
        self.out.set(self.out.get() + 1);
        self.undone.set(self.undone.get() + 1);
        Some(slot)
    }

    /// A slot that was never used.
    #[cold]
    fn fresh(&self, local: bool) -> Option<&Slot> {
        let index = self.used.get();
        if index as usize == self.capacity() {
            self.grow()?;
        }
        let place = self.place(index);
        // SAFETY: within a chunk, and not initialised yet.
        unsafe { place.write(Slot::new(local, index)) };
        self.used.set(index.checked_add(1)?);
        // SAFETY: initialised in the line above.
        Some(unsafe { place.as_ref() })
    }

    /// Makes room for `n` slots that were never used. False: out of memory.
    pub(super) fn reserve(&self, n: usize) -> bool {
        while self.capacity() - (self.used.get() as usize) < n {
            if self.grow().is_none() {
                return false;
            }
        }
        true
    }

    fn capacity(&self) -> usize {
        // SAFETY: the owner is the only user of the list.
        self.chunks.with(|p| unsafe { &*p }.len()) * OP_CHUNK_SLOTS
    }

    fn grow(&self) -> Option<()> {
        // SAFETY: the owner is the only user of the list.
        self.chunks.with_mut(|p| unsafe { &mut *p }.try_reserve(1)).ok()?;
        // SAFETY: a slot is not of size zero.
        let chunk = NonNull::new(unsafe { alloc::alloc::alloc(chunk_layout()) })?.cast::<Slot>();
        // SAFETY: as above; there is room.
        self.chunks.with_mut(|p| unsafe { &mut *p }.push(chunk));
        Some(())
    }

    #[inline]
    fn place(&self, index: u32) -> NonNull<Slot> {
        let index = index as usize;
        // SAFETY: the owner is the only user of the list.
        let chunk = self.chunks.with(|p| unsafe { &*p }[index / OP_CHUNK_SLOTS]);
        // SAFETY: within the chunk.
        unsafe { chunk.add(index % OP_CHUNK_SLOTS) }
    }

    /// The slot with this number, in use or not.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> Option<&Slot> {
        // SAFETY: below `used`, so it is initialised, and slots stay while the slab does.
        (index < self.used.get()).then(|| unsafe { self.place(index).as_ref() })
    }

    /// Puts a slot that nobody uses on a list, and ends its generation.
    #[inline]
    pub(super) fn reclaim(&self, slot: &Slot) {
        debug_assert!(slot.is_live.get(), "freed twice");
        slot.is_live.set(false);
        slot.next_generation();
        self.out.set(self.out.get() - 1);
        // SAFETY: the slot came back to the owner.
        let result = slot.result.with(|p| unsafe { *p });
        let unread = slot.word.result_unread() && names_resource(&slot.request.get(), result);
        // SAFETY: the slot came back to the owner.
        let soiled = unread || (slot.is_multi.get() && unsafe { slot.multi.is_soiled() });
        push_own(if soiled { &self.soiled } else { &self.free }, slot);
    }

    /// Hands out the completions that nobody fetched, and frees their slots.
    pub(super) fn take_unclaimed(&self, sink: &mut dyn FnMut(&Request, Completion)) {
        while let Some(slot) = pop(&self.soiled, link_of) {
            let request = slot.request.get();
            while let Some(c) = slot.multi.pop() {
                sink(&request, c);
            }
            // SAFETY: the slot came back to the owner.
            while let Some(c) = unsafe { slot.multi.pop_overflow() } {
                sink(&request, c);
            }
            if slot.word.result_unread() {
                // SAFETY: the slot is the owner's.
                let c = slot.result.with(|p| unsafe { *p });
                if names_resource(&request, c) {
                    sink(&request, c);
                }
            }
            push_own(&self.free, slot);
        }
    }

    /// Asks, on the owner's thread, for cancellation at the next `take_cancels`.
    pub(super) fn queue_cancel(&self, slot: &Slot) {
        slot.pending_generation.set(slot.generation.get());
        if !slot.is_pending.replace(true) {
            slot.pending_next.set(self.pending.get());
            self.pending.set(slot);
        }
    }

    /// Whether there is a cancellation of this thread's, or a slot with something left in it.
    pub(super) fn has_chores(&self) -> bool {
        !self.pending.get().is_null() || !self.soiled.get().is_null()
    }

    /// The next operation in flight that this thread wants cancelled.
    pub(super) fn pop_pending(&self) -> Option<&Slot> {
        while let Some(slot) = pop(&self.pending, |s| s.pending_next.get()) {
            slot.is_pending.set(false);
            let same = slot.pending_generation.get() == slot.generation.get();
            if same && slot.is_live.get() && !slot.word.owner_is_done() {
                return Some(slot);
            }
        }
        None
    }

    /// Gives the chunks back to the allocator.
    ///
    /// # Safety
    /// Nobody knows a slot of theirs any more.
    pub(super) unsafe fn destroy(&self) {
        let mut left = self.used.get() as usize;
        // SAFETY: the caller is the only one left.
        let chunks = self.chunks.with_mut(|p| core::mem::take(unsafe { &mut *p }));
        for chunk in chunks {
            for i in 0..left.min(OP_CHUNK_SLOTS) {
                // SAFETY: within the chunk.
                let slot = unsafe { chunk.add(i) };
                // SAFETY: initialised, and dropped below.
                let cells = unsafe { slot.as_ref() };
                // Shows loom the free: whoever still used these would be reported.
                cells.link.with_mut(|_| ());
                cells.result.with_mut(|_| ());
                // SAFETY: initialised, and nobody else knows it.
                unsafe { slot.drop_in_place() };
            }
            left = left.saturating_sub(OP_CHUNK_SLOTS);
            // SAFETY: allocated by `grow` with this layout.
            unsafe { alloc::alloc::dealloc(chunk.as_ptr().cast(), chunk_layout()) };
        }
    }
}
