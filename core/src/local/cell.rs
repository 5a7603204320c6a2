//! Tasks on their owner's thread: spawn, wake, abort, free, by reference and by id. Their polls are `run`'s.
//!
//! The cell, its payload and its vtable are those of [`crate::task`]; the transitions are plain (`word`).

use core::ptr::NonNull;

use super::newborn::Newborn;
use super::shared::Shared;
use super::word::{can_grow, get, has_more, is_last, set};
use super::{refs, remote};
use crate::slab;
use crate::sync::{Bits, Ordering};
use crate::task::state::{CANCELLED, COMPLETE, NOTIFIED, REF, SCHED};
use crate::task::{Header, TaskId, WakeResult};

/// Makes a task of what another thread has built, and puts it on the run queue. It has no handle.
pub(super) fn adopt(shared: &Shared, task: Newborn) -> NonNull<Header> {
    let task = task.into_cell();
    begin(shared, task, false);
    task
}

/// Makes a task of a cell that is built, and nobody else's yet, and puts it on the run queue. If it is `joined`, its
/// handle's reference is the caller's.
#[inline(always)]
pub(super) fn begin(shared: &Shared, task: NonNull<Header>, joined: bool) {
    // The remote word is left as it is: a late weak wake of the cell's last task may be in it.
    // SAFETY: the cell is the caller's.
    unsafe { task.as_ref() }.state.spawn(joined);
    shared.own.push(task);
}

/// Wakes a task.
///
/// # Safety
/// This is its owner's thread, and it has a reference.
#[inline(always)]
pub(super) unsafe fn wake(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if word & COMPLETE != 0 {
        return;
    }
    if word & SCHED != 0 {
        set(cell, word | NOTIFIED);
    } else {
        set(cell, word | SCHED);
        shared.own.push(task);
    }
}

/// As `wake`, and gives a reference back, if the task is not over and has more of them. False: nothing was done.
///
/// # Safety
/// This is its owner's thread, and the caller gives up a reference if this is true.
#[inline(always)]
#[must_use]
pub(super) unsafe fn wake_plain(shared: &Shared, task: NonNull<Header>) -> bool {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if !has_more(word) {
        return false;
    }
    // One test for what is rarer.
    if word & (COMPLETE | SCHED) != 0 {
        let scheduled = word & COMPLETE == 0;
        if scheduled {
            set(cell, (word | NOTIFIED) - REF);
        }
        return scheduled;
    }
    set(cell, (word | SCHED) - REF);
    shared.own.push(task);
    true
}

/// Another reference, on the owner's thread, if a plain count can tell it. False: nothing was done.
///
/// # Safety
/// This is the owner's thread, and the caller holds a reference.
#[inline(always)]
#[must_use]
pub(super) unsafe fn clone_plain(task: NonNull<Header>) -> bool {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    let plain = can_grow(word);
    if plain {
        set(cell, word + REF);
    }
    plain
}

/// Sees to it that the task is cancelled instead of polled.
///
/// # Safety
/// As for `wake`.
pub(super) unsafe fn abort(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if word & COMPLETE != 0 {
        return;
    }
    set(cell, word | SCHED | CANCELLED);
    if word & SCHED == 0 {
        shared.own.push(task);
    }
}

/// Gives back a reference of a task that is over, in one step if it is the last one of all.
///
/// # Safety
/// This is the owner's thread, `word` is the task's word, and the caller gives up a reference.
#[inline(always)]
pub(super) unsafe fn drop_over(task: NonNull<Header>, word: Bits) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    if is_last(word) && remote::is_untouched(&cell.remote) {
        set(cell, word - REF);
        // SAFETY: that was the last reference.
        unsafe { free(task) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { drop_counted(task) };
    }
}

/// One reference less, on the owner's thread.
///
/// # Safety
/// This is the owner's thread, and the caller gives up a reference.
#[inline(always)]
pub(super) unsafe fn drop_own(task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if has_more(word) {
        set(cell, word - REF);
    } else {
        // SAFETY: the caller's promise.
        unsafe { drop_counted(task) };
    }
}

/// The same when it may be the last of those counted here.
///
/// # Safety
/// As for `drop_own`.
#[inline(never)]
unsafe fn drop_counted(task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    if unsafe { refs::drop_own(task) } {
        // SAFETY: it was the last reference.
        unsafe { free(task) };
    }
}

/// Gives the cell back, from any thread.
///
/// # Safety
/// A transition said so, this one time.
#[inline(always)]
pub(super) unsafe fn free(task: NonNull<Header>) {
    // SAFETY: nobody holds the cell, and future and output are gone: the task's own reference is.
    unsafe { slab::free(task) };
}

/// The cell that `id` names if its task has not completed, as far as can be seen.
pub(super) fn find(shared: &Shared, id: TaskId) -> Option<NonNull<Header>> {
    let cell = id.cell(&shared.table)?;
    // ORDERING: Acquire pairs with the Release of `State::spawn`, for an id that came without any.
    // SAFETY: cells in a table stay mapped.
    let word = unsafe { cell.as_ref() }.state.load(Ordering::Acquire);
    // No own count means that the task has completed: its own reference is counted there.
    let gone = word.is_free() || word.has(COMPLETE) || word.generation() != id.generation;
    (!gone).then_some(cell)
}

/// Wakes the task that `id` names, on its owner's thread.
pub(super) fn wake_by_id(shared: &Shared, id: TaskId) -> WakeResult {
    let Some(task) = find(shared, id) else { return WakeResult::Stale };
    // SAFETY: cells in a table stay mapped.
    let pending = get(unsafe { task.as_ref() }) & SCHED != 0;
    // SAFETY: the owner's thread, and a task that has not completed has a reference of its own.
    unsafe { wake(shared, task) };
    if pending { WakeResult::AlreadyPending } else { WakeResult::Queued }
}

/// Aborts the task that `id` names, on its owner's thread. False: stale.
pub(super) fn abort_by_id(shared: &Shared, id: TaskId) -> bool {
    let Some(task) = find(shared, id) else { return false };
    // SAFETY: as in `wake_by_id`.
    unsafe { abort(shared, task) };
    true
}

/// Wakes the task that `id` names, from any thread and from signal handlers: a CAS, a push, and a call of `unpark`,
/// which is to end the owner's sleep, if not at once.
///
/// The task may end meanwhile, and its cell serve another one, which is then woken for nothing.
pub(super) fn wake_by_id_elsewhere(shared: &Shared, id: TaskId, unpark: impl FnOnce()) -> WakeResult {
    let Some(task) = find(shared, id) else { return WakeResult::Stale };
    // SAFETY: cells in a table stay mapped.
    let after = remote::wake_by_ref(&unsafe { task.as_ref() }.remote);
    let pending = after == remote::Foreign::Nothing;
    // SAFETY: that was this cell's word, and the caller holds `shared`.
    if unsafe { remote::finish(after, task, &shared.stack, unpark) } {
        // SAFETY: it was queued by us alone when the executor ended.
        unsafe { free(task) };
    }
    if pending { WakeResult::AlreadyPending } else { WakeResult::Queued }
}
