//! What a thread knows about itself: the task it polls, the slab and the scheduler it works for.
//!
//! | cell         | set by             | read by                                                    |
//! |--------------|--------------------|------------------------------------------------------------|
//! | `polling`    | `enter_poll`       | wakers: is it the task that this thread polls?             |
//! | - its bit 0  | such a waker       | the poll's end: push the task again, leave its word alone  |
//! | `to_tail`    | `with_to_tail`     | the scheduler: a woken joiner goes behind what waits       |
//! | `slab`       | `enter_slab`       | a free: is it this thread's slab?                          |
//! | `sched`      | `enter_sched`      | spawn and wake: is this a worker of that scheduler?        |
//! | `budget`     | the worker         | operations: may the task go on without yielding?           |
//!
//! One const-initialised thread-local without a destructor: an access is one load relative to the thread
//! pointer, and it works in other thread-locals' destructors too. Without `std` there is none, and every
//! question is answered with "no": always correct, since each has a path for a thread that knows nothing.
//! The pointers are identities; nothing here follows them.

use core::cell::Cell;
use core::ptr;

use crate::sync::per_thread;

struct Context {
    polling: Cell<*const ()>,
    to_tail: Cell<bool>,
    slab: Cell<*const ()>,
    sched: Cell<*const ()>,
    core: Cell<*const ()>,
    budget: Cell<u32>,
}

per_thread! {
    static CONTEXT: Context = Context {
        polling: Cell::new(ptr::null()),
        to_tail: Cell::new(false),
        slab: Cell::new(ptr::null()),
        sched: Cell::new(ptr::null()),
        core: Cell::new(ptr::null()),
        budget: Cell::new(u32::MAX),
    };
}

#[inline(always)]
fn get<T: Copy>(none: T, f: impl FnOnce(&Context) -> T) -> T {
    CONTEXT.try_with(f).unwrap_or(none)
}

/// The thread's number, never used by another thread, before or after; zero if it has none.
#[cfg(feature = "alloc")]
#[inline]
pub(crate) fn token() -> u64 {
    crate::sync::thread_token()
}

/// The thread's number if it has drawn one, else zero.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(crate) fn drawn_token() -> u64 {
    crate::sync::drawn_token()
}

/// In `polling`: the task has woken itself. Tasks are aligned, so the bit is free.
const WOKEN: usize = 1;

/// A poll in progress; polls nest. Dropping it brings back the one around it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Poll {
    outer: *const (),
}

/// Declares that this thread polls `task` from now on.
#[inline(always)]
pub(crate) fn enter_poll(task: *const ()) -> Poll {
    debug_assert!(task.addr() & WOKEN == 0);
    Poll { outer: get(ptr::null(), |c| c.polling.replace(task)) }
}

impl Poll {
    /// Whether the task was woken by the thread that polls it, since `enter_poll`.
    #[inline(always)]
    pub(crate) fn self_woken(&self) -> bool {
        get(false, |c| c.polling.get().addr() & WOKEN != 0)
    }
}

impl Drop for Poll {
    #[inline(always)]
    fn drop(&mut self) {
        get((), |c| c.polling.set(self.outer));
    }
}

/// The task that this thread polls; null if none.
#[inline(always)]
pub(crate) fn polling() -> *const () {
    get(ptr::null(), |c| c.polling.get().map_addr(|a| a & !WOKEN))
}

/// If this thread polls `task`, notes that it has been woken. False: it does not.
#[inline(always)]
pub(crate) fn wake_self(task: *const ()) -> bool {
    get(false, |c| {
        let mine = (c.polling.get().addr() ^ task.addr()) & !WOKEN == 0;
        if mine {
            c.polling.set(task.map_addr(|a| a | WOKEN));
        }
        mine
    })
}

/// Whether what is woken now belongs at the tail of its queue.
#[inline(always)]
pub(crate) fn to_tail() -> bool {
    get(false, |c| c.to_tail.get())
}

/// Runs `f`; what it wakes goes to the tail. `f` does not unwind.
#[inline(always)]
pub(crate) fn with_to_tail<R>(f: impl FnOnce() -> R) -> R {
    let outer = get(false, |c| c.to_tail.replace(true));
    let result = f();
    get((), |c| c.to_tail.set(outer));
    result
}

/// The slab whose owner this thread is; null if none.
#[inline(always)]
pub(crate) fn slab() -> *const () {
    get(ptr::null(), |c| c.slab.get())
}

/// This thread owns a slab. Dropping it, on the same thread, brings back the one before.
#[derive(Debug)]
#[must_use]
pub(crate) struct EnteredSlab {
    outer: *const (),
}

/// Makes this thread the owner of `slab` until the guard is dropped.
pub(crate) fn enter_slab(slab: *const ()) -> EnteredSlab {
    EnteredSlab { outer: get(ptr::null(), |c| c.slab.replace(slab)) }
}

impl Drop for EnteredSlab {
    fn drop(&mut self) {
        get((), |c| c.slab.set(self.outer));
    }
}

/// What [`enter_sched`] was given beside `sched`, if this thread works for it.
#[inline(always)]
pub(crate) fn sched(sched: *const ()) -> Option<*const ()> {
    get(None, |c| (c.sched.get() == sched).then(|| c.core.get()))
}

/// As [`sched`], with whether what is woken now belongs at the tail of its queue.
#[inline(always)]
pub(crate) fn sched_and_tail(sched: *const ()) -> Option<(*const (), bool)> {
    get(None, |c| (c.sched.get() == sched).then(|| (c.core.get(), c.to_tail.get())))
}

/// This thread works for a scheduler. Dropping it, on the same thread, brings back the one before.
#[derive(Debug)]
#[must_use]
pub(crate) struct EnteredSched {
    outer: *const (),
    outer_core: *const (),
}

/// Makes this thread a worker of `sched` until the guard is dropped; `core` is what it needs for that.
pub(crate) fn enter_sched(sched: *const (), core: *const ()) -> EnteredSched {
    let (outer, outer_core) =
        get((ptr::null(), ptr::null()), |c| (c.sched.replace(sched), c.core.replace(core)));
    EnteredSched { outer, outer_core }
}

impl Drop for EnteredSched {
    fn drop(&mut self) {
        get((), |c| {
            c.sched.set(self.outer);
            c.core.set(self.outer_core);
        });
    }
}

/// Sets how many operations the task about to be polled may finish before it should yield.
#[inline(always)]
pub(crate) fn set_budget(budget: u32) {
    get((), |c| c.budget.set(budget));
}

/// Takes one unit of the budget. False: there was none left.
#[inline(always)]
pub(crate) fn spend_budget() -> bool {
    get(true, |c| {
        let left = c.budget.get();
        if left == u32::MAX {
            return true;
        }
        c.budget.set(left.saturating_sub(1));
        left > 0
    })
}
