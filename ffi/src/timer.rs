//! Timers and intervals: alarms of their loop thread, not operations of its driver.
//!
//! # Safety
//! Of what submits: as in [`submit`](crate::submit).

use ouzel::op::Timer;
use ouzel::op::raw::Nanos;

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::guard;
use crate::id::ouzel_op;
use crate::op::Flight;
use crate::place::ouzel_runtime;
use crate::submit::{Prepared, admit, ouzel_op_opts, prepare, refuse};
use crate::take::find;
use crate::ticking::Ticking;

/// # Safety
/// `opts` and `out` as in the header.
unsafe fn begin(
    rt: *mut ouzel_runtime,
    deadline_ns: u64,
    period_ns: u64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> Result<i32> {
    // SAFETY: the caller's promise about `opts`.
    let Prepared { at, claim, lent, timeout_ns, delivery } = unsafe { prepare(rt, opts, false) }?;
    if timeout_ns != 0 {
        return refuse(&at, claim, lent, Error::INVALID);
    }
    let _entered = at.enter();
    match Timer::set(Nanos(deadline_ns)) {
        Ok(timer) => {
            let flight = Flight::Timer(Ticking::new(timer, period_ns, lent));
            // SAFETY: the caller's promise about `out`.
            Ok(unsafe { admit(&at, claim, flight, delivery, out) })
        }
        Err(why) => refuse(&at, claim, lent, why.into()),
    }
}

/// Waits until a point in time. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_timer(
    rt: *mut ouzel_runtime,
    deadline_ns: u64,
    _slack_ns: u64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    guard(|| code(unsafe { begin(rt, deadline_ns, 0, opts, out) }))
}

/// Ticks. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_interval(
    rt: *mut ouzel_runtime,
    first_ns: u64,
    period_ns: u64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        if period_ns == 0 {
            return Error::INVALID.0;
        }
        // SAFETY: the caller's promises.
        code(unsafe { begin(rt, first_ns, period_ns, opts, out) })
    })
}

/// Gives a timer another deadline. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_timer_reset(op: ouzel_op, deadline_ns: u64) -> i32 {
    guard(|| {
        code(find(op).and_then(|(at, place)| {
            let _entered = at.enter();
            at.body.ops.reset_timer(place, Nanos(deadline_ns)).map(|()| OUZEL_OK)
        }))
    })
}
