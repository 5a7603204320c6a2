//! A task's polls and its end, on its owner's thread.

use core::ptr::NonNull;
use core::task::Context;

use super::cell::free;
use super::shared::Shared;
use super::word::{flags_and_own, get, is_last, set, take_joiner};
use super::{refs, remote, waker};
use crate::slab;
use crate::task::Header;
use crate::task::cell::{drop_payload_caught, put_panic};
use crate::task::header::{Polled, Stage};
use crate::task::state::{CANCELLED, COMPLETE, JOIN_INTEREST, JOIN_WAKER, NOTIFIED, REF, SCHED, Word};
use crate::task::unwind::{Caught, catch, discard};

/// Polls a task that was on the run queue, or cancels it.
///
/// # Safety
/// This is its owner's thread; the task is SCHED and has just left the run queue.
#[inline]
pub(super) unsafe fn run(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: a scheduled task has its own reference.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    debug_assert!(word & (SCHED | COMPLETE) == SCHED, "run, but not scheduled");
    if word & (CANCELLED | NOTIFIED) != 0 {
        if word & CANCELLED != 0 {
            // SAFETY: scheduled, not complete, and off the queue.
            unsafe { drop_future(shared, task) };
            return;
        }
        set(cell, word & !NOTIFIED);
    }
    // SAFETY: the task's own reference lasts for the poll.
    let waker = unsafe { waker::borrowed(task) };
    let mut cx = Context::from_waker(&waker);
    // SAFETY: the future is the run queue's taker's; a task at rest that is not complete has one.
    let polled = catch(|| unsafe { (cell.vtable().poll)(task, &mut cx) });
    let polled = match polled {
        Ok(polled) => polled,
        // SAFETY: scheduled, not complete, and off the queue; what panicked was the poll.
        Err(caught) => return unsafe { panicked(shared, task, caught) },
    };
    let word = get(cell);
    // Not a `match`, which would look for the rarest first.
    if polled == Polled::Pending {
        if word & (CANCELLED | NOTIFIED) == 0 {
            set(cell, word & !SCHED);
        } else if word & CANCELLED != 0 {
            // SAFETY: scheduled, not complete, and off the queue.
            unsafe { drop_future(shared, task) };
        } else {
            shared.own.push(task);
        }
    } else if polled == Polled::Plain
        // The last reference, so not joined either, for the handle would have a second; and no weak ids.
        && flags_and_own(word) == SCHED | REF
        && remote::is_untouched(&cell.remote)
    {
        set(cell, word - (SCHED | REF));
        shared.own.completed.set(shared.own.completed.get() + 1);
        // SAFETY: that was the last reference, and there is no handle that could have left a waker.
        unsafe { slab::free_unexported(task) };
    } else {
        if polled == Polled::Plain {
            cell.set_stage(Stage::Plain);
        }
        // SAFETY: the future is gone, the output there.
        unsafe { finish(shared, task) };
    }
}

/// # Safety
/// As for `finish`, but that the future is there; its poll has panicked.
#[cold]
#[inline(never)]
unsafe fn panicked(shared: &Shared, task: NonNull<Header>, caught: Caught) {
    // SAFETY: what panicked was the poll, so the future is still there, and the caller's.
    if let Err(second) = unsafe { drop_payload_caught(task) } {
        discard(second);
    }
    // SAFETY: the future is gone now.
    unsafe { finish_panicked(shared, task, caught) };
}

/// Shutdown: cancels an idle task; marks a scheduled one, which is on the run queue.
///
/// # Safety
/// This is the owner's thread, no task is being polled, and `task` is a cell, in use or not.
pub(super) unsafe fn cancel(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: cells stay mapped.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if Word(word).is_free() || word & COMPLETE != 0 {
        return;
    }
    set(cell, word | SCHED | CANCELLED);
    if word & SCHED != 0 {
        return;
    }
    // SAFETY: it was idle; now it is scheduled and on no queue.
    unsafe { drop_future(shared, task) };
}

/// # Safety
/// The task is SCHED, not COMPLETE, and the caller took it off the queue.
#[cold]
unsafe fn drop_future(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the future is the caller's.
    match unsafe { drop_payload_caught(task) } {
        Ok(()) => {
            // SAFETY: the task's own reference is still there.
            unsafe { task.as_ref() }.set_stage(Stage::Cancelled);
            // SAFETY: the future is gone.
            unsafe { finish(shared, task) };
        }
        // SAFETY: as above.
        Err(caught) => unsafe { finish_panicked(shared, task, caught) },
    }
}

/// # Safety
/// As for `finish`; nothing is in the payload.
#[cold]
unsafe fn finish_panicked(shared: &Shared, task: NonNull<Header>, caught: Caught) {
    // SAFETY: the payload is the caller's and empty.
    unsafe { put_panic(task, caught) };
    // SAFETY: the caller's promise.
    unsafe { finish(shared, task) };
}

/// Completes a task and gives its own reference back.
///
/// # Safety
/// The task is SCHED, the caller took it off the queue, and the future is gone.
#[inline]
unsafe fn finish(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the task's own reference is still there.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if word & (JOIN_INTEREST | JOIN_WAKER) == JOIN_INTEREST {
        // Its handle has a reference, so this one is not the last, and waits for nothing.
        debug_assert!(!is_last(word) || !remote::is_untouched(&cell.remote));
        let done = (word & !(SCHED | NOTIFIED | CANCELLED) | COMPLETE) - REF;
        if !Word(done).is_free() {
            set(cell, done);
            shared.own.completed.set(shared.own.completed.get() + 1);
            return;
        }
    }
    // SAFETY: the caller's promise.
    unsafe { finish_counted(shared, task) };
}

/// The same for a task that has a handle, or wakers, or an output to be dropped.
///
/// # Safety
/// As for `finish`.
#[inline(never)]
unsafe fn finish_counted(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: as in `finish`.
    let cell = unsafe { task.as_ref() };
    let mut word = get(cell);
    if word & JOIN_INTEREST == 0 {
        // SAFETY: nobody wants the output, so it is the caller's.
        if let Err(caught) = unsafe { drop_payload_caught(task) } {
            discard(caught);
        }
        // Read again: the destructor may have dropped wakers of this task.
        word = get(cell);
    }
    // SAFETY: the bit says that a waker is there; it is cleared below, before anybody looks again.
    let joiner = (word & JOIN_WAKER != 0).then(|| unsafe { take_joiner(cell) });
    let done = (word & !(SCHED | NOTIFIED | CANCELLED | JOIN_WAKER) | COMPLETE) - REF;
    set(cell, done);
    shared.own.completed.set(shared.own.completed.get() + 1);
    if Word(done).is_free() {
        // SAFETY: the own count has just become zero.
        if unsafe { refs::released(task) } {
            // SAFETY: nobody holds it.
            unsafe { free(task) };
        }
    }
    if let Some(joiner) = joiner
        && let Err(caught) = catch(|| joiner.wake())
    {
        discard(caught);
    }
}
