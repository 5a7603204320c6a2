//! Tasks in a slab's cells: what a stealing scheduler spawns.
//!
//! What is larger than the largest size class or aligned to more than 16 bytes lies in a box, so that every task
//! is a slab's cell; both a task and its handle, which knows the output's type alone, decide that by the type.

use alloc::boxed::Box;
use core::future::Future;
use core::mem::{align_of, needs_drop, size_of};
use core::ptr::NonNull;
use core::task::{RawWakerVTable, Waker};

use super::cell;
use super::chunk::{LARGEST, class_of, head_of};
use super::given::Source;
use super::header::{Header, PAYLOAD, payload};
use super::home::{Home, move_to};
use super::join::JoinHandle;
use super::raw::{self, AfterRun};
use super::schedule::{Here, Notified, Schedule};
use super::unwind::Caught;
use super::waker;
use crate::context;
use crate::slab::{self, Slab};

/// Tasks whose cells are a slab's.
#[derive(Debug)]
pub enum InSlab {}

/// A static and not a constant: `task_of` compares its address.
static WAKERS: RawWakerVTable = waker::table::<InSlab>();

/// Whether a `T` is stored in a box.
const fn boxed<T>() -> bool {
    let chosen = cfg!(ouzel_switch = "boxed") && size_of::<T>() > size_of::<usize>();
    chosen || size_of::<T>() > LARGEST - PAYLOAD || align_of::<T>() > 16
}

const fn stored<T>() -> usize {
    if boxed::<T>() { size_of::<*mut T>() } else { size_of::<T>() }
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Bytes of a cell for a task of type `F`.
const fn cell_size<F: Future>() -> usize {
    PAYLOAD + max(size_of::<Caught>(), max(stored::<F>(), stored::<F::Output>()))
}

#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
#[cfg(not(ouzel_switch = "boxed"))]
#[cfg(target_pointer_width = "64")]
const _: () = {
    use super::chunk::CLASS_BYTES;
    use core::future::Ready;
    assert!(CLASS_BYTES[class_of(cell_size::<Ready<u64>>())] == 64, "a 16-byte future takes one cache line");
    assert!(size_of::<Ready<u64>>() == 16);
    assert!(CLASS_BYTES[class_of(cell_size::<Ready<[u64; 15]>>())] == 192, "a 128-byte future takes three");
    assert!(size_of::<Ready<[u64; 15]>>() == 128);
};

// SAFETY: the table is made for this home; a slab keeps its scheduler while a cell is out, and a worker keeps
// its own; the four agree on `boxed`.
#[expect(private_interfaces, reason = "as in the trait")]
unsafe impl Home for InSlab {
    #[inline(always)]
    fn wakers() -> &'static RawWakerVTable {
        &WAKERS
    }

    #[inline(always)]
    unsafe fn scheduler<'a>(cell: NonNull<Header>) -> &'a dyn Schedule {
        // SAFETY: the caller keeps the cell.
        let head = unsafe { head_of(cell) };
        // SAFETY: the caller keeps the scheduler.
        unsafe { &*head.sched }
    }

    #[inline(always)]
    unsafe fn here_kept(cell: NonNull<Header>) -> Option<Here> {
        // SAFETY: the caller keeps the cell.
        let head = unsafe { head_of(cell) };
        context::sched_and_tail(head.sched.cast()).map(|(core, to_tail)| Here { core, to_tail })
    }

    #[inline(always)]
    unsafe fn free(cell: NonNull<Header>) {
        // SAFETY: nobody holds the cell; its future and output went before the last reference.
        unsafe { slab::free(cell) };
    }

    #[inline(always)]
    unsafe fn free_sole(cell: NonNull<Header>) {
        // SAFETY: as above, and a cell that was sole has no weak ids.
        unsafe { slab::free_unexported(cell) };
    }

    #[inline(always)]
    fn has_end<T>() -> bool {
        boxed::<T>() || needs_drop::<T>()
    }

    #[inline(always)]
    unsafe fn place<T>(cell: NonNull<Header>) -> *mut T {
        if boxed::<T>() {
            // SAFETY: `put` stored the pointer there.
            unsafe { payload::<*mut T>(cell).read() }
        } else {
            payload(cell)
        }
    }

    #[inline(always)]
    unsafe fn put_from<T>(cell: NonNull<Header>, from: *const T) {
        let to = if boxed::<T>() {
            let room = Box::into_raw(Box::<T>::new_uninit()).cast::<T>();
            // SAFETY: a cell has room for a pointer, aligned to 16.
            unsafe { payload::<*mut T>(cell).write(room) };
            room
        } else {
            payload::<T>(cell)
        };
        // SAFETY: a box made for it; or the cell's size class was chosen with room for a `T`, which needs no more than 16.
        unsafe { move_to(to, from) };
    }

    #[inline(always)]
    unsafe fn take<T>(cell: NonNull<Header>) -> T {
        // SAFETY: the caller's promise.
        let value = unsafe { Self::place::<T>(cell) };
        if boxed::<T>() {
            // SAFETY: `put` made it from a box.
            *unsafe { Box::from_raw(value) }
        } else {
            // SAFETY: it is there, and the caller does not use it there again.
            unsafe { value.read() }
        }
    }

    #[inline(always)]
    unsafe fn drop_there<T>(cell: NonNull<Header>) {
        // SAFETY: the caller's promise.
        let value = unsafe { Self::place::<T>(cell) };
        if boxed::<T>() {
            // SAFETY: `put` made it from a box.
            drop(unsafe { Box::from_raw(value) });
        } else {
            // SAFETY: it is there, and nobody uses it again.
            unsafe { value.drop_in_place() };
        }
    }
}

