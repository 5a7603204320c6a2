//! What slab and handles share: two stacks, the owner's lists, and the count that ends it all.
//!
//! **Closing.** A result may be held past the driver, so the memory outlives the slab: the count starts
//! at [`OWNER`]; closing swaps the free stack to `CLOSED` and adds the slots still out minus `OWNER`; a
//! free that meets `CLOSED` subtracts one. A thread that pushes a cancel holds one as well (*pin*) until
//! it has called `unpark`. Whoever makes the count zero frees the memory.
//!
//! **The owner's thread** is known by its token ([`crate::sync`]); on it a handle uses the owner's lists
//! directly. They are cells that are never borrowed while foreign code runs, so a handle may be dropped
//! inside a wake that [`OpSlab::complete`](super::OpSlab::complete) called. Without `std` there are no
//! tokens and everyone takes the way over the stacks, the owner included.
//!
//! No ABA: both stacks are pushed one by one and taken whole.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ptr::{self, NonNull};

use super::own::Own;
use super::slot::Slot;
use super::word::{AfterLetGo, AfterPop};
use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::sync::{AtomicI64, AtomicPtr, AtomicU64, CachePadded, Ordering, thread_token};

/// The owner's part of the count: more than there can be slots and pins.
const OWNER: i64 = 1 << 48;
/// In place of the owner's token: the slab was dropped with operations in flight.
const ABANDONED: u64 = u64::MAX;

/// On top of a stack: its owner is gone.
fn closed() -> *mut Slot {
    ptr::without_provenance_mut(1)
}

/// See the module.
pub(super) struct Shared {
    /// Slots that holders on other threads have freed; linked by `link`, ends in null.
    freed: AtomicPtr<Slot>,
    /// Slots to be cancelled, LINKED; in a local slab: slots whose handle was dropped on another thread.
    cancels: AtomicPtr<Slot>,
    count: AtomicI64,
    /// Token of the owner's thread; zero before and after, or if there are no tokens.
    owner: AtomicU64,
    pub(super) local: bool,
    park: Arc<ParkWord>,
    unpark: Arc<dyn Unpark>,
    pub(super) own: CachePadded<Own>,
}

impl Shared {
    pub(super) fn new(park: Arc<ParkWord>, unpark: Arc<dyn Unpark>, local: bool) -> Self {
        let token = thread_token();
        Shared {
            freed: AtomicPtr::new(ptr::null_mut()),
            cancels: AtomicPtr::new(ptr::null_mut()),
            count: AtomicI64::new(OWNER),
            owner: AtomicU64::new(token),
            // Without tokens a stranger cannot be told from the owner, so nothing can be plain.
            local: local && token != 0,
            park,
            unpark,
            own: CachePadded(Own::new()),
        }
    }

    /// Whether this is the owner's thread: `own` may be used.
    #[inline]
    pub(super) fn is_owner(&self) -> bool {
        let me = thread_token();
        // ORDERING: Relaxed; only the thread with token `me` ever stores `me` or replaces it, so whoever
        // reads its own token reads its own last store.
        me != 0 && self.owner.load(Ordering::Relaxed) == me
    }

    /// Whether operations were left in flight for ever.
    pub(super) fn is_abandoned(&self) -> bool {
        // ORDERING: Relaxed; nothing is read on the strength of it.
        self.owner.load(Ordering::Relaxed) == ABANDONED
    }

