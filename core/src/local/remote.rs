//! What other threads may do to a task that belongs to one thread: the `remote` word and the stack behind it.
//!
//! The owner keeps its references in plain bits of the state word ("own count"). Everybody else counts
//! in this word, signed, so that a reference made on one side may be dropped on the other:
//!
//! ```text
//! bit   0       1       2      3 ..= 31
//!       MERGED  QUEUED  WAKE   delta (signed): foreign clones minus foreign drops
//!
//! references to the cell = own count + delta
//! ```
//!
//! | from              | event                         | to                    | what follows                        |
//! |-------------------|-------------------------------|-----------------------|-------------------------------------|
//! | any               | foreign clone                 | delta+1               |                                     |
//! | not MERGED        | foreign drop, delta stays >=0 | delta-1               |                                     |
//! | not MERGED        | foreign drop, delta < 0       | delta-1, QUEUED       | push and unpark if QUEUED is new    |
//! | not MERGED        | foreign wake                  | WAKE, QUEUED          | push and unpark if QUEUED is new    |
//! | not MERGED        | foreign wake by value         | WAKE, QUEUED, delta-1 | push and unpark if QUEUED is new    |
//! | MERGED            | foreign wake                  | -                     | nothing: the task has completed     |
//! | MERGED            | foreign drop                  | delta-1, or 0 at 0    | at 0 the dropper frees              |
//! | QUEUED            | owner pops the link           | 0                     | own += delta; wake; own = 0: as below |
//! | delta > 0         | own count would reach 0, task not over | delta 0      | own = delta                         |
//! | 0                 | owner's own count reaches 0   | 0                     | free, without a locked instruction  |
//! | QUEUED            | owner's own count reaches 0   | -                     | linger: the pop looks again         |
//! | delta > 0         | owner's own count reaches 0   | MERGED                | the last foreign drop frees         |
//! | any               | shutdown                      | MERGED, delta += own  | free if that is 0 and not QUEUED    |
//! | QUEUED            | the push met a closed stack   | not QUEUED, not WAKE  | free if MERGED and delta 0          |
//!
//! Invariants:
//! - whoever sets QUEUED pushes the link, and nobody else pushes or unparks for it;
//! - while QUEUED is set, nobody frees the cell (a weak id may queue a *free* cell; see below);
//! - not MERGED and not QUEUED: own count > 0 and delta >= 0, or the cell is free and the word is 0;
//! - own count 0: the task is over; MERGED: it is so for good, and the owner's thread counts here too;
//! - own count 0 and not MERGED (lingering): the owner's thread counts here as well.
//!
//! *Every setter of QUEUED unparks, a drop too.* A drop that did not would lose the wake of a second
//! thread which finds QUEUED set, adds WAKE, and leaves the rest to the first, whose push comes late. In
//! return nobody else unparks, and a wake by value is one CAS where "wake by ref, unpark, drop" was two and
//! often pushed twice. The price is that the pusher has given its reference away before it touches the
//! owner's shared part; [`super::shared`] counts such pushers.
//!
//! *Weak ids* hold no reference. They set WAKE and QUEUED on a word that is not MERGED, so they may
//! queue a cell that has just been freed, or that serves another task by now: the pop of a free cell does
//! nothing, that of another task's is a spurious wake. A cell is therefore reused without writing its word, and
//! a chunk whose memory is to be given back is *sealed* first: MERGED, from 0, in every cell's word by one CAS each
//! (`slab::trim`). Where that fails the cell is queued and the chunk stays. A weak wake that comes after finds MERGED,
//! or, when the memory has gone, the 0 of a cell that was never used, and queues that: as harmless.
//!
//! Prior work: biased reference counting (Choi, Shull, Torrellas, PACT 2018), whose queue of objects to
//! merge this follows; the wake rides in the same word.

use core::ptr::NonNull;

use crate::queue::intake::{Node, Stack};
use crate::sync::{AtomicU32, Ordering};
use crate::task::header::SEALED;

/// The own count reached zero with foreign references out: the last of those frees. Or the cell is free and sealed.
pub(crate) const MERGED: u32 = SEALED;
/// The cell is on the remote stack, or its setter is about to push it.
pub(crate) const QUEUED: u32 = 1 << 1;
/// A foreign wake that the owner has not seen yet. Never without QUEUED.
pub(crate) const WAKE: u32 = 1 << 2;
/// One reference, in the signed field above the flags.
const ONE: u32 = 1 << 3;
/// References one side may run ahead of the other: far below the 2^28 that fit.
const MAX_DELTA: i32 = 1 << 27;

