//! The operation slot: where one operation lives from submission until its result is fetched.
//!
//! | part                         | written by                      | read by                        |
//! |------------------------------|---------------------------------|--------------------------------|
//! | `word`                       | both                            | both                           |
//! | `result`                     | owner, before DONE              | holder, after DONE; the freer  |
//! | `waker`                      | both (see [`WakerCell`])        | both                           |
//! | `link`                       | who pushes the slot on a stack  | owner, after taking that stack |
//! | `payload`, `scratch`         | owner at submission, the driver | whoever takes or drops it      |
//! | `multi`                      | see `multi`                     |                                |
//! | `generation` and what is below | owner                         | owner                          |
//!
//! Slots are never returned to the allocator while their slab or a holder is alive, and never change
//! their type: a pointer to one stays good, its generation says whether it is still the same operation.

use core::cell::Cell;
use core::ptr;
use core::task::Waker;

use super::multi::Multi;
use super::payload::Payload;
use super::word::Word;
use super::{Completion, OpKey, Request, Scratch};
use crate::sync::{AtomicWaker, UnsafeCell};
use crate::timer::TimerNode;

/// See the module.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) word: Word,
    pub(super) result: UnsafeCell<Completion>,
    pub(super) link: UnsafeCell<*mut Slot>,
    pub(super) waker: WakerCell,
    pub(super) generation: Cell<u32>,
    index: u32,
    /// Owner: next on the list of cancellations that the owner's own thread asked for.
    pub(super) pending_next: Cell<*const Slot>,
    /// Owner: the operation that list means; the slot may have been freed and used again since.
    pub(super) pending_generation: Cell<u32>,
    pub(super) is_pending: Cell<bool>,
    /// Owner: between allocation and reclaim.
    pub(super) is_live: Cell<bool>,
    pub(super) is_multi: Cell<bool>,
    pub(super) timer: TimerNode<OpKey>,
    pub(super) request: Cell<Request>,
    pub(super) payload: Payload,
    pub(super) multi: Multi,
    pub(super) scratch: UnsafeCell<Scratch>,
}

#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
const _: () = assert!(size_of::<Slot>() <= 448, "an idle connection keeps one slot per pending operation");

impl Slot {
    pub(super) fn new(local: bool, index: u32) -> Self {
        Slot {
            word: Word::new(local),
            result: UnsafeCell::new(Completion::default()),
            link: UnsafeCell::new(ptr::null_mut()),
            waker: WakerCell::new(),
            generation: Cell::new(1),
            index,
            pending_next: Cell::new(ptr::null()),
            pending_generation: Cell::new(0),
            is_pending: Cell::new(false),
            is_live: Cell::new(false),
            is_multi: Cell::new(false),
            timer: TimerNode::new(OpKey(0)),
            request: Cell::new(Request::Nop),
            payload: Payload::new(),
            multi: Multi::new(),
            scratch: UnsafeCell::new(Scratch([0; 18])),
        }
    }

    /// The name of the operation that the slot holds now.
    #[inline]
    pub(super) fn key(&self) -> OpKey {
        key(self.index, self.generation.get())
    }

    /// Owner: ends the present generation, so that late completions of it are recognised.
    ///
    /// 31 bits, zero left out: a completion would have to be late by two thousand million operations of
    /// the same slot to be mistaken.
    pub(super) fn next_generation(&self) {
        let next = (self.generation.get() + 1) & (u32::MAX >> 1);
        self.generation.set(if next == 0 { 1 } else { next });
    }
}

fn key(index: u32, generation: u32) -> OpKey {
    OpKey((u64::from(generation) << 32) | u64::from(index))
}

impl OpKey {
    /// The slot's number in its slab.
    #[inline]
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    /// Which of the slot's operations this is. Never zero, and below 2^31.
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// The holder's waker: an [`AtomicWaker`], or in a local slab a plain cell that one thread uses.
///
/// The owner takes it after DONE, so a holder that finds DONE at its first look leaves the waker to the
/// owner. If it registered after the owner's take it must take it back itself, or a free slot keeps a
/// task alive.
#[derive(Debug)]
pub(super) struct WakerCell {
    shared: AtomicWaker,
    local: UnsafeCell<Option<Waker>>,
}

impl WakerCell {
    fn new() -> Self {
        WakerCell { shared: AtomicWaker::new(), local: UnsafeCell::new(None) }
    }

    /// Holder: leaves a clone of `waker`. Drops the one that was there.
    ///
    /// # Safety
    /// `local` is the slab's flavour, and if set this is the owner's thread.
    #[inline]
    pub(super) unsafe fn register(&self, waker: &Waker, local: bool) {
        if !local {
            return self.shared.register(waker);
        }
        // SAFETY: one thread uses the cell; `will_wake` compares, it runs no code of the waker's.
        let same = self.local.with(|p| unsafe { &*p }.as_ref().is_some_and(|w| w.will_wake(waker)));
        if !same {
            let new = Some(waker.clone());
            // SAFETY: one thread uses the cell, and nothing of the waker's runs inside.
            let old = self.local.with_mut(|p| unsafe { p.replace(new) });
            drop(old);
        }
    }

    /// Takes out the waker, if there is one.
    ///
    /// # Safety
    /// As for `register`.
    #[inline]
    pub(super) unsafe fn take(&self, local: bool) -> Option<Waker> {
        if !local {
            return self.shared.take();
        }
        // SAFETY: one thread uses the cell.
        self.local.with_mut(|p| unsafe { p.replace(None) })
    }
}
