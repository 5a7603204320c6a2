//! Wakers of a single-thread executor's tasks: plain on the owner's thread, through the remote word elsewhere.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::shared::{Shared, finish_held, finish_unheld};
use super::{cell, refs, remote};
use crate::context;
use crate::task::chunk::head_of;
use crate::task::{Header, TaskId};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

/// A waker for the length of a poll: it has no reference of its own, and is not to be dropped.
///
/// # Safety
/// `task` is alive for as long as the result is used.
#[inline(always)]
pub(super) unsafe fn borrowed(task: NonNull<Header>) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(task.as_ptr().cast_const().cast(), &VTABLE);
    // SAFETY: the functions of the table keep the contract; they need a live task, which the caller has.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

/// A waker of the task that `id` names, on its owner's thread.
pub(super) fn by_id(shared: &Shared, id: TaskId) -> Option<Waker> {
    let task = cell::find(shared, id)?;
    // SAFETY: the owner's thread, and a task that has not completed has a reference of its own.
    unsafe { refs::clone_own(task) };
    // SAFETY: the reference, which the waker gets, keeps the task alive.
    Some(ManuallyDrop::into_inner(unsafe { borrowed(task) }))
}

/// The task that a waker wakes, if it is one of these wakers. Alive as long as the waker.
pub(super) fn task_of(waker: &Waker) -> Option<NonNull<Header>> {
    let ours = core::ptr::eq(waker.vtable(), &VTABLE);
    ours.then(|| NonNull::new(waker.data().cast_mut().cast())).flatten()
}

/// The task behind a waker, its executor's shared part, and whether this is the owner's thread.
///
/// # Safety
/// `data` is what `borrowed` made of a task that is alive.
#[inline(always)]
unsafe fn parts(data: *const ()) -> (NonNull<Header>, NonNull<Shared>, bool) {
    // First: where code is position-independent a thread-local is reached by a call, over which the rest need not be kept.
    let thread = context::drawn_token();
    // SAFETY: `borrowed` made it of a `NonNull`.
    let task = unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Header>()) };
    // SAFETY: the task is alive.
    let shared = unsafe { shared_of(task) };
    // SAFETY: alive as long as the task.
    let owner = unsafe { shared.as_ref() }.is_owned_by(thread);
    (task, shared, owner)
}

/// The shared part of the executor that `task` belongs to; it lives as long as the task.
///
/// # Safety
/// `task` is a cell of a `LocalExecutor`'s slab, and alive or its slab is.
#[inline(always)]
pub(super) unsafe fn shared_of(task: NonNull<Header>) -> NonNull<Shared> {
    // SAFETY: the caller keeps the cell's chunk.
    let sched = unsafe { head_of(task) }.sched.cast::<Shared>().cast_mut();
    // SAFETY: the slab was made with the executor's shared part.
    unsafe { NonNull::new_unchecked(sched) }
}

/// The task of `waker`, if it is one of the executor's whose `shared` is given.
#[inline(always)]
fn task_here(shared: &Shared, waker: &Waker) -> Option<NonNull<Header>> {
    if !core::ptr::eq(waker.vtable(), &VTABLE) {
        return None;
    }
    // SAFETY: `borrowed` made it of a `NonNull`.
    let task = unsafe { NonNull::new_unchecked(waker.data().cast_mut().cast::<Header>()) };
    // SAFETY: the waker keeps the task alive.
    let its = unsafe { shared_of(task) };
    (its == NonNull::from(shared)).then_some(task)
}

/// A clone of `waker`, on the thread of the executor whose `shared` is given, if it is of one of its tasks: runs none of
/// the user's code, and asks no thread-local.
#[inline(always)]
pub(super) fn clone_here(shared: &Shared, waker: &Waker) -> Option<Waker> {
    let task = task_here(shared, waker)?;
    // SAFETY: the owner's thread, and the waker is a reference.
    if !unsafe { cell::clone_plain(task) } {
        return None;
    }
    // SAFETY: the reference made above is this waker's.
    Some(ManuallyDrop::into_inner(unsafe { borrowed(task) }))
}