    /// Whether the owner has closed the slab; what it did to the slots before is then visible.
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the Release swap in `close`.
        self.cancels.load(Ordering::Acquire) == closed()
    }

    /// Any thread that holds a slot: keeps this alive until `unpin`, whatever becomes of the slot.
    pub(super) fn pin(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives back a pin, or a slot after closing.
    ///
    /// # Safety
    /// The caller owns one of the count and does not use `this` afterwards.
    pub(super) unsafe fn release(this: NonNull<Shared>) {
        // SAFETY: alive, as the caller owns one of the count.
        let count = unsafe { &this.as_ref().count };
        // ORDERING: Release so that whoever frees sees us gone; Acquire if that is us.
        if count.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: the count is zero: no owner, no slot out, no pin.
            unsafe { Self::destroy(this) };
        }
    }

    /// Owner or a pinned holder: pushes on the cancel stack and wakes the owner. False: it is closed.
    ///
    /// # Safety
    /// The slot was LINKED by the caller, or (local slab) the caller's handle ends with this call.
    pub(super) unsafe fn push_cancel(&self, slot: NonNull<Slot>) -> bool {
        // SAFETY: the caller's slot, of this slab.
        let pushed = unsafe { push(&self.cancels, slot) };
        if pushed {
            self.wake_owner();
        }
        pushed
    }

    /// Holders of a slot, or of a pin: the owner's wait ends, this one or its next.
    pub(super) fn wake_owner(&self) {
        self.park.unpark(&*self.unpark);
    }

    /// Any thread: frees a slot. Runs no foreign code.
    ///
    /// # Safety
    /// The caller's transition made it the one who frees, the payload has left, and it does not touch
    /// the slot afterwards, nor `this` unless it owns one of the count otherwise.
    pub(super) unsafe fn free(this: NonNull<Shared>, slot: NonNull<Slot>) {
        // SAFETY: a slot is out, so the memory is there.
        let shared = unsafe { this.as_ref() };
        if shared.is_owner() {
            // SAFETY: the slot is the caller's alone.
            return shared.own.reclaim(unsafe { slot.as_ref() });
        }
        // SAFETY: the slot is the caller's to push.
        if !unsafe { push(&shared.freed, slot) } {
            // SAFETY: closed: the slot is one of the count.
            unsafe { Self::release(this) };
        }
    }

    /// Owner: a slot for a new operation.
    #[inline]
    pub(super) fn alloc(&self) -> Option<&Slot> {
        if self.own.free.get().is_null() {
            self.drain_freed();
        }
        self.own.alloc(self.local)
    }

    /// Owner: takes back what other threads have freed.
    pub(super) fn drain_freed(&self) {
        if !self.has_freed() {
            return;
        }
        // ORDERING: Acquire pairs with the Release in `push`: the links, and all the holders did before.
        self.reclaim_all(self.freed.swap(ptr::null_mut(), Ordering::Acquire));
    }

    #[inline]
    fn has_freed(&self) -> bool {
        // ORDERING: Relaxed; null is a hint that can wait.
        !self.freed.load(Ordering::Relaxed).is_null()
    }

    #[inline]
    fn has_cancels(&self) -> bool {
        // ORDERING: Relaxed; null is a hint, and the push that it misses leaves a park token.
        !self.cancels.load(Ordering::Relaxed).is_null()
    }

    /// Whether anything waits in one of the owner's lists, or in one of those that others push to.
    #[inline]
    pub(super) fn has_chores(&self) -> bool {
        self.has_freed() || self.has_cancels() || self.own.has_chores()
    }

    fn reclaim_all(&self, mut next: *mut Slot) {
        while let Some(slot) = NonNull::new(next) {
            // SAFETY: a slot of ours, freed and not yet reused.
            let slot = unsafe { slot.as_ref() };
            // SAFETY: whoever pushed it wrote the link and is done with it.
            next = slot.link.with(|p| unsafe { *p });
            self.own.reclaim(slot);
        }
    }

    /// Owner: pops all cancels; calls `sink` for operations in flight.
    pub(super) fn pop_cancels(&self, sink: &mut dyn FnMut(&Slot)) {
        if self.has_cancels() {
            // ORDERING: Acquire pairs with the Release in `push`: the links.
            let head = self.cancels.swap(ptr::null_mut(), Ordering::Acquire);
            self.pop_list(head, sink);
        }
    }

    fn pop_list(&self, mut next: *mut Slot, sink: &mut dyn FnMut(&Slot)) {
        while let Some(ptr) = NonNull::new(next) {
            // SAFETY: it is on our stack, so it is out and in our memory.
            let slot = unsafe { ptr.as_ref() };
            // SAFETY: the pusher wrote it and is done with it. Read before the bit is cleared: after
            // that a holder may free the slot, which writes the link again.
            next = slot.link.with(|p| unsafe { *p });
            let todo = if self.local { self.let_go_for(slot) } else { slot.word.popped() };
            match todo {
                AfterPop::Cancel => sink(slot),
                // SAFETY: DONE and GONE are set and LINKED is not, by our transition.
                AfterPop::Free => unsafe { self.drop_and_reclaim(slot) },
                AfterPop::Leave => {}
            }
        }
    }

    /// Owner of a local slab: does what a handle that was dropped on another thread could not do.
    fn let_go_for(&self, slot: &Slot) -> AfterPop {
        // SAFETY: the handle is gone and this is the owner's thread.
        drop(unsafe { slot.waker.take(true) });
        match slot.word.let_go() {
            AfterLetGo::Free => AfterPop::Free,
            AfterLetGo::Cancel => AfterPop::Cancel,
            AfterLetGo::Leave => AfterPop::Leave,
        }
    }

    /// Owner: drops the payload if it is there, and reclaims the slot even if that panics.
    ///
    /// # Safety
    /// The owner's transition made it the one who frees.
    pub(super) unsafe fn drop_and_reclaim(&self, slot: &Slot) {
        struct Reclaim<'a>(&'a Own, &'a Slot);
        impl Drop for Reclaim<'_> {
            fn drop(&mut self) {
                self.0.reclaim(self.1);
            }
        }
        let _reclaim = Reclaim(&self.own, slot);
        if slot.word.has_payload() {
            // SAFETY: the slot is ours alone, its operation is over, and the payload was not taken.
            unsafe { slot.payload.drop_in_place() };
        }
    }

    /// Owner, when every live slot is DONE and none LINKED: the last step. What is still out is freed
    /// by its holders, and the memory by the last of them.
    ///
    /// # Safety
    /// The caller is the slab, which ends with this call.
    pub(super) unsafe fn close(this: NonNull<Shared>) {
        // SAFETY: the owner's part of the count keeps it alive.
        let shared = unsafe { this.as_ref() };
        // ORDERING: Release pairs with the Acquire in `is_closed`: a local slab's results; Acquire pairs
        // with the Release in `push`: the links. Only a local slab can have entries here.
        let head = shared.cancels.swap(closed(), Ordering::AcqRel);
        debug_assert!(head.is_null() || shared.local, "closed while a slot is LINKED");
        shared.pop_list(head, &mut |_| debug_assert!(false, "closed with an operation in flight"));
        // From here on this thread is a stranger too.
        // ORDERING: Relaxed; see `is_owner`.
        shared.owner.store(0, Ordering::Relaxed);
        // ORDERING: Acquire as in `drain_freed`.
        shared.reclaim_all(shared.freed.swap(closed(), Ordering::Acquire));
        let change = shared.own.out.get() as i64 - OWNER;
        // ORDERING: as in `release`.
        if shared.count.fetch_add(change, Ordering::AcqRel) + change == 0 {
            // SAFETY: the count is zero.
            unsafe { Self::destroy(this) };
        }
    }

    /// Owner: leaves everything as it is, for ever: the kernel may still write to the payloads.
    pub(super) fn abandon(&self) {
        // ORDERING: Relaxed; see `is_owner`.
        self.owner.store(ABANDONED, Ordering::Relaxed);
    }

    /// # Safety
    /// The count is zero, and `this` came from `Box::into_raw`.
    unsafe fn destroy(this: NonNull<Shared>) {
        // SAFETY: nobody else knows it any more.
        let shared = unsafe { Box::from_raw(this.as_ptr()) };
        // SAFETY: as above, so its slots are nobody's either.
        unsafe { shared.own.destroy() };
    }
}

/// Pushes `slot`, unless the stack is closed.
///
/// # Safety
/// `slot` is alive, and its link is the caller's until it is pushed.
unsafe fn push(stack: &AtomicPtr<Slot>, slot: NonNull<Slot>) -> bool {
    // ORDERING: Relaxed; the exchange decides. CLOSED is acted on through the count, or `is_closed`.
    let mut head = stack.load(Ordering::Relaxed);
    loop {
        if head == closed() {
            return false;
        }
        // SAFETY: the caller's slot is alive.
        let link = unsafe { &slot.as_ref().link };
        // SAFETY: the link is the caller's.
        link.with_mut(|p| unsafe { *p = head });
        // ORDERING: Release pairs with the Acquire swap of the owner: the link, and all we did before.
        match stack.compare_exchange_weak(head, slot.as_ptr(), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(seen) => head = seen,
        }
    }
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared").field("local", &self.local).finish_non_exhaustive()
    }
}
