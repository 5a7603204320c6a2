//! User code may panic; the task's bookkeeping after it must happen all the same.
//!
//! Each call into user code (a poll, the drop of a future, of an output, of a panic's payload, the wake of a
//! joiner) has its own catch, so one panic skips none of the others. Without `std` a panic ends the process.

#[cfg(feature = "std")]
use crate::error::Payload;

/// What a panic left.
#[cfg(feature = "std")]
pub(crate) type Caught = Payload;
/// Nothing can be caught.
#[cfg(not(feature = "std"))]
pub(crate) type Caught = core::convert::Infallible;

/// Calls `f`; a panic ends here.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Caught> {
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(f)).map_err(Payload::new)
}

/// Calls `f`; a panic that unwinds out of it becomes an abort.
#[cfg(not(feature = "std"))]
#[inline(always)]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Caught> {
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            panic!("a task panicked and nothing can catch it");
        }
    }
    let abort = Abort;
    let result = f();
    core::mem::forget(abort);
    Ok(result)
}

/// Drops a panic's payload; one whose drop panics again is leaked.
pub(crate) fn discard(caught: Caught) {
    #[cfg(feature = "std")]
    if let Err(again) = catch(move || drop(caught)) {
        core::mem::forget(again);
    }
    #[cfg(not(feature = "std"))]
    match caught {}
}
