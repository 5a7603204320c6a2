//! The owner's side of a biased count: plain loads and stores, and what happens when they reach zero.
//!
//! *A task that is not over keeps its own count above zero.* A waker cloned on another thread and dropped here
//! makes the own count smaller than the references that were made here, so two of them could bring it to zero
//! under a live task; merging then would lose every later wake. The drop that would do that first adds
//! the foreign delta, which is positive in that case, to the own count.
//!
//! Generic over the cell, so that the loom models beside it run this code on a cell of a few words.

use core::ptr::NonNull;

use super::remote::{self, Foreign, LastOwn, Linked, Taken};

/// Own references at the most.
pub(crate) const OWN_MAX: u32 = 1 << 31;

/// A cell with an own count, kept by one thread, beside the word that others count in.
///
/// # Safety
/// The own count and the lingering mark are written through this trait alone (and when the cell is made).
pub(crate) unsafe trait Biased: Linked {
    /// Owner: its own count.
    fn own(&self) -> u32;
    /// Owner: writes its own count, and whether the cell lingers (own count 0, but still queued).
    fn set_own(&self, own: u32, lingering: bool);
    /// Owner: what `set_own` last wrote.
    fn lingering(&self) -> bool;
    /// Owner: whether the task has completed, and with it given back the reference that it has of itself.
    fn is_over(&self) -> bool;
}

/// Owner: another reference.
///
/// # Safety
/// The caller is the cell's owner thread and holds a reference.
#[inline]
pub(crate) unsafe fn clone_own<C: Biased>(cell: NonNull<C>) {
    // SAFETY: the caller holds a reference.
    let c = unsafe { cell.as_ref() };
    match c.own() {
        // Merged or lingering: what is left is counted in the word.
        0 => remote::add_ref(c.word()),
        own if own > OWN_MAX => crate::task::state::overflow(),
        own => c.set_own(own + 1, false),
    }
}

/// Owner: one reference less. True: it was the last one of all, free the cell.
///
/// # Safety
/// The caller is the cell's owner thread and gives up a reference.
#[inline]
#[must_use]
pub(crate) unsafe fn drop_own<C: Biased>(cell: NonNull<C>) -> bool {
    // SAFETY: the caller still holds a reference.
    let c = unsafe { cell.as_ref() };
    match c.own() {
        0 => {
            let after = remote::drop_ref(c.word());
            debug_assert!(after != Foreign::Push, "lingering, yet not queued");
            after == Foreign::Free
        }
        1 if c.is_over() => {
            c.set_own(0, false);
            // SAFETY: the own count has just become zero.
            unsafe { released(cell) }
        }
        1 => {
            // The task's own reference is among those counted elsewhere: bring them home.
            c.set_own(remote::collect(c.word()), false);
            false
        }
        own => {
            c.set_own(own - 1, false);
            false
        }
    }
}

/// Owner: the own count has just been stored as zero. True: free the cell.
///
/// # Safety
/// As the first sentence says, on the owner's thread.
#[inline]
#[must_use]
pub(crate) unsafe fn released<C: Biased>(cell: NonNull<C>) -> bool {
    // SAFETY: no decision has been made yet, so nobody has freed the cell.
    let c = unsafe { cell.as_ref() };
    match remote::last_own(c.word()) {
        LastOwn::Free => true,
        LastOwn::Linger => {
            c.set_own(0, true);
            false
        }
        LastOwn::Merged => false,
    }
}

/// Owner: looks at a cell popped from the remote stack; `wake` is called if that was asked for. True:
/// free the cell.
///
/// # Safety
/// The caller is the owner's thread and has just got `cell` from a chain of its stack.
#[must_use]
pub(crate) unsafe fn popped<C: Biased>(cell: NonNull<C>, wake: impl FnOnce(NonNull<C>)) -> bool {
    // SAFETY: still queued, so not freed, or free and in mapped memory (a weak id queued it).
    let c = unsafe { cell.as_ref() };
    let Taken { wake: woken, delta } = remote::take(c.word());
    let own = c.own();
    if own == 0 && !c.lingering() {
        debug_assert!(delta == 0, "a free cell that somebody counts in");
        return false;
    }
    let sum = own.wrapping_add_signed(delta);
    c.set_own(sum, false);
    if sum == 0 {
        // SAFETY: stored as zero on the line above.
        return unsafe { released(cell) };
    }
    if woken {
        wake(cell);
    }
    false
}

/// Owner, at shutdown: hands the cell's fate to whoever still holds it, if it is out. True: free it.
///
/// # Safety
/// The caller is the owner's thread, the stack is closed, and all of what it held has been popped.
#[must_use]
pub(crate) unsafe fn hand_over<C: Biased>(cell: NonNull<C>) -> bool {
    // SAFETY: cells stay mapped until their slab is closed, which comes after this.
    let c = unsafe { cell.as_ref() };
    let own = c.own();
    if own == 0 && !c.lingering() {
        return false; // free, or merged before
    }
    c.set_own(0, false);
    remote::merge(c.word(), own)
}
