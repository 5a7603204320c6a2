//! The holder's side of an operation: what a future keeps.
//!
//! | event    | on the owner's thread                     | elsewhere                                  |
//! |----------|-------------------------------------------|--------------------------------------------|
//! | poll     | DONE: take; else register, look again     | the same; the slot goes back by a push     |
//! | cancel   | noted for the next `take_cancels`         | LINKED, push, unpark                       |
//! | drop     | GONE, and noted for the next              | GONE and LINKED in one step, push, unpark  |
//!
//! In a *local* slab poll and cancel panic elsewhere. A drop elsewhere leaves word and waker alone and
//! pushes the slot: the push ends the handle, and the owner lets go in its stead. Once the slab is
//! closed the holder is the only one left, on whatever thread.
//!
//! The waker: an owner that sets DONE takes the waker afterwards. So a holder that finds DONE at its
//! first look leaves the waker cell alone (no locked instruction), and only one that finds it after it
//! registered takes its waker back.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::shared::Shared;
use super::slot::Slot;
use super::word::AfterLetGo;
use super::{Completion, OpKey};

/// The one holder of an operation in flight, whose payload is a `P`.
///
/// Dropping it asks for cancellation and leaves the payload to the owner, who drops it when the driver
/// has answered.
pub struct OpHandle<P: 'static> {
    /// None once the slot was given back.
    slot: Option<NonNull<Slot>>,
    /// Alive while we have a slot.
    shared: NonNull<Shared>,
    key: OpKey,
    /// A waker of ours may lie in the slot.
    registered: bool,
    /// Cancellation was asked for already.
    cancelled: bool,
    payload: PhantomData<fn() -> P>,
}

// SAFETY: the protocol lets the holder be on any thread, one at a time; the payload moves with it. An
// orphan's payload is dropped by the owner: on another thread than the holder's only if the handle was
// moved between them, which needs this `Send`.
unsafe impl<P: Send> Send for OpHandle<P> {}
// SAFETY: a shared handle gives access to its key and to one atomic load.
unsafe impl<P> Sync for OpHandle<P> {}

#[cold]
#[inline(never)]
fn elsewhere() -> ! {
    panic!("an operation of a local runtime was used on another thread")
}

impl<P> OpHandle<P> {
    /// # Safety
    /// The slot is one of `shared`'s, holds a `P`, and was allocated for this handle, the only one.
    pub(super) unsafe fn new(slot: NonNull<Slot>, shared: NonNull<Shared>, key: OpKey) -> Self {
        OpHandle { slot: Some(slot), shared, key, registered: false, cancelled: false, payload: PhantomData }
    }

    /// The operation's name, for the driver.
    #[must_use]
    pub fn key(&self) -> OpKey {
        self.key
    }

    fn slot(&self) -> &Slot {
        let slot = self.slot.expect("an operation was polled after its end");
        // SAFETY: the slot is ours until we give it back.
        unsafe { slot.as_ref() }
    }

    fn shared(&self) -> &Shared {
        debug_assert!(self.slot.is_some());
        // SAFETY: alive while a slot is out, and called by those who have theirs.
        unsafe { self.shared.as_ref() }
    }

    /// Whether the holder may look into the slot on this thread. False: it never will, as its slab was
    /// abandoned.
    #[inline]
    fn may_touch(&self) -> bool {
        if self.is_here() {
            return true;
        }
        if self.shared().is_abandoned() { false } else { elsewhere() }
    }

    /// Whether this is a thread on which the holder may look into the slot.
    #[inline]
    fn is_here(&self) -> bool {
        let shared = self.shared();
        !shared.local || shared.is_owner() || shared.is_closed()
    }

