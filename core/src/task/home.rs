//! Where a task's cell lies, and what follows from it: its scheduler, its wakers, its payload, its end.
//!
//! | home                 | the cell is                | its scheduler is named by | its end                |
//! |----------------------|----------------------------|---------------------------|------------------------|
//! | [`InSlab`]           | a slab's (`in_slab`)       | the head of its chunk     | gives it to the slab   |
//! | [`InPlace`]          | the caller's own (`place`) | what lies before it       | the word says so       |
//!
//! A type parameter and not an entry of the task's vtable, so that neither pays for the other: no call through a
//! pointer where a wake asks for its scheduler or a task ends.
//!
//! [`InSlab`]: super::in_slab::InSlab
//! [`InPlace`]: super::place::InPlace

use core::mem::{ManuallyDrop, MaybeUninit, align_of, needs_drop, size_of};
use core::ptr::NonNull;
use core::task::RawWakerVTable;

use super::header::{Header, payload};
use super::schedule::{Here, Schedule};

/// See the module. It cannot be implemented elsewhere.
///
/// # Safety
/// - `wakers` are those of `waker`, for this home.
/// - `scheduler` is alive as long as any reference to a task of it, or a worker of it.
/// - `place`, `put_from`, `take` and `drop_there` agree on where a `T` is.
#[expect(private_interfaces, reason = "sealed: the types that its methods name are the crate's own")]
pub unsafe trait Home: 'static {
    /// What wakers of tasks that lie here point to beside their task.
    #[doc(hidden)]
    fn wakers() -> &'static RawWakerVTable;

    /// # Safety
    /// The cell lies here and is alive, and so for `'a` is its scheduler.
    #[doc(hidden)]
    unsafe fn scheduler<'a>(cell: NonNull<Header>) -> &'a dyn Schedule;

    /// Whether the calling thread needs no reference to keep the task's scheduler while it calls it, and how it does that.
    ///
    /// # Safety
    /// The cell lies here and is alive.
    #[doc(hidden)]
    unsafe fn here_kept(cell: NonNull<Header>) -> Option<Here>;

    /// Gives the cell back.
    ///
    /// # Safety
    /// The cell lies here, its word says that nobody holds it, and this is called once.
    #[doc(hidden)]
    unsafe fn free(cell: NonNull<Header>);

    /// The same where `State::free_sole` has just been called, and the stage is `Future`.
    ///
    /// # Safety
    /// As for `free`.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn free_sole(cell: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe { Self::free(cell) };
    }

    /// Whether a stored `T` leaves something to do at its end.
    #[doc(hidden)]
    #[inline(always)]
    fn has_end<T>() -> bool {
        needs_drop::<T>()
    }

    /// Where the `T` of `cell` lies.
    ///
    /// # Safety
    /// A `T` is in the payload, and it is the caller's.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn place<T>(cell: NonNull<Header>) -> *mut T {
        payload(cell)
    }

    /// Moves what `from` points at into the payload.
    ///
    /// # Safety
    /// The payload is the caller's, and nothing is in it; the cell was made for a task with a `T`. A `T` is at `from`,
    /// and is not used there again.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn put_from<T>(cell: NonNull<Header>, from: *const T) {
        // SAFETY: the cell has room for a `T`, aligned as it asks; the rest is the caller's promise.
        unsafe { move_to(payload::<T>(cell), from) };
    }

    /// Stores `value` in the payload.
    ///
    /// # Safety
    /// As for `put_from`.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn put<T>(cell: NonNull<Header>, value: T) {
        let value = ManuallyDrop::new(value);
        // SAFETY: the caller's promise; the value is not dropped here.
        unsafe { Self::put_from::<T>(cell, &raw const *value) };
    }

    /// Takes the `T` out of the payload.
    ///
    /// # Safety
    /// As for `place`; afterwards there is none.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn take<T>(cell: NonNull<Header>) -> T {
        // SAFETY: it is there, and the caller does not use it there again.
        unsafe { payload::<T>(cell).read() }
    }

    /// Drops the `T` in the payload where it lies. May unwind.
    ///
    /// # Safety
    /// As for `take`.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn drop_there<T>(cell: NonNull<Header>) {
        // SAFETY: it is there, and nobody uses it again.
        unsafe { payload::<T>(cell).drop_in_place() };
    }
}

/// A `T` of so many words is moved word by word.
const FEW_WORDS: usize = 4;

/// Moves a `T`. A small one word by word: a future that has just been written in words, or lies in registers, is not read back
/// as one vector then, which a processor cannot take from stores that have not reached the cache, and waits for. The spawn
/// of a task that does nothing but spawn the next took a quarter less.
///
/// # Safety
/// As for `copy_from_nonoverlapping`, of one `T`.
#[inline(always)]
pub(super) unsafe fn move_to<T>(to: *mut T, from: *const T) {
    type Word = MaybeUninit<usize>;
    let words = size_of::<T>() / size_of::<Word>();
    if words > FEW_WORDS
        || !size_of::<T>().is_multiple_of(size_of::<Word>())
        || align_of::<T>() < align_of::<Word>()
    {
        // SAFETY: the caller's promise.
        return unsafe { to.copy_from_nonoverlapping(from, 1) };
    }
    for i in 0..words {
        // SAFETY: word `i` lies inside of a `T`, whose alignment is at least a word's; its bytes may be anything.
        let word = unsafe { from.cast::<Word>().wrapping_add(i).read() };
        // SAFETY: as above.
        unsafe { to.cast::<Word>().wrapping_add(i).write(word) };
    }
}

#[cfg(all(test, not(any(ouzel_loom, ouzel_shuttle))))]
mod tests {
    use super::*;

    /// A `T` moved is the `T` it was, and nothing beside it is written.
    fn moves<T: Copy + PartialEq + core::fmt::Debug>(value: T, other: T) {
        let mut to = [other; 3];
        // SAFETY: both are a `T`'s place, apart from each other.
        unsafe { move_to(&raw mut to[1], &raw const value) };
        assert_eq!(to, [other, value, other]);
    }

    #[test]
    fn values_of_any_size_and_alignment_are_moved_whole() {
        moves((), ());
        moves(1u8, 2);
        moves([1u8; 8], [2; 8]);
        moves((1u8, 2u64), (3, 4));
        moves([1usize, 2], [3, 4]);
        moves([1usize, 2, 3], [4, 5, 6]);
        moves([1usize, 2, 3, 4], [5, 6, 7, 8]);
        moves([1usize, 2, 3, 4, 5], [6, 7, 8, 9, 10]);
        moves([1u32; 7], [2; 7]);
        moves(1u128, 2);
        moves([1u128; 2], [2; 2]);
    }
}
