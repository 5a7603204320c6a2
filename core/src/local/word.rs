//! The owner's transitions of the state word: plain loads and stores.
//!
//! Same bits, same table as [`crate::task::state`]; no other thread writes the word of a task that belongs to
//! a single-thread executor (foreign wakes and references go through its remote word, weak ids from other
//! threads only read). One bit is added: LINGERING, own count 0 but still on the remote stack.
//!
//! | from       | event             | to             | what follows              |
//! |------------|-------------------|----------------|---------------------------|
//! | SCHED      | start             | not NOTIFIED   | poll; CANCELLED: cancel   |
//! | SCHED      | pending           | idle           | nothing                   |
//! | + NOTIFIED | pending           | -              | back to the run queue     |
//! | idle       | wake              | SCHED          | to the run queue          |
//! | SCHED      | wake              | NOTIFIED       | nothing                   |
//! | idle       | abort             | SCHED CANCELLED | to the run queue         |
//! | SCHED      | abort             | CANCELLED      | nothing                   |
//! | SCHED      | complete          | COMPLETE, own-1 | free at 0                |

use core::task::Waker;

use super::refs::{Biased, OWN_MAX};
use super::remote::Linked;
use crate::sync::{AtomicU32, Bits, Ordering};
use crate::task::Header;
use crate::task::header::Tail;
use crate::task::state::{COMPLETE, REF};

/// The own count is zero, but the cell is on the remote stack, or about to be: its pop looks again.
const LINGERING: Bits = 1 << 7;
const OWN: Bits = 0xffff_ffff << 8;
const OWN_SHIFT: u32 = 8;
const _: () = assert!(REF == 1 << OWN_SHIFT);

/// Reads the word.
#[inline(always)]
pub(super) fn get(cell: &Header) -> Bits {
    // ORDERING: Relaxed: this thread alone writes it while the cell is a task.
    cell.state.0.load(Ordering::Relaxed)
}

/// Writes the word.
#[inline(always)]
pub(super) fn set(cell: &Header, word: Bits) {
    // ORDERING: Relaxed: other threads only look for the generation, and whether the task is over, as a hint.
    cell.state.0.store(word, Ordering::Relaxed);
}

/// All but the generation.
#[inline(always)]
pub(super) fn flags_and_own(word: Bits) -> Bits {
    word & (OWN | (REF - 1))
}

/// Whether the own count is one.
#[inline(always)]
pub(super) fn is_last(word: Bits) -> bool {
    (word >> OWN_SHIFT) as u32 == 1
}

/// Whether the own count is above one: it stays above zero when one is taken off.
#[inline(always)]
pub(super) fn has_more(word: Bits) -> bool {
    (word >> OWN_SHIFT) as u32 > 1
}

/// Whether the own count is neither zero (what is left is counted elsewhere) nor so high that it could overflow.
#[inline(always)]
pub(super) fn can_grow(word: Bits) -> bool {
    ((word >> OWN_SHIFT) as u32).wrapping_sub(1) < OWN_MAX
}

/// Where the join waker of a task lies, if JOIN_WAKER is set.
#[inline(always)]
fn joiner(tail: *const Tail) -> *const Waker {
    // SAFETY: the callers have it from the cell.
    unsafe { &raw const (*tail).waker }.cast()
}

/// Takes the join waker out.
///
/// # Safety
/// JOIN_WAKER is set, and the caller clears it.
#[inline(always)]
pub(super) unsafe fn take_joiner(cell: &Header) -> Waker {
    // SAFETY: the bit says that a waker is there, and this thread alone looks.
    cell.tail.with_mut(|t| unsafe { joiner(t).read() })
}

/// Whether the join waker wakes the same task as `waker`.
///
/// # Safety
/// JOIN_WAKER is set.
#[inline(always)]
pub(super) unsafe fn joiner_is(cell: &Header, waker: &Waker) -> bool {
    // SAFETY: the bit says that a waker is there, and this thread alone looks.
    cell.tail.with(|t| unsafe { &*joiner(t) }.will_wake(waker))
}

/// Stores a join waker; the caller sets JOIN_WAKER.
///
/// # Safety
/// JOIN_WAKER is clear (else the old waker leaks), and the task not complete.
#[inline(always)]
pub(super) unsafe fn put_joiner(cell: &Header, waker: Waker) {
    // SAFETY: the field is the handle's, on this thread.
    cell.tail.with_mut(|t| unsafe { joiner(t).cast_mut().write(waker) });
}

// SAFETY: while a cell is a task of a single-thread executor, its link is used by the remote stack alone:
// the run queue holds pointers.
unsafe impl Linked for Header {
    #[inline(always)]
    fn word(&self) -> &AtomicU32 {
        &self.remote
    }
}

// SAFETY: `word` and `task` (spawn) are all that write the own count and the mark; the mark is zero at first.
unsafe impl Biased for Header {
    #[inline(always)]
    fn own(&self) -> u32 {
        (get(self) >> OWN_SHIFT) as u32
    }

    #[inline(always)]
    fn set_own(&self, own: u32, lingering: bool) {
        let mark = if lingering { LINGERING } else { 0 };
        set(self, get(self) & !(OWN | LINGERING) | Bits::from(own) << OWN_SHIFT | mark);
    }

    #[inline(always)]
    fn lingering(&self) -> bool {
        get(self) & LINGERING != 0
    }

    #[inline(always)]
    fn is_over(&self) -> bool {
        get(self) & COMPLETE != 0
    }
}