    /// Whether the operation is over and its result can be taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        // SAFETY: the slot is ours until we give it back.
        self.slot.is_none_or(|slot| unsafe { slot.as_ref() }.word.is_done())
    }

    /// The result and the payload, when the operation is over.
    ///
    /// # Panics
    /// After it has returned `Ready`; off the thread of a local slab.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Completion, P)> {
        let slot = self.slot();
        if !self.may_touch() {
            return Poll::Pending;
        }
        if !slot.word.is_done() {
            self.register(cx);
            if !self.slot().word.is_done() {
                return Poll::Pending;
            }
            self.unregister();
        }
        // SAFETY: DONE was seen, and we may touch the slot.
        Poll::Ready(unsafe { self.take() })
    }

    /// The result and the payload, if the operation is over. Registers no waker.
    ///
    /// # Panics
    /// Off the thread of a local slab.
    #[inline]
    pub fn try_take(&mut self) -> Option<(Completion, P)> {
        self.slot?;
        let slot = self.slot();
        if !self.may_touch() || !slot.word.is_done() {
            return None;
        }
        // SAFETY: DONE was seen, and we may touch the slot.
        Some(unsafe { self.take() })
    }

    /// Ends the wait of the owner's thread, the present one or the next, unless that is this thread: for operations whose
    /// result a driver tells only when it wakes for something else, after [`OpHandle::poll`] has returned `Pending`.
    pub fn hurry(&self) {
        let shared = self.shared();
        if !shared.is_owner() {
            shared.wake_owner();
        }
    }

    /// The next completion of a multishot operation; `None` after the last, which is the first for which
    /// [`Completion::more`] is false. The payload is dropped before that one is returned.
    ///
    /// When completions came faster than they were fetched, the operation was cancelled: all that had
    /// arrived is returned in order, last the cancellation, and the caller submits anew.
    ///
    /// # Panics
    /// Off the thread of a local slab.
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completion>> {
        self.next_or_register(cx)
    }

    #[inline(always)]
    fn next_or_register(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completion>> {
        if self.slot.is_none() {
            return Poll::Ready(None);
        }
        if !self.may_touch() {
            return Poll::Pending;
        }
        if let Some(c) = self.fetch() {
            return Poll::Ready(Some(c));
        }
        self.register(cx);
        if self.slot().word.is_local() {
            // One thread: nothing has come in between.
            return Poll::Pending;
        }
        match self.fetch() {
            Some(c) => Poll::Ready(Some(c)),
            None => Poll::Pending,
        }
    }

    /// As [`poll_next`](Self::poll_next). After a completion that is not the last it leaves the task's waker for the
    /// next one, unless that is there: whether it did.
    ///
    /// # Panics
    /// Off the thread of a local slab.
    #[inline]
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Completion, bool)>> {
        self.next_or_register(cx).map(|next| next.map(|c| (c, c.more() && self.wait_next(cx))))
    }

    /// The waker for the next completion, after one that was not the last. False: there is one already, or there will
    /// be none.
    #[inline(always)]
    fn wait_next(&mut self, cx: &mut Context<'_>) -> bool {
        if self.has_next() {
            return false;
        }
        self.register(cx);
        // One thread: nothing has come in between.
        self.slot().word.is_local() || !self.has_next()
    }

    #[inline(always)]
    fn has_next(&self) -> bool {
        let slot = self.slot();
        slot.word.is_done() || !slot.multi.is_empty()
    }

    /// The next completion of a multishot operation if there is one. Registers no waker.
    ///
    /// # Panics
    /// Off the thread of a local slab.
    #[inline]
    pub fn try_next(&mut self) -> Option<Completion> {
        if self.slot.is_none() || !self.may_touch() {
            return None;
        }
        self.fetch()
    }

    /// As [`try_next`](Self::try_next), but `None` where that would panic: for destructors. What is left there comes
    /// out of `take_unclaimed`.
    pub fn next_if_here(&mut self) -> Option<Completion> {
        if self.slot.is_none() || !self.is_here() {
            return None;
        }
        self.fetch()
    }

    /// One look at the queue of a multishot operation.
    #[inline(always)]
    fn fetch(&mut self) -> Option<Completion> {
        let slot = self.slot();
        // Before the ring: all that was pushed before DONE is seen then.
        let done = slot.word.is_done();
        match slot.multi.pop() {
            None if done => self.fetch_last(),
            next => next,
        }
    }

    /// The same once DONE was seen and the ring is empty.
    #[cold]
    fn fetch_last(&mut self) -> Option<Completion> {
        let slot = self.slot();
        // SAFETY: we are the holder and have seen DONE.
        if let Some(c) = unsafe { slot.multi.pop_overflow() } {
            return Some(c);
        }
        if self.registered {
            self.unregister();
        }
        // SAFETY: DONE was seen, and `poll_next` asked whether we may touch the slot.
        let (last, payload) = unsafe { self.take() };
        drop(payload);
        Some(last)
    }

    #[inline]
    fn register(&mut self, cx: &mut Context<'_>) {
        self.registered = true;
        let slot = self.slot();
        // SAFETY: the slab's flavour, and `may_touch` was asked.
        unsafe { slot.waker.register(cx.waker(), slot.word.is_local()) };
    }

    fn unregister(&mut self) {
        self.registered = false;
        let slot = self.slot();
        // SAFETY: as in `register`.
        drop(unsafe { slot.waker.take(slot.word.is_local()) });
    }

    /// Moves result and payload out, and gives the slot back.
    ///
    /// # Safety
    /// DONE was seen, and the slot may be touched on this thread.
    #[inline]
    unsafe fn take(&mut self) -> (Completion, P) {
        let slot = self.slot();
        // SAFETY: DONE was seen: the owner has written it and will not again.
        let result = slot.result.with(|p| unsafe { *p });
        // SAFETY: the slot holds a `P`, and after the last completion no driver knows its address.
        let payload = unsafe { slot.payload.take::<P>() };
        let after = slot.word.take();
        if let (Some(slot), AfterLetGo::Free) = (self.slot.take(), after) {
            // SAFETY: our transition made us the one who frees; the payload is out.
            unsafe { Shared::free(self.shared, slot) };
        }
        (result, payload)
    }

    /// Asks for cancellation. The operation goes on until it completes, with `-ECANCELED` or, if it was
    /// faster, with its result.
    ///
    /// # Panics
    /// Off the thread of a local slab.
    pub fn cancel(&mut self) {
        let Some(ptr) = self.slot.filter(|_| !self.cancelled) else { return };
        let slot = self.slot();
        if !self.may_touch() || slot.word.is_done() {
            return;
        }
        let shared = self.shared();
        if shared.is_owner() {
            shared.own.queue_cancel(slot);
        } else {
            let this = self.shared;
            shared.pin();
            if slot.word.link() {
                // SAFETY: LINKED was set by us.
                let pushed = unsafe { shared.push_cancel(ptr) };
                debug_assert!(pushed, "closed with a LINKED slot");
            }
            // SAFETY: the pin is ours, and `this` is not used afterwards.
            unsafe { Shared::release(this) };
        }
        self.cancelled = true;
    }

    /// Ends an operation that no driver has heard of, or that one has refused; gives the payload back.
    ///
    /// # Safety
    /// No driver knows the key or what the request points at; this is the thread of the slab that made
    /// the handle, and [`OpHandle::cancel`] was not called on another.
    pub unsafe fn withdraw(mut self) -> P {
        let slot = self.slot();
        // SAFETY: the slot holds a `P` of which no driver knows.
        let payload = unsafe { slot.payload.take::<P>() };
        if self.registered {
            self.unregister();
        }
        let own = &self.shared().own;
        own.undone.set(own.undone.get() - 1);
        own.reclaim(self.slot());
        self.slot = None;
        payload
    }
}

