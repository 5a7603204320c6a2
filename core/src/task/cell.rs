//! What lies behind a header: a future, then its output or what it panicked with.
//!
//! The three share their place, and [`Stage`] tells which it is. What is larger than the largest size class or
//! aligned to more than 16 bytes lies in a box, so that every task is a slab's cell; both a task and its
//! handle, which knows the output's type alone, decide that by the type.

use alloc::boxed::Box;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::{align_of, needs_drop, size_of};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::chunk::{LARGEST, class_of};
use super::header::{Header, PAYLOAD, Stage, VTable, payload};
use super::unwind::{Caught, catch, discard};
use crate::error::JoinError;
use crate::slab::{self, Slab};

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
pub(crate) const fn cell_size<F: Future>() -> usize {
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

/// Where the `T` of `cell` lies.
///
/// # Safety
/// A `T` is in the payload, and it is the caller's.
#[inline(always)]
unsafe fn place<T>(cell: NonNull<Header>) -> *mut T {
    if boxed::<T>() {
        // SAFETY: `put` stored the pointer there.
        unsafe { payload::<*mut T>(cell).read() }
    } else {
        payload(cell)
    }
}

/// Stores `value` in the payload.
///
/// # Safety
/// The payload is the caller's, and nothing is in it; the cell was made for a task with a `T`.
#[inline(always)]
unsafe fn put<T>(cell: NonNull<Header>, value: T) {
    if boxed::<T>() {
        let value = Box::into_raw(Box::new(value));
        // SAFETY: a cell has room for a pointer, aligned to 16.
        unsafe { payload::<*mut T>(cell).write(value) };
    } else {
        // SAFETY: the cell's size class was chosen with room for a `T`, and a `T` needs no more than 16.
        unsafe { payload::<T>(cell).write(value) };
    }
}

/// Takes the `T` out of the payload.
///
/// # Safety
/// As for `place`; afterwards there is none.
#[inline(always)]
unsafe fn take<T>(cell: NonNull<Header>) -> T {
    // SAFETY: the caller's promise.
    let value = unsafe { place::<T>(cell) };
    if boxed::<T>() {
        // SAFETY: `put` made it from a box.
        *unsafe { Box::from_raw(value) }
    } else {
        // SAFETY: it is there, and the caller does not use it there again.
        unsafe { value.read() }
    }
}

/// Drops the `T` in the payload where it lies. May unwind.
///
/// # Safety
/// As for `take`.
#[inline(always)]
unsafe fn drop_there<T>(cell: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let value = unsafe { place::<T>(cell) };
    if boxed::<T>() {
        // SAFETY: `put` made it from a box.
        drop(unsafe { Box::from_raw(value) });
    } else {
        // SAFETY: it is there, and nobody uses it again.
        unsafe { value.drop_in_place() };
    }
}

/// Whether a stored `T` leaves something to do at its end.
const fn has_end<T>() -> bool {
    boxed::<T>() || needs_drop::<T>()
}

/// The vtable of tasks of type `F`.
struct Of<F>(PhantomData<F>);

impl<F: Future> Of<F> {
    const VTABLE: VTable = VTable { poll: poll::<F>, drop_payload: drop_payload::<F> };
}

/// See [`VTable::poll`].
unsafe fn poll<F: Future>(cell: NonNull<Header>, cx: &mut Context<'_>) -> Poll<()> {
    // SAFETY: the stage is `Future`, and the holder of N owns it.
    let at = unsafe { place::<F>(cell) };
    // SAFETY: as above.
    let future = unsafe { &mut *at };
    // SAFETY: the future stays in its cell or box until it is dropped there.
    let output = match unsafe { Pin::new_unchecked(future) }.poll(cx) {
        Poll::Pending => return Poll::Pending,
        Poll::Ready(output) => output,
    };
    // SAFETY: the caller's cell.
    let header = unsafe { cell.as_ref() };
    header.set_stage(Stage::Gone);
    // SAFETY: it is there, and it is marked as gone: not dropped again, whatever its drop does.
    let drop_future = || unsafe { drop_there::<F>(cell) };
    if has_end::<F>()
        && let Err(caught) = catch(drop_future)
    {
        if let Err(second) = catch(|| drop(output)) {
            discard(second);
        }
        // SAFETY: nothing is in the payload, and it is still the caller's.
        unsafe { put_panic(cell, caught) };
        return Poll::Ready(());
    }
    // SAFETY: the future has just left the payload.
    unsafe { put(cell, output) };
    header.set_stage(if has_end::<F::Output>() { Stage::Output } else { Stage::Plain });
    Poll::Ready(())
}

/// See [`VTable::drop_payload`].
unsafe fn drop_payload<F: Future>(cell: NonNull<Header>) {
    // SAFETY: the caller's cell.
    let header = unsafe { cell.as_ref() };
    match header.stage() {
        Stage::Future => {
            header.set_stage(Stage::Gone);
            // SAFETY: the stage said so, and it will not say so again.
            unsafe { drop_there::<F>(cell) };
        }
        Stage::Output => {
            header.set_stage(Stage::Gone);
            // SAFETY: as above.
            unsafe { drop_there::<F::Output>(cell) };
        }
        _ => {}
    }
}

/// Takes a cell for `future` and fills it, but for the state word: the caller's `State::spawn` makes it a task.
///
/// # Errors
/// The future back when memory has run out.
#[inline(always)]
pub(crate) fn build<F: Future>(slab: &Slab, future: F) -> Result<NonNull<Header>, F> {
    let Some(cell) = slab.alloc(const { class_of(cell_size::<F>()) }) else {
        return Err(future);
    };
    // SAFETY: fresh off the free list.
    let header = unsafe { cell.as_ref() };
    // SAFETY: the cell is the caller's alone until it is published.
    header.vtable.with_mut(|v| unsafe { *v = &Of::<F>::VTABLE });
    // SAFETY: its class has room for an `F`, and a free cell's payload is empty.
    unsafe { put(cell, future) };
    header.set_stage(Stage::Future);
    Ok(cell)
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
    unsafe { put(cell, value) };
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
    let at = unsafe { place::<T>(cell) };
    // SAFETY: as above.
    unsafe { &*at }
}

/// Takes back what `store` or, its task not spawned, `build` put there, and gives the cell back.
///
/// # Safety
/// A `T` is there, and nobody else uses the cell.
pub(crate) unsafe fn unstore<T>(cell: NonNull<Header>) -> T {
    // SAFETY: the caller's promise.
    let value = unsafe { take::<T>(cell) };
    // SAFETY: the cell never was a task, or not since it was free: no reference, and now no payload.
    unsafe { slab::free(cell) };
    value
}

/// Drops the future or output, whichever it is. A panic is caught and returned.
///
/// # Safety
/// The payload is the caller's.
#[inline(always)]
pub(crate) unsafe fn drop_payload_caught(cell: NonNull<Header>) -> Result<(), Caught> {
    // SAFETY: the caller's cell.
    if unsafe { cell.as_ref() }.stage() == Stage::Plain {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe { drop_some_payload(cell) }
}

/// # Safety
/// As for `drop_payload_caught`.
#[inline(never)]
unsafe fn drop_some_payload(cell: NonNull<Header>) -> Result<(), Caught> {
    // SAFETY: the caller's cell.
    let header = unsafe { cell.as_ref() };
    match header.stage() {
        Stage::Future | Stage::Output => {
            // SAFETY: the caller's promise, and the stage.
            catch(|| unsafe { (header.vtable().drop_payload)(cell) })
        }
        #[cfg(feature = "std")]
        Stage::Panicked => {
            header.set_stage(Stage::Gone);
            // SAFETY: the stage said so, and it will not say so again.
            discard(unsafe { payload::<Caught>(cell).read() });
            Ok(())
        }
        Stage::Plain | Stage::Cancelled | Stage::Gone => Ok(()),
    }
}

/// The task ends with a panic.
///
/// # Safety
/// The payload is the caller's, and nothing is in it.
pub(crate) unsafe fn put_panic(cell: NonNull<Header>, caught: Caught) {
    #[cfg(feature = "std")]
    {
        // SAFETY: every cell has room for it (`cell_size`).
        unsafe { payload::<Caught>(cell).write(caught) };
        // SAFETY: the caller's cell.
        unsafe { cell.as_ref() }.set_stage(Stage::Panicked);
    }
    #[cfg(not(feature = "std"))]
    {
        let _ = cell;
        match caught {}
    }
}

/// Takes a completed task's output.
///
/// # Panics
/// If it has been taken already.
///
/// # Safety
/// The task is complete, the caller is its handle, and `T` the type of its output.
#[inline(always)]
pub(crate) unsafe fn take_output<T>(cell: NonNull<Header>) -> Result<T, JoinError> {
    // SAFETY: the handle holds a reference.
    let header = unsafe { cell.as_ref() };
    let stage = header.stage();
    header.set_stage(Stage::Gone);
    if stage == if has_end::<T>() { Stage::Output } else { Stage::Plain } {
        // SAFETY: the stage said so, and it will not say so again.
        return Ok(unsafe { take::<T>(cell) });
    }
    // SAFETY: as above.
    Err(unsafe { no_output(cell, stage) })
}

/// Why there is no output.
///
/// # Panics
/// If it has been taken already.
///
/// # Safety
/// As for `take_output`; `stage` is what it was.
#[cold]
#[inline(never)]
unsafe fn no_output(cell: NonNull<Header>, stage: Stage) -> JoinError {
    let _ = cell;
    match stage {
        Stage::Cancelled => JoinError::Cancelled,
        #[cfg(feature = "std")]
        // SAFETY: as above.
        Stage::Panicked => JoinError::Panic(unsafe { payload::<Caught>(cell).read() }),
        Stage::Gone => panic!("a join handle was polled after it had given the output"),
        Stage::Future | Stage::Output | Stage::Plain => unreachable!("a complete task has no future"),
    }
}
