//! What lies behind a header: a future, then its output or what it panicked with.
//!
//! The three share their place, and [`Stage`] tells which it is. How a value lies there is the [`Home`]'s.

use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::given::Source;
#[cfg(feature = "std")]
use super::header::payload;
use super::header::{Header, Polled, Stage, VTable};
use super::home::Home;
use super::unwind::{Caught, catch, discard};
use crate::error::JoinError;

/// The vtable of tasks of type `F`.
struct Of<F, H>(PhantomData<(F, H)>);

impl<F: Future, H: Home> Of<F, H> {
    const VTABLE: VTable = VTable { poll: poll::<F, H>, drop_payload: drop_payload::<F, H> };
}

/// See [`VTable::poll`].
unsafe fn poll<F: Future, H: Home>(cell: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
    // SAFETY: the stage is `Future`, and the holder of N owns it.
    let at = unsafe { H::place::<F>(cell) };
    // SAFETY: as above.
    let future = unsafe { &mut *at };
    // SAFETY: the future stays in its cell or box until it is dropped there.
    let output = match unsafe { Pin::new_unchecked(future) }.poll(cx) {
        Poll::Pending => return Polled::Pending,
        Poll::Ready(output) => output,
    };
    // SAFETY: the caller's cell.
    let header = unsafe { cell.as_ref() };
    if !H::has_end::<F>() && !H::has_end::<F::Output>() {
        // SAFETY: the payload is the caller's, and the future has no end to come to.
        unsafe { H::put(cell, output) };
        return Polled::Plain;
    }
    header.set_stage(Stage::Gone);
    // SAFETY: it is there, and it is marked as gone: not dropped again, whatever its drop does.
    let drop_future = || unsafe { H::drop_there::<F>(cell) };
    if H::has_end::<F>()
        && let Err(caught) = catch(drop_future)
    {
        if let Err(second) = catch(|| drop(output)) {
            discard(second);
        }
        // SAFETY: nothing is in the payload, and it is still the caller's.
        unsafe { put_panic(cell, caught) };
        return Polled::Done;
    }
    // SAFETY: the future has just left the payload.
    unsafe { H::put(cell, output) };
    if H::has_end::<F::Output>() {
        header.set_stage(Stage::Output);
        Polled::Done
    } else {
        header.set_stage(Stage::Future);
        Polled::Plain
    }
}

/// See [`VTable::drop_payload`].
unsafe fn drop_payload<F: Future, H: Home>(cell: NonNull<Header>) {
    // SAFETY: the caller's cell.
    let header = unsafe { cell.as_ref() };
    match header.stage() {
        Stage::Future => {
            header.set_stage(Stage::Gone);
            // SAFETY: the stage said so, and it will not say so again.
            unsafe { H::drop_there::<F>(cell) };
        }
        Stage::Output => {
            header.set_stage(Stage::Gone);
            // SAFETY: as above.
            unsafe { H::drop_there::<F::Output>(cell) };
        }
        _ => {}
    }
}

/// Moves the future into a cell, which lacks the state word alone after this: its stage is `Future`, as of a free cell.
///
/// # Safety
/// There is a future. The cell is the caller's alone, its payload is empty, and it lies in an `H` with room for a task of type `F`.
#[inline(always)]
pub(super) unsafe fn fill<F: Future, H: Home>(cell: NonNull<Header>, future: &mut impl Source<F>) {
    let from = future.place();
    // SAFETY: the caller's cell.
    let header = unsafe { cell.as_ref() };
    // SAFETY: nobody else reads it yet.
    header.vtable.with_mut(|v| unsafe { *v = &Of::<F, H>::VTABLE });
    // SAFETY: empty, with room for an `F`, which is forgotten on the next line.
    unsafe { H::put_from::<F>(cell, from) };
    // SAFETY: as the line above says.
    unsafe { future.moved() };
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
/// The task is complete, lies in an `H`, the caller is its handle, and `T` the type of its output.
#[inline(always)]
pub(crate) unsafe fn take_output<T, H: Home>(cell: NonNull<Header>) -> Result<T, JoinError> {
    // SAFETY: the handle holds a reference.
    let header = unsafe { cell.as_ref() };
    let stage = header.stage();
    header.set_stage(Stage::Gone);
    if stage == if H::has_end::<T>() { Stage::Output } else { Stage::Plain } {
        // SAFETY: the stage said so, and it will not say so again.
        return Ok(unsafe { H::take::<T>(cell) });
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