/// Drops the payload of an operation that is over, and frees its slot even if that panics.
///
/// # Safety
/// The caller's transition made it the one who frees, and the payload is in the slot.
unsafe fn drop_and_free(shared: NonNull<Shared>, slot: NonNull<Slot>) {
    struct Free(NonNull<Shared>, NonNull<Slot>);
    impl Drop for Free {
        fn drop(&mut self) {
            // SAFETY: the caller of `drop_and_free` is the one who frees.
            unsafe { Shared::free(self.0, self.1) };
        }
    }
    let guard = Free(shared, slot);
    // SAFETY: the slot is ours until the guard frees it.
    let payload = unsafe { &guard.1.as_ref().payload };
    // SAFETY: it is there, and no driver knows of it after the last completion.
    unsafe { payload.drop_in_place() };
}

impl<P> Drop for OpHandle<P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.let_go(slot);
        }
    }
}

impl<P> OpHandle<P> {
    /// Ends a handle that has not given its payload back.
    #[inline(never)]
    fn let_go(&mut self, ptr: NonNull<Slot>) {
        let (registered, cancelled) = (self.registered, self.cancelled);
        // SAFETY: the slot is ours until we let go.
        let slot = unsafe { ptr.as_ref() };
        let this = self.shared;
        // SAFETY: alive while a slot is out, then while a pin is.
        let shared = unsafe { this.as_ref() };
        let local = slot.word.is_local();
        let owner = shared.is_owner();
        if local && !owner && !shared.is_closed() {
            shared.pin();
            // SAFETY: the handle ends here. The owner lets go in our stead, and takes the waker out.
            let pushed = unsafe { shared.push_cancel(ptr) };
            if !pushed && shared.is_closed() {
                // Closed just now, so it is over; the second look is for what it makes visible.
                let after = slot.word.let_go();
                debug_assert_eq!(after, AfterLetGo::Free, "closed with an operation in flight");
                // SAFETY: nobody else is left.
                unsafe { drop_and_free(this, ptr) };
            }
            // SAFETY: the pin is ours, and `this` is not used afterwards.
            return unsafe { Shared::release(this) };
        }
        let over = slot.word.is_done();
        if registered {
            self.unregister();
        }
        let remote = !(owner || over || cancelled);
        if remote {
            shared.pin();
        }
        let after = if remote { slot.word.let_go_linked() } else { slot.word.let_go() };
        match after {
            // SAFETY: our transition made us the one who frees, and nobody took the payload.
            AfterLetGo::Free => unsafe { drop_and_free(this, ptr) },
            AfterLetGo::Cancel if remote => {
                // SAFETY: LINKED was set by us.
                let pushed = unsafe { shared.push_cancel(ptr) };
                debug_assert!(pushed, "closed with a LINKED slot");
            }
            AfterLetGo::Cancel if owner && !cancelled => shared.own.queue_cancel(slot),
            AfterLetGo::Cancel | AfterLetGo::Leave => {}
        }
        if remote {
            // SAFETY: the pin is ours, and `this` is not used afterwards.
            unsafe { Shared::release(this) };
        }
    }
}

impl<P> fmt::Debug for OpHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpHandle").field("key", &self.key).field("done", &self.is_done()).finish()
    }
}
