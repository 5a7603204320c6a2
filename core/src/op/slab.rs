//! The owner's side of operations: submits, completes, cancels, and in the end closes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::handle::OpHandle;
use super::multi::AfterPush;
use super::shared::Shared;
use super::slot::Slot;
use super::word::AfterFinish;
use super::{Completion, OpKey, Request, Scratch};
use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::timer::{TimerNode, TimerStore};

/// How the holders of a slab's operations synchronise with its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// A holder may poll, cancel and drop on any thread.
    Shared,
    /// A holder polls and cancels on the owner's thread only (elsewhere both panic) and drops anywhere.
    /// No locked instruction on the owner's thread. Without `std` this is [`Flavour::Shared`].
    Local,
}

/// The operation slots of one driver, used by its thread.
///
/// Made on the thread that will use it, and bound to it. All methods take `&self` and may be called
/// from wakers and destructors that run inside one of them.
pub struct OpSlab {
    shared: NonNull<Shared>,
    /// Neither `Send` nor `Sync`.
    thread: PhantomData<*mut ()>,
}

/// Why an operation was not submitted; gives the payload back.
pub struct Rejected<P> {
    /// What the operation would have owned.
    pub payload: P,
    /// The reason.
    pub reason: RejectReason,
}

/// The reasons of [`Rejected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// The slab is closing: no operation will be accepted any more.
    Closing,
    /// No memory for a slot: retry when others have ended.
    OutOfMemory,
}

/// What became of a completion.
#[must_use = "an orphaned completion may name a descriptor or a buffer that is now the caller's"]
#[derive(Clone, Copy, Debug)]
pub enum AfterComplete {
    /// The holder was woken, or will find it.
    Delivered,
    /// The holder is gone, nobody will read it: close its descriptor, recycle its buffer.
    Orphaned(Request),
    /// There is no such operation.
    Stale,
}

impl OpSlab {
    /// A slab for the calling thread, whose parking place is `park` and `unpark`: it is woken when
    /// another thread wants something cancelled.
    #[must_use]
    pub fn new(park: Arc<ParkWord>, unpark: Arc<dyn Unpark>, flavour: Flavour) -> Self {
        let shared = Box::new(Shared::new(park, unpark, flavour == Flavour::Local));
        OpSlab { shared: NonNull::from(Box::leak(shared)), thread: PhantomData }
    }

    #[inline]
    fn shared(&self) -> &Shared {
        // SAFETY: the slab owns its part of the count until it is closed.
        unsafe { self.shared.as_ref() }
    }

    #[inline]
    fn current(&self, key: OpKey) -> Option<&Slot> {
        let slot = self.shared().own.slot(key.index())?;
        (slot.generation.get() == key.generation() && slot.is_live.get()).then_some(slot)
    }

