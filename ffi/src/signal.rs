//! Signals of the operating system as operations.

use core::ffi::c_int;
use core::task::Waker;

use ouzel::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result, code};
use crate::guard::guard;
use crate::hearing::{Hearing, notifier};
use crate::id::ouzel_op;
use crate::op::Flight;
use crate::place::{Engine, ouzel_runtime};
use crate::submit::{Prepared, admit, ouzel_op_opts, prepare, refuse};

/// # Safety
/// `opts` and `out` as in the header.
unsafe fn listen(
    rt: *mut ouzel_runtime,
    number: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> Result<i32> {
    // SAFETY: the caller's promise about `opts`.
    let Prepared { at, claim, lent, timeout_ns, delivery } = unsafe { prepare(rt, opts, false) }?;
    if timeout_ns != 0 {
        return refuse(&at, claim, lent, Error::INVALID);
    }
    let signal = match signal(SignalKind::from_raw(number)) {
        Ok(signal) => signal,
        Err(why) => return refuse(&at, claim, lent, why.into()),
    };
    let waiter = match &at.body.engine {
        Engine::Local { handle, .. } => notifier(handle),
        Engine::Shared { .. } => Waker::noop().clone(),
    };
    let flight = Flight::Signal(Hearing::new(signal, number, lent, waiter));
    // SAFETY: the caller's promise about `out`.
    Ok(unsafe { admit(&at, claim, flight, delivery, out) })
}

/// Listens to a signal. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_signal(
    rt: *mut ouzel_runtime,
    signo: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    guard(|| code(unsafe { listen(rt, signo, opts, out) }))
}
