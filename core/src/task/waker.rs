//! The waker of a stealing scheduler's task: a pointer to its cell, and one reference (W).
//!
//! | who wakes                     | what it costs                                             |
//! |-------------------------------|-----------------------------------------------------------|
//! | the task itself, in its poll  | a flag of the polling thread (by value: and W)            |
//! | a worker of its scheduler     | one CAS; by value, W is given back in it                  |
//! | another thread                | one CAS; by value and idle, W is kept until `schedule` has returned |
//!
//! The last: a foreign thread that gave W away with the CAS may find the task run, ended, and the runtime freed
//! with it while `schedule` still looks for a worker to wake. A worker keeps its runtime alive by itself.
//!
//! "Itself" is a question of the thread, not of the waker: a scoped thread may wake through a borrowed
//! `&Waker` during the poll, and takes the word like any other.

use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::chunk::{ChunkHead, head_of};
use super::header::Header;
use super::schedule::Notified;
use super::state::After;
use crate::context;
use crate::slab;

/// What every such waker points to beside its task.
pub(super) static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

#[inline(always)]
fn cell_of(data: *const ()) -> NonNull<Header> {
    // SAFETY: the data of a waker with this vtable is its task's cell.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// The task that a waker wakes, if it is one of these wakers. Alive as long as the waker.
pub(super) fn task_of(waker: &Waker) -> Option<NonNull<Header>> {
    core::ptr::eq(waker.vtable(), &VTABLE).then(|| cell_of(waker.data()))
}

/// Gives N to the task's scheduler.
///
/// # Safety
/// The caller has just set SCHED, and either holds a reference or is a worker of that scheduler.
#[inline]
pub(super) unsafe fn submit(cell: NonNull<Header>) {
    // SAFETY: T is in N, which is ours.
    let head: &ChunkHead = unsafe { head_of(cell) };
    // SAFETY: the slab keeps the scheduler's shared part while a cell is out, and the caller's reference keeps the
    // cell out, or the caller is a worker, which keeps it by itself.
    let sched = unsafe { &*head.sched };
    // SAFETY: the caller's promise.
    sched.schedule(unsafe { Notified::from_raw(cell) });
}

/// Does what a transition left to do, for one who still holds a reference or needs none.
///
/// # Safety
/// `after` comes from this cell's word; as for `submit`.
#[inline(always)]
pub(super) unsafe fn follow(cell: NonNull<Header>, after: After) {
    match after {
        After::Nothing => {}
        // SAFETY: the caller's promise.
        After::Submit => unsafe { submit(cell) },
        // SAFETY: it was the last reference, so the cell is ours to give back.
        After::Free => unsafe { slab::free(cell) },
    }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker holds a reference, or is the poll's own.
    unsafe { cell_of(data).as_ref() }.state.add_ref();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    let cell = cell_of(data);
    // SAFETY: the waker holds a reference.
    let state = &unsafe { cell.as_ref() }.state;
    let after = if context::wake_self(data) {
        state.drop_ref()
    } else {
        // SAFETY: the waker's reference keeps the cell.
        let head = unsafe { head_of(cell) };
        if context::sched(head.sched.cast()).is_some() {
            state.wake_by_val()
        } else {
            let after = state.wake_by_val_elsewhere();
            if after != After::Submit {
                after
            } else {
                // SAFETY: SCHED was set just now, and our reference is still held.
                unsafe { submit(cell) };
                state.drop_ref()
            }
        }
    };
    // SAFETY: just returned by the word; `Submit` is left only on a worker of the task's scheduler.
    unsafe { follow(cell, after) };
}

unsafe fn wake_by_ref(data: *const ()) {
    if context::wake_self(data) {
        return;
    }
    let cell = cell_of(data);
    // SAFETY: the waker holds a reference during this call.
    let after = unsafe { cell.as_ref() }.state.wake_by_ref();
    // SAFETY: just returned by the word; the reference is held.
    unsafe { follow(cell, after) };
}

unsafe fn drop_waker(data: *const ()) {
    let cell = cell_of(data);
    // SAFETY: the waker holds the reference that is dropped here.
    let after = unsafe { cell.as_ref() }.state.drop_ref();
    // SAFETY: just returned by the word.
    unsafe { follow(cell, after) };
}
