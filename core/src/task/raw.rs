//! What the holder of a [`Notified`] does with it: polls the task, or cancels it.
//!
//! One pass: `start`, poll, then one of
//! - the task woke itself on this thread: N goes back to the queue and the word is not touched,
//! - pending: `end_pending`,
//! - ready, panicked or cancelled: the payload becomes output, panic or nothing, and [`finish`] completes.
//!
//! A detached task whose wakers are gone when it ends is freed with one load and one store.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::task::{Context, Waker};

use super::cell::{drop_payload_caught, put_panic};
use super::header::{Header, Polled, Stage};
use super::home::Home;
use super::schedule::Notified;
use super::state::{After, AfterPoll, Completed, Start};
use super::unwind::{Caught, catch, discard};
use super::waker::waker_for;
use crate::context;

/// What became of a task that was run.
#[derive(Debug)]
#[must_use]
pub(crate) enum AfterRun {
    /// It is complete.
    Done,
    /// It waits for a wake. It may run on another worker already.
    Idle,
    /// It was woken from elsewhere during its poll: queue it again.
    Again(Notified),
    /// It woke itself: queue it behind the others.
    Yielded(Notified),
}

/// Polls a task, or cancels it if it was aborted. Panics of the task end in its join handle.
#[inline(always)]
pub(super) fn run<H: Home>(task: Notified) -> AfterRun {
    let cell = task.into_raw();
    // SAFETY: T travels with N, and N is ours.
    let header = unsafe { cell.as_ref() };
    if header.state.start() == Start::Cancel {
        // SAFETY: we hold N, taken from `task`.
        unsafe { cancel_cell::<H>(cell) };
        return AfterRun::Done;
    }
    let poll = context::enter_poll(cell.as_ptr().cast());
    // SAFETY: the payload belongs to N. (Nothing is written; loom learns that we could.)
    header.stage.with_mut(|_| {});
    // SAFETY: a waker of the task's own T, which outlives it; it is never dropped, so that it gives back no reference.
    let own = ManuallyDrop::new(unsafe { waker_for::<H>(cell) });
    let mut cx = Context::from_waker(&own);
    // SAFETY: we hold N, so the future is ours; before COMPLETE the stage of a task at rest is `Future`.
    let polled = catch(|| unsafe { (header.vtable().poll)(cell, &mut cx) });
    let self_woken = poll.self_woken();
    drop(poll);
    let polled = match polled {
        Ok(polled) => polled,
        Err(caught) => {
            // SAFETY: N is ours, and what panicked was the poll.
            unsafe { panicked::<H>(cell, caught) };
            return AfterRun::Done;
        }
    };
    // Not a `match`, which would look for the rarest first.
    if polled == Polled::Pending {
        if self_woken {
            // SAFETY: SCHED is still set, and its N is ours.
            return AfterRun::Yielded(unsafe { Notified::from_raw(cell) });
        }
        match header.state.end_pending() {
            AfterPoll::Idle => return AfterRun::Idle,
            // SAFETY: SCHED is still set, and its N is ours.
            AfterPoll::Again => return AfterRun::Again(unsafe { Notified::from_raw(cell) }),
            // SAFETY: as above.
            AfterPoll::Cancel => unsafe { cancel_cell::<H>(cell) },
        }
    } else if polled == Polled::Plain && header.state.is_sole() {
        // Sole, so not joined either: J would be a second reference.
        header.state.free_sole();
        // SAFETY: nobody else can reach the cell, whose word says so, and its payload is gone.
        unsafe { H::free_sole(cell) };
    } else {
        if polled == Polled::Plain {
            header.set_stage(Stage::Plain);
        }
        // SAFETY: N is ours, and the future is gone.
        unsafe { finish::<H>(cell) };
    }
    AfterRun::Done
}

/// Drops the task's future and completes it.
#[cfg(feature = "alloc")]
pub(super) fn cancel<H: Home>(task: Notified) {
    // SAFETY: N is ours, taken from `task`.
    unsafe { cancel_cell::<H>(task.into_raw()) };
}

/// # Safety
/// The caller holds N and gives it up; the stage is `Future`.
#[cold]
unsafe fn cancel_cell<H: Home>(cell: NonNull<Header>) {
    // SAFETY: the payload belongs to N.
    match unsafe { drop_payload_caught(cell) } {
        Ok(()) => {
            // SAFETY: T keeps the cell.
            unsafe { cell.as_ref() }.set_stage(Stage::Cancelled);
            // SAFETY: N is ours, and the future is gone.
            unsafe { finish::<H>(cell) };
        }
        // SAFETY: as above.
        Err(caught) => unsafe { finish_panicked::<H>(cell, caught) },
    }
}