/// Takes a cell for `future` and fills it, but for the state word: the caller's `State::spawn` makes it a task.
///
/// `LISTED`: only if a free cell is at hand, so that nothing but the caller's own code is called: without it no register
/// need be saved around the call that makes more, which takes a tenth off a spawn.
///
/// None when memory has run out, or there is no cell at hand: then the future is where it was.
///
/// # Panics
/// If there is no future.
// By reference, here and all the way from the user's call: handed on by value, and handed back in a `Result`, a future of a
// kilobyte was copied seven times, now twice.
#[inline(always)]
pub(crate) fn build<const LISTED: bool, F: Future>(
    slab: &Slab,
    future: &mut impl Source<F>,
) -> Option<NonNull<Header>> {
    let class = const { class_of(cell_size::<F>()) };
    let task = if LISTED { slab.alloc_listed(class) } else { slab.alloc(class) }?;
    // SAFETY: fresh off the free list, so the caller's alone, with an empty payload; its class has room for an `F`.
    unsafe { cell::fill::<F, InSlab>(task, future) };
    Some(task)
}

/// The future of which [`build`] and those that call it made no task.
pub(crate) fn untouched<F>(future: Option<F>) -> F {
    future.expect("no task was made of it")
}

/// Stores `value` in a cell that is no task: its word stays that of a free cell, so no walk and no id finds it.
///
/// # Errors
/// The value back when memory has run out.
pub(crate) fn store<T>(slab: &Slab, value: T) -> Result<NonNull<Header>, T> {
    let Some(cell) = slab.alloc(const { class_of(PAYLOAD + stored::<T>()) }) else {
        return Err(value);
    };
    // SAFETY: its class has room for a `T`, and a free cell's payload is empty.
    unsafe { InSlab::put(cell, value) };
    Ok(cell)
}

/// What `store` put there.
///
/// # Safety
/// It has not been dropped, and will not be in `'a`.
pub(crate) unsafe fn stored_in<'a, T>(cell: NonNull<Header>) -> &'a T {
    // SAFETY: the caller's promise: the cell is out.
    unsafe { cell.as_ref() }.stage.with(|_| {}); // loom learns that it is read
    // SAFETY: the caller's promise.
    let at = unsafe { InSlab::place::<T>(cell) };
    // SAFETY: as above.
    unsafe { &*at }
}