    /// Takes a slot for an operation on `payload`. `build` gets the addresses that payload and scratch
    /// space have until the end; the request it returns goes to the driver, with the handle's key.
    ///
    /// Allocates when all slots are in use, for a payload above 64 bytes, and for a slot's first multishot operation.
    ///
    /// # Errors
    /// [`Rejected`], with the payload.
    pub fn submit<P: 'static>(
        &self,
        payload: P,
        build: impl FnOnce(*mut P, *mut Scratch) -> Request,
    ) -> Result<(OpHandle<P>, Request), Rejected<P>> {
        let own = &self.shared().own;
        if own.closing.get() {
            return Err(Rejected { payload, reason: RejectReason::Closing });
        }
        let Some(slot) = self.shared().alloc() else {
            return Err(Rejected { payload, reason: RejectReason::OutOfMemory });
        };
        // SAFETY: the slot is fresh from the free list.
        let place = unsafe { slot.payload.put(payload) };
        // SAFETY: our slot; it holds a `P`, and no other handle names it.
        let handle = unsafe { OpHandle::new(NonNull::from(slot), self.shared, slot.key()) };
        // Should `build` panic, there is no operation.
        let guard = Withdraw(Some(handle));
        let request = build(place, slot.scratch.with_mut(|p| p));
        slot.request.set(request);
        let multi = matches!(request, Request::RecvMulti { .. } | Request::AcceptMulti { .. });
        slot.is_multi.set(multi);
        if multi && !slot.multi.begin() {
            // SAFETY: no driver has heard of it.
            let payload = unsafe { guard.disarm().withdraw() };
            return Err(Rejected { payload, reason: RejectReason::OutOfMemory });
        }
        Ok((guard.disarm(), request))
    }

    /// Makes room for `n` operations more. False: out of memory.
    #[must_use]
    pub fn reserve(&self, n: usize) -> bool {
        self.shared().own.reserve(n)
    }

    /// The operation that `key` names, if it is not over and fetched.
    #[must_use]
    pub fn request(&self, key: OpKey) -> Option<Request> {
        self.current(key).map(|slot| slot.request.get())
    }

    /// Delivers a completion: wakes the holder, or frees what it left behind.
    ///
    /// Runs wakers and, for an orphan, the destructor of its payload.
    ///
    /// # Safety
    /// If `key` is current, the completion is true: unless it says [`Completion::more`], neither a kernel
    /// nor a driver will touch what the request points at any more.
    #[inline]
    pub unsafe fn complete(&self, key: OpKey, c: Completion) -> AfterComplete {
        let Some(slot) = self.current(key).filter(|s| !s.word.owner_is_done()) else {
            return AfterComplete::Stale;
        };
        if c.more() {
            return self.step(slot, c);
        }
        let own = &self.shared().own;
        debug_assert!(!slot.timer.is_set(), "a timer ends by leaving the wheel");
        // SAFETY: DONE is not set, so the result is the owner's.
        slot.result.with_mut(|p| unsafe { *p = c });
        own.undone.set(own.undone.get() - 1);
        match slot.word.finish() {
            AfterFinish::Wake => {
                self.wake(slot);
                AfterComplete::Delivered
            }
            // SAFETY: by our transition.
            AfterFinish::Free => unsafe { self.orphaned(slot) },
            // Its result is found when the slot is freed, and comes out of `take_unclaimed`.
            AfterFinish::Leave => AfterComplete::Delivered,
        }
    }

    /// Frees an operation that is over and has no holder.
    ///
    /// # Safety
    /// DONE and GONE are set and LINKED is not, by the caller's transition.
    #[cold]
    unsafe fn orphaned(&self, slot: &Slot) -> AfterComplete {
        let request = slot.request.get();
        // The caller gets it now, so nobody shall find it later.
        // SAFETY: the slot is the caller's.
        slot.result.with_mut(|p| unsafe { *p = Completion::done(-1) });
        // SAFETY: as above.
        unsafe { self.shared().drop_and_reclaim(slot) };
        AfterComplete::Orphaned(request)
    }

    /// Takes the waker out and wakes it. The slot may be free by now, but not used again.
    #[inline(always)]
    fn wake(&self, slot: &Slot) {
        // SAFETY: the slab's flavour, on the owner's thread.
        let waker = unsafe { slot.waker.take(slot.word.is_local()) };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A completion that is not the last.
    #[inline]
    fn step(&self, slot: &Slot, c: Completion) -> AfterComplete {
        debug_assert!(slot.is_multi.get(), "more completions of an operation that has one");
        if slot.word.is_gone() {
            return AfterComplete::Orphaned(slot.request.get());
        }
        match slot.multi.push(c) {
            AfterPush::Overflowed => self.shared().own.queue_cancel(slot),
            AfterPush::Queued | AfterPush::Behind => {}
        }
        self.wake(slot);
        AfterComplete::Delivered
    }

    /// Calls `sink` with every operation in flight whose holder wants it cancelled, once each time it
    /// was asked for. To be called before every park.
    pub fn take_cancels(&self, mut sink: impl FnMut(OpKey)) {
        let shared = self.shared();
        shared.pop_cancels(&mut |slot| sink(slot.key()));
        while let Some(slot) = shared.own.pop_pending() {
            sink(slot.key());
        }
    }

    /// Calls `sink` with completions that were delivered but never fetched and name a descriptor or a
    /// buffer. To be called once per turn; takes back what other threads have freed.
    pub fn take_unclaimed(&self, mut sink: impl FnMut(&Request, Completion)) {
        self.shared().drain_freed();
        self.shared().own.take_unclaimed(&mut sink);
    }

    /// Whether [`OpSlab::take_cancels`] or [`OpSlab::take_unclaimed`] has something to do: a hint, as these two follow it.
    #[inline]
    #[must_use]
    pub fn has_chores(&self) -> bool {
        self.shared().has_chores()
    }

    /// Operations in flight.
    #[must_use]
    pub fn live(&self) -> usize {
        self.shared().own.undone.get()
    }

    /// How holders synchronise: what `new` was given, or [`Flavour::Shared`] where threads have no names.
    #[must_use]
    pub fn flavour(&self) -> Flavour {
        if self.shared().local { Flavour::Local } else { Flavour::Shared }
    }

    /// Refuses submissions from now on, and calls `sink` with every operation in flight.
    pub fn cancel_all(&self, sink: impl FnMut(OpKey)) {
        self.shared().own.closing.set(true);
        self.for_each_live(sink);
    }

    /// Calls `sink` with every operation in flight.
    pub fn for_each_live(&self, mut sink: impl FnMut(OpKey)) {
        let own = &self.shared().own;
        // By number, because `sink` may complete operations on the spot.
        for slot in (0..own.used.get()).filter_map(|i| own.slot(i)) {
            if slot.is_live.get() && !slot.word.owner_is_done() {
                sink(slot.key());
            }
        }
    }

    /// Whether [`OpSlab::close`] would close: no operation in flight, no cancel on its way. Until then
    /// keep taking completions and cancels.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let own = &self.shared().own;
        own.undone.get() == 0
            && (0..own.used.get())
                .filter_map(|i| own.slot(i))
                .all(|slot| !slot.is_live.get() || !slot.word.is_linked())
    }

    /// Ends the slab. Results that were not fetched stay with their holders.
    ///
    /// Dropping does the same. If the slab is not quiet, its memory and the payloads of operations in
    /// flight are leaked, because a kernel may still write to them; their holders wait for ever.
    pub fn close(self) {}
}

impl Drop for OpSlab {
    fn drop(&mut self) {
        self.shared().own.closing.set(true);
        if self.is_quiet() {
            // SAFETY: the slab ends here.
            unsafe { Shared::close(self.shared) };
        } else {
            self.shared().abandon();
        }
    }
}

impl TimerStore for OpSlab {
    type Key = OpKey;

    #[inline]
    fn index(key: OpKey) -> u32 {
        key.index()
    }

    #[inline]
    fn node(&self, index: u32) -> Option<&TimerNode<OpKey>> {
        self.shared().own.slot(index).map(|slot| &slot.timer)
    }
}

/// Undoes a submission that did not get as far as the driver.
struct Withdraw<P: 'static>(Option<OpHandle<P>>);

impl<P> Withdraw<P> {
    fn disarm(mut self) -> OpHandle<P> {
        self.0.take().expect("taken once, here")
    }
}

impl<P> Drop for Withdraw<P> {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            // SAFETY: no driver has heard of it.
            drop(unsafe { handle.withdraw() });
        }
    }
}

impl fmt::Debug for OpSlab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpSlab").field("live", &self.live()).finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for Rejected<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("reason", &self.reason).finish_non_exhaustive()
    }
}