/// # Safety
/// The caller holds N and gives it up; the future is there, and its poll has panicked.
#[cold]
#[inline(never)]
unsafe fn panicked<H: Home>(cell: NonNull<Header>, caught: Caught) {
    // SAFETY: N is the caller's, and the future is still there.
    if let Err(second) = unsafe { drop_payload_caught(cell) } {
        discard(second);
    }
    // SAFETY: the future is gone now.
    unsafe { finish_panicked::<H>(cell, caught) };
}

/// # Safety
/// As for `finish`; nothing is in the payload.
#[cold]
unsafe fn finish_panicked<H: Home>(cell: NonNull<Header>, caught: Caught) {
    // SAFETY: the payload belongs to N and is empty.
    unsafe { put_panic(cell, caught) };
    // SAFETY: the caller's promise.
    unsafe { finish::<H>(cell) };
}

/// Completes a task: nobody polls it again; T is given back.
///
/// # Safety
/// The caller holds N and gives it up; the future is gone.
#[inline(always)]
unsafe fn finish<H: Home>(cell: NonNull<Header>) {
    // SAFETY: T keeps the cell until `complete` or `free_sole`.
    let header = unsafe { cell.as_ref() };
    if header.state.is_joined() {
        // SAFETY: the caller's promise.
        unsafe { finish_counted::<H>(cell, true) };
    } else {
        // SAFETY: the caller's promise, and without JOIN_INTEREST the output stays with N.
        unsafe { finish_detached::<H>(cell) };
    }
}

/// The same for a task without a handle, which has wakers, or an output to be dropped.
///
/// # Safety
/// As for `finish`, and the payload is the caller's.
#[inline(never)]
unsafe fn finish_detached<H: Home>(cell: NonNull<Header>) {
    // SAFETY: the caller's promise.
    unsafe { drop_unwanted(cell) };
    // SAFETY: as in `finish`.
    let header = unsafe { cell.as_ref() };
    if !header.state.is_sole() {
        // SAFETY: the caller's promise.
        return unsafe { finish_counted::<H>(cell, false) };
    }
    header.set_stage(Stage::Future);
    header.state.free_sole();
    // SAFETY: nobody else can reach the cell, whose word says so, and its payload is gone.
    unsafe { H::free_sole(cell) };
}

/// The same for a task that others have references to. `kept`: the output is there.
///
/// # Safety
/// As for `finish`.
#[inline(never)]
unsafe fn finish_counted<H: Home>(cell: NonNull<Header>, mut kept: bool) {
    loop {
        // SAFETY: T keeps the cell until `complete` says otherwise.
        match unsafe { cell.as_ref() }.state.complete(kept) {
            Completed::Done => return,
            Completed::Unwanted => {
                kept = false;
                // SAFETY: the handle has gone, so the output stayed with N.
                unsafe { drop_unwanted(cell) };
            }
            // SAFETY: it was the last reference.
            Completed::Free => return unsafe { H::free(cell) },
            // SAFETY: `complete` gave us the waker, and T is still held.
            Completed::WakeJoiner => return unsafe { wake_joiner::<H>(cell) },
        }
    }
}

/// # Safety
/// The payload is the caller's.
#[inline]
unsafe fn drop_unwanted(cell: NonNull<Header>) {
    // SAFETY: the caller's promise.
    if let Err(caught) = unsafe { drop_payload_caught(cell) } {
        discard(caught);
    }
}

/// # Safety
/// `complete` has just returned `WakeJoiner`.
#[inline]
unsafe fn wake_joiner<H: Home>(cell: NonNull<Header>) {
    // SAFETY: T is still held.
    let header = unsafe { cell.as_ref() };
    // SAFETY: the handle stored the waker before it set JOIN_WAKER and does not write the field again: we take it by
    // copy and write nothing, as the handle may be comparing it with another at this moment.
    let waker = header.tail.with(|t| unsafe { t.cast::<Waker>().read() });
    if let Err(caught) = context::with_to_tail(|| catch(|| waker.wake())) {
        discard(caught);
    }
    if header.state.joiner_woken() == After::Free {
        // SAFETY: it was the last reference.
        unsafe { H::free(cell) };
    }
}
