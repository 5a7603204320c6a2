//! The slot's word: four bits that decide who reads the result, who cancels and who frees the slot.
//!
//! | bit    | set by | meaning                                                                |
//! |--------|--------|------------------------------------------------------------------------|
//! | DONE   | owner  | the last result is written; the driver knows the operation no longer   |
//! | GONE   | holder | the holder has let go                                                  |
//! | TAKEN  | holder | the payload has been moved out; set together with GONE                 |
//! | LINKED | holder | on the owner's cancel stack, or about to be pushed; cleared by the pop |
//!
//! **Whoever's transition leaves DONE and GONE set and LINKED clear frees the slot**, nobody else.
//! Holder: the [`OpHandle`](super::OpHandle), one at a time, on any thread. Owner: the thread of the
//! [`OpSlab`](super::OpSlab).
//!
//! A *local* word belongs to one thread: every transition is a load and a store. LINKED never shows
//! in it, because a holder on another thread hands the whole slot over (see `handle`).

use crate::sync::{AtomicU32, Ordering};

const DONE: u32 = 1;
const GONE: u32 = 2;
const TAKEN: u32 = 4;
const LINKED: u32 = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Word {
    bits: AtomicU32,
    local: bool,
}

/// What the owner owes after the last completion.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterFinish {
    /// The holder will come for the result: take its waker out and wake it.
    Wake,
    /// Nobody will: drop the payload and free the slot.
    Free,
    /// Nobody will, but the slot is on the cancel stack: the pop frees it.
    Leave,
}

/// What a holder owes after it let go.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLetGo {
    /// The operation was over: drop the payload (unless it was taken) and free the slot.
    Free,
    /// The owner frees the slot, and knows that it has to.
    Leave,
    /// The operation is in flight: ask the owner to cancel it.
    Cancel,
}

/// What the owner owes to a slot that it popped from the cancel stack.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterPop {
    /// In flight: ask the driver to cancel it.
    Cancel,
    /// Over, and the holder has let go meanwhile: free it, and the payload first unless it was taken.
    Free,
    /// Over; the holder will come for the result.
    Leave,
}

impl Word {
    pub(super) fn new(local: bool) -> Self {
        Word { bits: AtomicU32::new(0), local }
    }

    /// Whether the word is used by one thread only.
    #[inline]
    pub(super) fn is_local(&self) -> bool {
        self.local
    }

    /// Owner: the slot begins a new operation. No holder exists yet.
    #[inline]
    pub(super) fn reset(&self) {
        // ORDERING: Relaxed; the handle that is made next carries this to other threads, and the last
        // holder's accesses came to us with the slot (free stack, or this thread).
        self.bits.store(0, Ordering::Relaxed);
    }