/// Takes back what `store` or, its task not spawned, `build` put there, and gives the cell back.
///
/// # Safety
/// A `T` is there, and nobody else uses the cell.
pub(crate) unsafe fn unstore<T>(cell: NonNull<Header>) -> T {
    // SAFETY: the caller's promise.
    let value = unsafe { InSlab::take::<T>(cell) };
    // SAFETY: the cell never was a task, or not since it was free: no reference, and now no payload.
    unsafe { slab::free(cell) };
    value
}

/// Makes a task of `future` in a cell of `slab`: one plain store publishes it. The caller schedules it.
///
/// None as for [`build`].
#[inline(always)]
pub(crate) fn spawn_in<const LISTED: bool, F>(
    slab: &Slab,
    future: &mut impl Source<F>,
) -> Option<(Notified, JoinHandle<F::Output, InSlab>)>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = build::<LISTED, F>(slab, future)?;
    // SAFETY: built on the line above, and nobody else's yet.
    unsafe { task.as_ref() }.state.spawn(true);
    // SAFETY: `spawn` made J, and the output's type is `F`'s.
    let handle = unsafe { JoinHandle::from_reference(task) };
    // SAFETY: `spawn` set SCHED, and this is its N.
    Some((unsafe { Notified::from_raw(task) }, handle))
}

/// The same without a handle: nobody hears of the output.
#[inline(always)]
pub(crate) fn spawn_detached_in<const LISTED: bool, F>(
    slab: &Slab,
    future: &mut impl Source<F>,
) -> Option<Notified>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = build::<LISTED, F>(slab, future)?;
    // SAFETY: built on the line above, and nobody else's yet.
    unsafe { task.as_ref() }.state.spawn(false);
    // SAFETY: `spawn` set SCHED, and this is its N.
    Some(unsafe { Notified::from_raw(task) })
}

/// See [`raw::run`].
#[inline(always)]
pub(crate) fn run(task: Notified) -> AfterRun {
    raw::run::<InSlab>(task)
}

/// See [`raw::cancel`].
pub(crate) fn cancel(task: Notified) {
    raw::cancel::<InSlab>(task);
}

/// A clone of `waker` if it is of a task of a stealing scheduler, made without a call. None otherwise.
#[inline(always)]
#[must_use]
pub fn clone_waker(waker: &Waker) -> Option<Waker> {
    waker::clone_known::<InSlab>(waker, &WAKERS)
}

/// Drops `waker`, without a call if it is of a task of a stealing scheduler and not its last reference.
#[inline(always)]
pub fn drop_waker(waker: Waker) {
    waker::drop_known::<InSlab>(waker, &WAKERS);
}

/// The task that a waker wakes, if it is a waker of a task in a slab. Alive as long as the waker.
pub(super) fn task_of(waker: &Waker) -> Option<NonNull<Header>> {
    core::ptr::eq(waker.vtable(), &WAKERS).then(|| waker::cell_of(waker.data()))
}

#[cfg(all(test, not(any(ouzel_loom, ouzel_shuttle, ouzel_switch = "boxed"))))]
mod tests {
    use super::*;
    use core::future::{Pending, Ready};

    #[repr(align(32))]
    struct Aligned;

    #[test]
    fn a_cell_has_room_for_the_largest_of_future_output_and_panic() {
        let (panic, pointer) = (size_of::<Caught>(), size_of::<usize>());
        assert_eq!(cell_size::<Pending<()>>(), PAYLOAD + panic);
        assert_eq!(cell_size::<Pending<[u8; 100]>>(), PAYLOAD + 100, "the output");
        assert_eq!(cell_size::<Ready<[u8; 100]>>(), PAYLOAD + size_of::<Option<[u8; 100]>>(), "the future");
        // In a box: of each only its pointer counts.
        assert_eq!(cell_size::<Ready<[u8; LARGEST]>>(), PAYLOAD + panic.max(pointer));
        assert_eq!(cell_size::<Pending<Aligned>>(), PAYLOAD + panic.max(pointer));
        assert!(!boxed::<[u8; LARGEST - PAYLOAD]>() && boxed::<[u8; LARGEST - PAYLOAD + 1]>());
    }
}
