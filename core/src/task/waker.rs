//! The waker of a task: a pointer to its cell, and one reference (W).
//!
//! | who wakes                     | what it costs                                             |
//! |-------------------------------|-----------------------------------------------------------|
//! | the task itself, in its poll  | a flag of the polling thread (by value: and W)            |
//! | a worker of its scheduler     | one CAS; by value, W is given back in it                  |
//! | anyone, if that is static     | the same                                                  |
//! | another thread                | one CAS; by value and idle, W is kept until `schedule` has returned |
//!
//! The last: a foreign thread that gave W away with the CAS may find the task run, ended, and the runtime freed
//! with it while `schedule` still looks for a worker to wake. A worker keeps its runtime alive by itself.
//!
//! "Itself" is a question of the thread, not of the waker: a scoped thread may wake through a borrowed
//! `&Waker` during the poll, and takes the word like any other.

use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::header::Header;
use super::home::Home;
use super::schedule::Notified;
use super::state::After;
use crate::context;

/// What the wakers of tasks in an `H` point to beside their task. For the one static that is [`Home::wakers`].
pub(super) const fn table<H: Home>() -> RawWakerVTable {
    RawWakerVTable::new(clone::<H>, wake::<H>, wake_by_ref::<H>, drop_waker::<H>)
}

#[inline(always)]
pub(super) fn cell_of(data: *const ()) -> NonNull<Header> {
    // SAFETY: the data of a waker with these tables is its task's cell.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// A waker for a reference (W) that the caller gives up, or, never dropped, for the length of a poll.
///
/// # Safety
/// The task lies in an `H`; the reference, or the caller's own for a waker that is not dropped, keeps it.
#[inline(always)]
pub(super) unsafe fn waker_for<H: Home>(cell: NonNull<Header>) -> Waker {
    // SAFETY: the functions of the table keep the contract; they need the reference, which the caller has.
    unsafe { Waker::new(cell.as_ptr().cast(), H::wakers()) }
}

/// Gives N to the task's scheduler.
///
/// # Safety
/// The task lies in an `H`; the caller has just set SCHED, and holds a reference or the scheduler.
#[inline]
pub(super) unsafe fn submit<H: Home>(cell: NonNull<Header>) {
    // SAFETY: T is in N, which is ours, and the caller's reference, or the caller, keeps the scheduler.
    let sched = unsafe { H::scheduler(cell) };
    // SAFETY: the caller's promise.
    sched.schedule(unsafe { Notified::from_raw(cell) });
}

/// Does what a transition left to do, for one who still holds a reference or needs none.
///
/// # Safety
/// `after` comes from this cell's word; as for `submit`.
#[inline(always)]
pub(super) unsafe fn follow<H: Home>(cell: NonNull<Header>, after: After) {
    match after {
        After::Nothing => {}
        // SAFETY: the caller's promise.
        After::Submit => unsafe { submit::<H>(cell) },
        // SAFETY: it was the last reference, so the cell is ours to give back.
        After::Free => unsafe { H::free(cell) },
    }
}

unsafe fn clone<H: Home>(data: *const ()) -> RawWaker {
    // SAFETY: the waker holds a reference, or is the poll's own.
    unsafe { cell_of(data).as_ref() }.state.add_ref();
    RawWaker::new(data, H::wakers())
}

unsafe fn wake<H: Home>(data: *const ()) {
    let cell = cell_of(data);
    // SAFETY: the waker holds a reference.
    let state = &unsafe { cell.as_ref() }.state;
    let after = if context::wake_self(data) {
        state.drop_ref()
    } else {
        // SAFETY: the waker's reference keeps the cell.
        if unsafe { H::keeps_scheduler(cell) } {
            state.wake_by_val()
        } else {
            let after = state.wake_by_val_elsewhere();
            if after != After::Submit {
                after
            } else {
                // SAFETY: SCHED was set just now, and our reference is still held.
                unsafe { submit::<H>(cell) };
                state.drop_ref()
            }
        }
    };
    // SAFETY: just returned by the word; `Submit` is left only to one who keeps the task's scheduler.
    unsafe { follow::<H>(cell, after) };
}

unsafe fn wake_by_ref<H: Home>(data: *const ()) {
    if context::wake_self(data) {
        return;
    }
    let cell = cell_of(data);
    // SAFETY: the waker holds a reference during this call.
    let after = unsafe { cell.as_ref() }.state.wake_by_ref();
    // SAFETY: just returned by the word; the reference is held.
    unsafe { follow::<H>(cell, after) };
}

unsafe fn drop_waker<H: Home>(data: *const ()) {
    let cell = cell_of(data);
    // SAFETY: the waker holds the reference that is dropped here.
    let after = unsafe { cell.as_ref() }.state.drop_ref();
    // SAFETY: just returned by the word.
    unsafe { follow::<H>(cell, after) };
}