/// The signed count in `word`.
#[inline]
const fn delta(word: u32) -> i32 {
    word.cast_signed() >> 3
}

/// What a foreign thread does after it changed the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Foreign {
    /// Nothing; the cell may be gone already.
    Nothing,
    /// Push the cell on the remote stack and unpark the owner. The cell stays until that is done.
    Push,
    /// It was the last reference: give the cell back.
    Free,
}

/// What becomes of a cell whose own count has reached zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum LastOwn {
    /// Nobody holds it: give it back.
    Free,
    /// It is queued: mark it as lingering, the pop looks again.
    Linger,
    /// The last foreign drop frees it, perhaps at this moment: hands off.
    Merged,
}

/// What the owner found in the word of a popped cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Somebody woke the task.
    pub(crate) wake: bool,
    /// To be added to the own count.
    pub(crate) delta: i32,
}

/// Another reference, counted on the foreign side. The caller holds one already.
#[inline]
pub(crate) fn add_ref(word: &AtomicU32) {
    // ORDERING: Relaxed: a clone publishes nothing, and whoever hands it on orders that hand-over.
    let before = word.fetch_add(ONE, Ordering::Relaxed);
    if delta(before) >= MAX_DELTA {
        overflow();
    }
}

/// Gives back one reference, counted on the foreign side.
#[inline]
pub(crate) fn drop_ref(word: &AtomicU32) -> Foreign {
    settle(word, 0)
}

/// Wakes the task by value: wake and drop in one step.
#[inline]
pub(crate) fn wake_by_val(word: &AtomicU32) -> Foreign {
    settle(word, WAKE | QUEUED)
}

/// delta-1, and `flags` unless MERGED.
#[inline]
fn settle(word: &AtomicU32, flags: u32) -> Foreign {
    // ORDERING: Relaxed: the CAS below decides.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let less = seen.wrapping_sub(ONE);
        let (next, after) = if seen & MERGED != 0 {
            // At zero the word goes back to 0, as the next user of the cell expects it.
            if less == MERGED { (0, Foreign::Free) } else { (less, Foreign::Nothing) }
        } else {
            let next = if delta(less) < 0 { less | flags | QUEUED } else { less | flags };
            (next, if next & !seen & QUEUED != 0 { Foreign::Push } else { Foreign::Nothing })
        };
        // ORDERING: Release pairs with the Acquire of `take`, `last_own` and `merge`, and of the last
        // drop here: what this thread did with the cell (and wrote before it woke) comes before the
        // free, the reuse or the poll. Acquire: the one who frees is that other side.
        match word.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => {
                if delta(less) < -MAX_DELTA {
                    overflow();
                }
                return after;
            }
            Err(now) => seen = now,
        }
    }
}

/// Wakes the task and keeps the reference, or had none (a weak id).
#[inline]
pub(crate) fn wake_by_ref(word: &AtomicU32) -> Foreign {
    // ORDERING: Relaxed: the CAS below decides.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        if seen & MERGED != 0 {
            return Foreign::Nothing;
        }
        // ORDERING: Release pairs with the Acquire of `take`: the poll sees what was written before the
        // wake. Also when both bits are set already: the poll must acquire this write, not only the
        // first waker's.
        match word.compare_exchange(seen, seen | WAKE | QUEUED, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) if seen & QUEUED == 0 => return Foreign::Push,
            Ok(_) => return Foreign::Nothing,
            Err(now) => seen = now,
        }
    }
}

/// The push met a closed stack: the setter of QUEUED takes it back.
fn push_refused(word: &AtomicU32) -> Foreign {
    // ORDERING: Relaxed: the CAS below decides.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let mut next = seen & !(QUEUED | WAKE);
        let free = next == MERGED;
        if free {
            next = 0;
        }
        // ORDERING: Acquire pairs with the Release of `merge` and of the other drops: the cell as they
        // left it is given back. Release: for `merge`, if it comes later.
        match word.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return if free { Foreign::Free } else { Foreign::Nothing },
            Err(now) => seen = now,
        }
    }
}

/// Owner, the own count about to become zero: whether no other thread counts in the word, or has queued the cell.
#[inline(always)]
pub(crate) fn is_untouched(word: &AtomicU32) -> bool {
    // ORDERING: Acquire, as in `last_own`, which this is the short form of.
    word.load(Ordering::Acquire) == 0
}

