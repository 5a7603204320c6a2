//! The word that other threads count in: the rows of its table, one by one.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::local::remote::{
    Foreign, LastOwn, Linked, MERGED, QUEUED, Taken, WAKE, add_ref, collect, drop_ref, finish, last_own,
    merge, take, wake_by_ref, wake_by_val,
};
use crate::queue::intake::{Node, Stack};
use crate::sync::{AtomicU32, Ordering};

/// One reference, counted elsewhere.
const ONE: u32 = 8;
/// The same for one dropped there that was made here.
const DEBT: u32 = 0_u32.wrapping_sub(ONE);

/// Carries out `step` on a word that is `from`: what it returned, and the word after it.
fn step<R>(from: u32, step: impl FnOnce(&AtomicU32) -> R) -> (R, u32) {
    let word = AtomicU32::new(from);
    let returned = step(&word);
    (returned, word.load(Ordering::Relaxed))
}

#[test]
fn a_drop_elsewhere_that_runs_into_debt_queues_the_cell_once() {
    assert_eq!(step(ONE, drop_ref), (Foreign::Nothing, 0));
    assert_eq!(step(0, drop_ref), (Foreign::Push, DEBT | QUEUED));
    assert_eq!(step(DEBT | QUEUED, drop_ref), (Foreign::Nothing, DEBT.wrapping_sub(ONE) | QUEUED));
    assert_eq!(step(DEBT | QUEUED, add_ref), ((), QUEUED));
}

#[test]
fn a_wake_elsewhere_queues_the_cell_once_and_a_task_that_is_over_is_not_woken() {
    assert_eq!(step(ONE, wake_by_ref), (Foreign::Push, ONE | WAKE | QUEUED));
    assert_eq!(step(ONE | QUEUED, wake_by_ref), (Foreign::Nothing, ONE | WAKE | QUEUED));
    assert_eq!(step(ONE | MERGED, wake_by_ref), (Foreign::Nothing, ONE | MERGED));
    assert_eq!(step(ONE, wake_by_val), (Foreign::Push, WAKE | QUEUED));
    assert_eq!(step(WAKE | QUEUED, wake_by_val), (Foreign::Nothing, DEBT | WAKE | QUEUED));
    assert_eq!(step((2 * ONE) | MERGED, wake_by_val), (Foreign::Nothing, ONE | MERGED));
}

#[test]
fn the_last_drop_after_the_merge_frees_and_leaves_an_unused_word() {
    assert_eq!(step((2 * ONE) | MERGED, drop_ref), (Foreign::Nothing, ONE | MERGED));
    assert_eq!(step(ONE | MERGED, drop_ref), (Foreign::Free, 0));
    assert_eq!(step(ONE | MERGED, wake_by_val), (Foreign::Free, 0));
}

#[test]
fn the_last_of_the_owners_own_references_frees_lingers_or_merges() {
    assert_eq!(step(0, last_own), (LastOwn::Free, 0));
    assert_eq!(step(ONE | QUEUED, last_own), (LastOwn::Linger, ONE | QUEUED));
    assert_eq!(step(ONE, last_own), (LastOwn::Merged, ONE | MERGED));
}

#[test]
fn what_the_owner_takes_is_counted_once() {
    assert_eq!(step(DEBT | WAKE | QUEUED, take), (Taken { wake: true, delta: -1 }, 0));
    assert_eq!(step((2 * ONE) | QUEUED, take), (Taken { wake: false, delta: 2 }, 0));
    // Before its last reference goes; the flags are for the one who pops it.
    assert_eq!(step((3 * ONE) | WAKE | QUEUED, collect), (3, WAKE | QUEUED));
}

#[test]
fn a_shutdown_moves_the_own_count_over_or_frees() {
    assert_eq!(step(0, |w| merge(w, 2)), (false, (2 * ONE) | MERGED));
    assert_eq!(step(ONE, |w| merge(w, 0)), (false, ONE | MERGED));
    assert_eq!(step(0, |w| merge(w, 0)), (true, 0));
    // All dropped, but its pusher has not yet found the stack closed: that one frees.
    assert_eq!(step(DEBT | QUEUED, |w| merge(w, 1)), (false, QUEUED | MERGED));
}

/// A cell of nothing but its word and its link.
struct Bare {
    word: AtomicU32,
    link: Cell<*mut Bare>,
}

// SAFETY: the link is used by one test's stack alone.
unsafe impl Node for Bare {
    unsafe fn set_link(this: NonNull<Self>, next: *mut Self) {
        // SAFETY: it lies on the test's stack frame.
        unsafe { this.as_ref() }.link.set(next);
    }

    unsafe fn link(this: NonNull<Self>) -> *mut Self {
        // SAFETY: as above.
        unsafe { this.as_ref() }.link.get()
    }
}

// SAFETY: as for `Node`.
unsafe impl Linked for Bare {
    fn word(&self) -> &AtomicU32 {
        &self.word
    }
}

/// A wake by reference of a cell whose word is `from`, between whose CAS and whose push `before_push` comes: whether
/// the waker was to free it and to unpark the owner, and the word that is left.
fn wake(from: u32, stack: &Stack<Bare>, before_push: impl FnOnce(&AtomicU32)) -> (bool, bool, u32) {
    let cell = Bare { word: AtomicU32::new(from), link: Cell::new(ptr::null_mut()) };
    let after = wake_by_ref(&cell.word);
    assert_eq!(after, Foreign::Push);
    before_push(&cell.word);
    let mut unparked = false;
    // SAFETY: `wake_by_ref` has just returned it, for this word.
    let free = unsafe { finish(after, NonNull::from(&cell), stack, || unparked = true) };
    if unparked {
        // What was pushed is taken before the cell goes.
        assert_eq!(stack.take_all().count(), 1);
    }
    (free, unparked, cell.word.load(Ordering::Relaxed))
}

#[test]
fn a_push_that_meets_a_closed_stack_is_taken_back_and_frees_what_nobody_holds() {
    let stack = Stack::new();
    assert_eq!(wake(ONE, &stack, |_| ()), (false, true, ONE | WAKE | QUEUED));
    assert_eq!(stack.close().count(), 0);
    assert_eq!(wake(ONE, &stack, |_| ()), (false, false, ONE), "not merged yet: the owner is about to");
    assert_eq!(wake(ONE, &stack, |w| assert!(!merge(w, 1))), (false, false, (2 * ONE) | MERGED));
    // A weak id's wake, and a task whose last reference went with the shutdown.
    let merged = wake(0, &stack, |w| {
        assert!(!merge(w, 0), "queued: whoever queued it frees it");
    });
    assert_eq!(merged, (true, false, 0));
}
