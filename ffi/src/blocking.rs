//! Blocking jobs of the host, on the runtime's pool.

use core::ffi::c_void;

use crate::error::{Error, Result, code};
use crate::guard::{callback, guard};
use crate::id::ouzel_op;
use crate::op::Flight;
use crate::options::Ud;
use crate::place::{Engine, ouzel_runtime};
use crate::submit::{Prepared, admit, ouzel_op_opts, prepare, refuse};

/// Runs `function(arg)` on the blocking pool.
///
/// # Safety
/// `opts` and `out` are as in the header; `function` may be called with `arg` on another thread.
unsafe fn blocking(
    rt: *mut ouzel_runtime,
    function: JobFn,
    arg: *mut c_void,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> Result<i32> {
    // SAFETY: the caller's promise about `opts`.
    let Prepared { at, claim, lent, timeout_ns, delivery } = unsafe { prepare(rt, opts, false) }?;
    if timeout_ns != 0 {
        return refuse(&at, claim, lent, Error::INVALID);
    }
    let body = at.body;
    let lent = lent.for_job(&body.jobs);
    let arg = Ud(arg);
    let job = move || {
        let arg = arg; // whole, not its pointer alone
        (callback(|| function(arg.0)), lent)
    };
    let job = match &body.engine {
        Engine::Local { runtime, .. } => runtime.spawn_blocking(job),
        Engine::Shared { handle, .. } => handle.spawn_blocking(job),
    };
    // SAFETY: the caller's promise about `out`.
    Ok(unsafe { admit(&at, claim, Flight::Job(job), delivery, out) })
}

/// `int64_t (*)(void *)`.
pub type JobFn = extern "C" fn(arg: *mut c_void) -> i64;

/// Runs a function on the blocking pool. See `ouzel.h`.
///
/// # Safety
/// `opts` and `out` are as in the header; `function` may be called with `arg` on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_blocking(
    rt: *mut ouzel_runtime,
    function: Option<JobFn>,
    arg: *mut c_void,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        let Some(function) = function else { return Error::NULL.0 };
        // SAFETY: the caller's promises.
        code(unsafe { blocking(rt, function, arg, opts, out) })
    })
}