    /// Holder: whether the result may be read.
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        // ORDERING: Acquire pairs with the Release half of `finish`: the result, and the overflow list.
        self.bits.load(Ordering::Acquire) & DONE != 0
    }

    /// Owner: whether the operation is over. It set DONE itself.
    #[inline]
    pub(super) fn owner_is_done(&self) -> bool {
        // ORDERING: Relaxed; only this thread sets DONE.
        self.bits.load(Ordering::Relaxed) & DONE != 0
    }

    /// Owner: whether the holder has let go. A hint while DONE is clear: it may do so at any time.
    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        // ORDERING: Relaxed; nothing is read or freed on the strength of it.
        self.bits.load(Ordering::Relaxed) & GONE != 0
    }

    /// Owner, of a slot that is free or of which it is the only user: whether the result was read.
    #[inline]
    pub(super) fn result_unread(&self) -> bool {
        // ORDERING: Relaxed; the slot came to us by an Acquire of the free stack.
        self.bits.load(Ordering::Relaxed) & (DONE | TAKEN) == DONE
    }

    /// Owner: whether the slot is on the cancel stack or a push is on its way.
    #[inline]
    pub(super) fn is_linked(&self) -> bool {
        // ORDERING: Relaxed; asked once DONE is set, after which no holder sets LINKED, so that a zero
        // stays. A push still to come is seen as LINKED by coherence: DONE came after it in the word.
        self.bits.load(Ordering::Relaxed) & LINKED != 0
    }

    #[inline]
    fn set(&self, bits: u32, order: Ordering) -> u32 {
        if self.local {
            // ORDERING: Relaxed; a local word has one thread.
            let before = self.bits.load(Ordering::Relaxed);
            self.bits.store(before | bits, Ordering::Relaxed);
            before
        } else {
            self.bits.fetch_or(bits, order)
        }
    }

    /// Owner: the result is written.
    #[inline]
    pub(super) fn finish(&self) -> AfterFinish {
        // ORDERING: Release pairs with the Acquire of `is_done` (the result). Acquire pairs with the
        // Release of `let_go*`: the holder is out of the waker cell when we free the slot.
        let before = self.set(DONE, Ordering::AcqRel);
        debug_assert!(before & (DONE | TAKEN) == 0, "an operation ends once");
        if before & GONE == 0 {
            AfterFinish::Wake
        } else if before & LINKED == 0 {
            AfterFinish::Free
        } else {
            AfterFinish::Leave
        }
    }

    /// Holder: result and payload are moved out; needs `is_done`.
    #[inline]
    pub(super) fn take(&self) -> AfterLetGo {
        // ORDERING: Release pairs with the Acquire of `popped`: the payload has left when the slot is
        // freed there. The Acquire half is for LINKED, whose pop is the owner's own.
        let before = self.set(GONE | TAKEN, Ordering::AcqRel);
        debug_assert!(before & (DONE | GONE) == DONE, "taken before the end, or twice");
        if before & LINKED == 0 { AfterLetGo::Free } else { AfterLetGo::Leave }
    }

    /// Holder on the owner's thread, or after it has asked for cancellation, or after the end.
    #[inline]
    pub(super) fn let_go(&self) -> AfterLetGo {
        // ORDERING: Release pairs with the Acquire of `finish` and `popped`: the holder's last look at
        // the slot. Acquire pairs with the Release of `finish`, for the one who frees.
        let before = self.set(GONE, Ordering::AcqRel);
        Self::after_let_go(before)
    }

    /// Holder on another thread: GONE, and in the same step LINKED if the operation is in flight.
    ///
    /// In one step, or the completion falls between the two, frees the slot, and the push writes the
    /// link of a slot that is free or another's.
    #[inline]
    pub(super) fn let_go_linked(&self) -> AfterLetGo {
        debug_assert!(!self.local, "a local word seen from another thread");
        // ORDERING: Relaxed; the exchange below decides.
        let mut now = self.bits.load(Ordering::Relaxed);
        loop {
            let next = if now & (DONE | LINKED) == 0 { now | GONE | LINKED } else { now | GONE };
            // ORDERING: as in `let_go`; on failure the value is only compared again.
            match self.bits.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Self::after_let_go(now),
                Err(seen) => now = seen,
            }
        }
    }

    fn after_let_go(before: u32) -> AfterLetGo {
        debug_assert!(before & GONE == 0, "let go twice");
        match before & (DONE | LINKED) {
            0 => AfterLetGo::Cancel,
            DONE => AfterLetGo::Free,
            _ => AfterLetGo::Leave,
        }
    }

    /// Holder on another thread that stays: true if the slot is now to be pushed on the cancel stack.
    #[inline]
    #[must_use]
    pub(super) fn link(&self) -> bool {
        debug_assert!(!self.local, "a local word seen from another thread");
        // ORDERING: Relaxed; the exchange below decides.
        let mut now = self.bits.load(Ordering::Relaxed);
        while now & (DONE | LINKED) == 0 {
            // ORDERING: Release pairs with the Acquire of `popped`, as every step of the holder does; on
            // failure the value is only compared again.
            match self.bits.compare_exchange_weak(now, now | LINKED, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => now = seen,
            }
        }
        false
    }

    /// Owner: popped from the cancel stack, and the link has been read.
    #[inline]
    pub(super) fn popped(&self) -> AfterPop {
        // ORDERING: Acquire pairs with the Release of `take` and `let_go`: the payload as the holder
        // left it, when we free here. Release so that a holder who frees finds the link read.
        let before = self.bits.fetch_and(!LINKED, Ordering::AcqRel);
        debug_assert!(before & LINKED != 0, "popped without having been linked");
        match before & (DONE | GONE) {
            DONE => AfterPop::Leave,
            d if d & DONE == 0 => AfterPop::Cancel,
            _ => AfterPop::Free,
        }
    }

    /// Owner: whether the payload is still in the slot. For slots of which it is the only user.
    #[inline]
    pub(super) fn has_payload(&self) -> bool {
        // ORDERING: Relaxed; `popped` has acquired what the holder wrote.
        self.bits.load(Ordering::Relaxed) & TAKEN == 0
    }
}