/// Owner: the own count has just become zero (and is stored as such).
#[inline]
pub(crate) fn last_own(word: &AtomicU32) -> LastOwn {
    // ORDERING: Acquire pairs with the Release of the foreign drop that made delta zero: its last look
    // at the cell comes before our reuse of it.
    let mut seen = word.load(Ordering::Acquire);
    loop {
        if seen & QUEUED != 0 {
            return LastOwn::Linger;
        }
        if seen == 0 {
            return LastOwn::Free;
        }
        debug_assert!(seen & MERGED == 0 && delta(seen) > 0, "own count 0 twice, or a debt nobody queued");
        // ORDERING: Release pairs with the Acquire of the last foreign drop, which frees the cell as we
        // left it; on failure Acquire, as for the load.
        match word.compare_exchange(seen, seen | MERGED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return LastOwn::Merged,
            Err(now) => seen = now,
        }
    }
}

/// Owner: takes what has gathered in the word of a popped cell. Read the link first: from here on
/// the cell may be queued again.
#[inline]
pub(crate) fn take(word: &AtomicU32) -> Taken {
    // ORDERING: Acquire pairs with the Release of wakes and drops; Release: a foreign thread that
    // queues the cell again writes the link which we have read.
    let seen = word.swap(0, Ordering::AcqRel);
    debug_assert!(seen & QUEUED != 0, "popped a cell that nobody queued");
    debug_assert!(seen & MERGED == 0, "a merged cell is never queued");
    Taken { wake: seen & WAKE != 0, delta: delta(seen) }
}

/// Owner: the last of its own references goes, but the task is not over: so delta is positive. Takes it out.
#[cold]
pub(crate) fn collect(word: &AtomicU32) -> u32 {
    // ORDERING: Relaxed: the task's own reference is among these, so nothing ends here; the flags stay for `take`.
    let seen = word.fetch_and(MERGED | QUEUED | WAKE, Ordering::Relaxed);
    debug_assert!(seen & MERGED == 0 && delta(seen) > 0, "a task without its own reference");
    delta(seen).cast_unsigned()
}

/// Owner, at shutdown: moves the own count over to this word, for good. True: free the cell.
pub(crate) fn merge(word: &AtomicU32, own: u32) -> bool {
    // ORDERING: Relaxed: the CAS below decides.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        debug_assert!(seen & MERGED == 0, "merged twice");
        let sum = seen.wrapping_add(own.wrapping_mul(ONE));
        let free = sum & QUEUED == 0 && delta(sum) == 0;
        let next = if free { 0 } else { sum | MERGED };
        // ORDERING: Release pairs with the Acquire of the last drop; Acquire with the drops so far.
        match word.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return free,
            Err(now) => seen = now,
        }
    }
}

#[cold]
fn overflow() -> ! {
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            panic!("a second panic, to abort: an unwinding clone would leave the count wrong");
        }
    }
    let _abort = Abort;
    panic!("more than 2^27 references to one task from other threads");
}

/// A cell with a remote word, that can lie on the remote stack.
///
/// # Safety
/// Its link is used by the remote stack alone.
pub(crate) unsafe trait Linked: Node {
    /// The word that other threads count in.
    fn word(&self) -> &AtomicU32;
}

/// Foreign: carries out what a transition of the node's word asked for. True: free the cell.
///
/// `unpark` ends the owner's sleep. The caller makes sure that it may still be called after the push,
/// when the owner may have taken the cell and ended: by a reference that it keeps, or by a guard.
///
/// # Safety
/// `after` was just returned by a function of this module, for the word of `node`.
#[inline]
#[must_use]
pub(crate) unsafe fn finish<N: Linked>(
    after: Foreign,
    node: NonNull<N>,
    stack: &Stack<N>,
    unpark: impl FnOnce(),
) -> bool {
    match after {
        Foreign::Nothing => false,
        Foreign::Free => true,
        Foreign::Push => {
            // SAFETY: `Push` says that this thread set QUEUED: it alone pushes, and the cell stays until `take`.
            if unsafe { stack.push(node) } {
                unpark();
                return false;
            }
            // SAFETY: not pushed, so still queued by this thread alone: the cell is there.
            let word = unsafe { node.as_ref() }.word();
            push_refused(word) == Foreign::Free
        }
    }
}
