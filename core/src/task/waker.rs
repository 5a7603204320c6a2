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
use super::state::{After, AfterWake};
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
        After::Free => unsafe { free::<H>(cell) },
    }
}

unsafe fn clone<H: Home>(data: *const ()) -> RawWaker {
    // SAFETY: the waker holds a reference, or is the poll's own.
    unsafe { cell_of(data).as_ref() }.state.add_ref();
    RawWaker::new(data, H::wakers())
}

/// A clone of `waker` if its table is `table`, an `H`'s: without a call.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(super) fn clone_known<H: Home>(waker: &Waker, table: &'static RawWakerVTable) -> Option<Waker> {
    if !core::ptr::eq(waker.vtable(), table) {
        return None;
    }
    let cell = cell_of(waker.data());
    // SAFETY: the waker holds a reference, or is the poll's own.
    unsafe { cell.as_ref() }.state.add_ref();
    // SAFETY: the reference is that made above.
    Some(unsafe { waker_for::<H>(cell) })
}

/// Drops `waker`: without a call if its table is `table`, an `H`'s, and it is not the task's last reference.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(super) fn drop_known<H: Home>(waker: Waker, table: &'static RawWakerVTable) {
    if core::ptr::eq(waker.vtable(), table) {
        // SAFETY: the waker's reference, given up with it.
        unsafe { drop_waker::<H>(core::mem::ManuallyDrop::new(waker).data()) };
    }
}

// Below, whatever is rare is one call in tail position with the same argument: so the rest needs few registers.

unsafe fn wake<H: Home>(data: *const ()) {
    let cell = cell_of(data);
    if context::wake_self(data) {
        // SAFETY: the waker's reference, given up.
        return unsafe { drop_waker::<H>(data) };
    }
    // SAFETY: the waker's reference keeps the cell.
    let Some(here) = (unsafe { H::here_kept(cell) }) else {
        // SAFETY: the caller's waker.
        return unsafe { wake_elsewhere::<H>(data) };
    };
    // SAFETY: the waker holds a reference.
    match unsafe { cell.as_ref() }.state.wake_by_val() {
        AfterWake::Nothing => {}
        AfterWake::Submit => {
            // SAFETY: T is in N, which is ours, and this thread keeps the scheduler.
            let sched = unsafe { H::scheduler(cell) };
            // SAFETY: SCHED was set just now.
            let task = unsafe { Notified::from_raw(cell) };
            // SAFETY: it is what this thread was entered with for the task's scheduler.
            unsafe { sched.schedule_here(here, task) };
        }
        // SAFETY: the waker's reference, given up.
        AfterWake::Over => unsafe { drop_waker::<H>(data) },
    }
}

/// On a thread that does not keep the task's scheduler.
///
/// # Safety
/// As for a waker's `wake`.
#[inline(never)]
unsafe fn wake_elsewhere<H: Home>(data: *const ()) {
    let cell = cell_of(data);
    // SAFETY: the waker holds a reference.
    match unsafe { cell.as_ref() }.state.wake_by_val_elsewhere() {
        AfterWake::Nothing => {}
        AfterWake::Submit => {
            // SAFETY: SCHED was set just now, and our reference is still held.
            unsafe { submit::<H>(cell) };
            // SAFETY: the waker's reference, given up.
            unsafe { drop_waker::<H>(data) };
        }
        // SAFETY: as above.
        AfterWake::Over => unsafe { drop_waker::<H>(data) },
    }
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
    if unsafe { cell.as_ref() }.state.drop_ref() == After::Free {
        // SAFETY: it was the last reference.
        unsafe { free::<H>(cell) };
    }
}

/// # Safety
/// As for [`Home::free`].
#[cold]
#[inline(never)]
unsafe fn free<H: Home>(cell: NonNull<Header>) {
    // SAFETY: the caller's promise.
    unsafe { H::free(cell) };
}