/// Drops `waker`, on that thread, if it is of one of its tasks: runs none of the user's code. Else it comes back.
#[inline(always)]
#[must_use = "it is still to be dropped"]
pub(super) fn drop_here(shared: &Shared, waker: Waker) -> Option<Waker> {
    let Some(task) = task_here(shared, &waker) else { return Some(waker) };
    core::mem::forget(waker);
    // SAFETY: the owner's thread, and the waker's reference, given up.
    unsafe { cell::drop_own(task) };
    None
}

// Below, whatever is rare is one call with the same argument: so the rest needs no stack frame.

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned keeps the task alive.
    let (task, _, owner) = unsafe { parts(data) };
    // SAFETY: the owner's thread, and the waker is a reference.
    if owner && unsafe { cell::clone_plain(task) } {
        return RawWaker::new(data, &VTABLE);
    }
    // SAFETY: the caller's waker.
    unsafe { clone_counted(data) }
}

#[cold]
#[inline(never)]
unsafe fn clone_counted(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned keeps the task alive.
    let (task, _, owner) = unsafe { parts(data) };
    if owner {
        // SAFETY: the owner's thread, and the waker is a reference.
        unsafe { refs::clone_own(task) };
    } else {
        // SAFETY: alive, as above.
        remote::add_ref(&unsafe { task.as_ref() }.remote);
    }
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker keeps the task alive.
    let (task, shared, owner) = unsafe { parts(data) };
    if owner {
        // SAFETY: alive as long as the task.
        let shared = unsafe { shared.as_ref() };
        // SAFETY: the owner's thread, and the task is alive.
        unsafe { cell::wake(shared, task) };
    } else {
        // SAFETY: the caller's waker.
        unsafe { wake_by_ref_elsewhere(data) };
    }
}

#[cold]
#[inline(never)]
unsafe fn wake_by_ref_elsewhere(data: *const ()) {
    // SAFETY: the waker keeps the task alive.
    let (task, shared, _) = unsafe { parts(data) };
    // SAFETY: alive as long as the task.
    let shared = unsafe { shared.as_ref() };
    // SAFETY: alive, as above.
    let after = remote::wake_by_ref(&unsafe { task.as_ref() }.remote);
    // SAFETY: that was this cell's word; the waker keeps the cell, and the cell `shared`.
    let free = unsafe { finish_held(shared, task, after) };
    debug_assert!(!free, "freed under a waker");
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker keeps the task alive until its reference is given back.
    let (task, shared, owner) = unsafe { parts(data) };
    // SAFETY: alive as long as the task.
    let shared = unsafe { shared.as_ref() };
    // SAFETY: the owner's thread; the reference goes if this says so.
    if !owner || !unsafe { cell::wake_plain(shared, task) } {
        // SAFETY: the caller's waker.
        unsafe { wake_counted(data) };
    }
}

#[cold]
#[inline(never)]
unsafe fn wake_counted(data: *const ()) {
    // SAFETY: the waker keeps the task alive until its reference is given back.
    let (task, shared, owner) = unsafe { parts(data) };
    if owner {
        // SAFETY: alive as long as the task.
        let shared = unsafe { shared.as_ref() };
        // SAFETY: the owner's thread, and the task is alive.
        unsafe { cell::wake(shared, task) };
        // SAFETY: the waker's reference, given up.
        unsafe { cell::drop_own(task) };
        return;
    }
    // SAFETY: alive, as above.
    let after = remote::wake_by_val(&unsafe { task.as_ref() }.remote);
    // SAFETY: that was this cell's word.
    unsafe { settle(shared, task, after) };
}

unsafe fn drop(data: *const ()) {
    // SAFETY: the waker keeps the task alive until its reference is given back.
    let (task, shared, owner) = unsafe { parts(data) };
    if owner {
        // SAFETY: the owner's thread, and the waker's reference, given up.
        unsafe { cell::drop_own(task) };
        return;
    }
    // SAFETY: alive, as above.
    let after = remote::drop_ref(&unsafe { task.as_ref() }.remote);
    // SAFETY: that was this cell's word.
    unsafe { settle(shared, task, after) };
}

/// # Safety
/// `after` is what a transition of this cell's word has just returned.
unsafe fn settle(shared: NonNull<Shared>, task: NonNull<Header>, after: remote::Foreign) {
    // SAFETY: the caller's promise; `shared` is what the cell's chunk names.
    if unsafe { finish_unheld(shared.as_ptr(), task, after) } {
        // SAFETY: that was the last reference.
        unsafe { cell::free(task) };
    }
}
