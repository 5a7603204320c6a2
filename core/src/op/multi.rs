//! The completions of a multishot operation on their way from owner to holder.
//!
//! A ring of a few entries, one producer (owner) and one consumer (holder). Most slots never need one, so it is
//! allocated for a slot's first multishot operation and stays with the slot. What does not fit goes to a list on the heap that is the owner's until DONE hands it to the holder. The list is
//! *sticky*: once one completion is in it, all later ones follow, or their order would be lost. The
//! operation is cancelled at that moment, so the list holds what arrives until the cancel lands.
//!
//! The holder looks at DONE **first**, then empties the ring, then, if DONE was seen, the list: what the
//! owner pushed before DONE cannot be missed that way.
//!
//! Prior work: the ring is Lamport's (1983).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::cell::OnceCell;

use super::Completion;
use crate::config::MULTI_RING;
use crate::memory;
use crate::sync::{AtomicU32, Ordering, UnsafeCell};

const MASK: u32 = MULTI_RING as u32 - 1;
const _: () = assert!(MULTI_RING.is_power_of_two());

type Ring = [UnsafeCell<Completion>; MULTI_RING];

/// See the module.
#[derive(Debug)]
pub(super) struct Multi {
    /// Written by the holder.
    head: AtomicU32,
    /// Written by the owner.
    tail: AtomicU32,
    /// Made by the owner before there is a holder, and never changed.
    ring: OnceCell<Box<Ring>>,
    /// The owner's until DONE, then the holder's, then the owner's again with the freed slot.
    overflow: UnsafeCell<VecDeque<Completion>>,
    /// Owner only: `overflow` has been used in this operation.
    sticky: core::cell::Cell<bool>,
}

/// What became of a pushed completion.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterPush {
    /// The holder can see it.
    Queued,
    /// It is the first that did not fit: cancel the operation.
    Overflowed,
    /// It follows the first that did not fit.
    Behind,
}

impl Multi {
    pub(super) fn new() -> Self {
        Multi {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            ring: OnceCell::new(),
            overflow: UnsafeCell::new(VecDeque::new()),
            sticky: core::cell::Cell::new(false),
        }
    }

    /// Owner: a new multishot operation begins, and has no holder yet; the queue is empty already. False: there is no memory
    /// for its ring.
    #[must_use]
    pub(super) fn begin(&self) -> bool {
        self.sticky.set(false);
        if self.ring.get().is_some() {
            return true;
        }
        let ring: Option<Box<Ring>> =
            memory::boxed(core::array::from_fn(|_| UnsafeCell::new(Completion::default())));
        ring.is_some_and(|ring| self.ring.set(ring).is_ok())
    }

    /// Owner, before DONE.
    #[inline]
    pub(super) fn push(&self, c: Completion) -> AfterPush {
        // ORDERING: Relaxed; only the owner writes the tail.
        let tail = self.tail.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release in `pop`: the holder has read the entry we overwrite.
        let head = self.head.load(Ordering::Acquire);
        let first = !self.sticky.get();
        let ring = self.ring.get().filter(|_| first && tail.wrapping_sub(head) <= MASK);
        if let Some(ring) = ring {
            // SAFETY: entry `tail` is outside head..tail, so the holder is not in it.
            ring[(tail & MASK) as usize].with_mut(|p| unsafe { *p = c });
            // ORDERING: Release pairs with the Acquire in `pop`: the entry is written.
            self.tail.store(tail.wrapping_add(1), Ordering::Release);
            return AfterPush::Queued;
        }
        self.push_behind(c)
    }

    /// The same for what does not fit into the ring, or follows such a one.
    #[cold]
    fn push_behind(&self, c: Completion) -> AfterPush {
        let first = !self.sticky.get();
        self.sticky.set(true);
        // SAFETY: DONE is not set, so the list is the owner's.
        self.overflow.with_mut(|p| unsafe { &mut *p }.push_back(c));
        if first { AfterPush::Overflowed } else { AfterPush::Behind }
    }

    /// Holder: the oldest completion in the ring.
    #[inline]
    pub(super) fn pop(&self) -> Option<Completion> {
        // ORDERING: Relaxed; only the holder writes the head (an earlier holder's store came with the handle).
        let head = self.head.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release in `push`: the entry is written.
        let tail = self.tail.load(Ordering::Acquire);
        if head == tail {
            return None;
        }
        let ring = self.ring.get()?;
        // SAFETY: entry `head` is inside head..tail, so the owner is not in it.
        let c = ring[(head & MASK) as usize].with(|p| unsafe { *p });
        // ORDERING: Release pairs with the Acquire in `push`: we have read the entry.
        self.head.store(head.wrapping_add(1), Ordering::Release);
        Some(c)
    }

    /// Holder: whether there is none in the ring.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed, both: nothing is read on the strength of it; a push that it misses after a registration
        // has the waker to find, by the cell's own ordering.
        self.head.load(Ordering::Relaxed) == self.tail.load(Ordering::Relaxed)
    }

    /// The oldest completion of the list, once the ring is empty.
    ///
    /// # Safety
    /// The caller is the holder and has seen DONE, or the owner of a freed slot.
    pub(super) unsafe fn pop_overflow(&self) -> Option<Completion> {
        // SAFETY: after DONE the owner leaves the list alone, and the caller is the only one left.
        self.overflow.with_mut(|p| unsafe { &mut *p }.pop_front())
    }

    /// Whether completions are left in a freed slot.
    ///
    /// # Safety
    /// The caller is the owner of a freed slot.
    pub(super) unsafe fn is_soiled(&self) -> bool {
        // ORDERING: Relaxed, both: the holder's last store came with the freed slot.
        if self.head.load(Ordering::Relaxed) != self.tail.load(Ordering::Relaxed) {
            return true;
        }
        // SAFETY: the caller is the only one left.
        self.overflow.with(|p| !unsafe { &*p }.is_empty())
    }
}
