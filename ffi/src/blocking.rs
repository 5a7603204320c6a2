//! Blocking jobs of the host, on the runtime's pool.

use core::ffi::c_void;
use std::{io, thread};

use crate::error::{Error, Result, code};
use crate::guard::{callback, guard};
use crate::id::ouzel_op;
use crate::lent;
use crate::op::Flight;
use crate::options::Ud;
use crate::place::{Engine, ouzel_runtime};
use crate::spare::Spare;
use crate::submit::{Prepared, admit, ouzel_op_opts, prepare, refuse};

/// Bytes that a job asks for, and as much again; the pool too, which is made at the first.
const SPARE: usize = 2048;
/// Bytes that the start of a thread asks for, and as much again.
const SPARE_OF_THREAD: usize = 2048;

/// Starts a thread of the pool, or says that there is no memory for it.
pub(crate) fn start_thread(
    thread: thread::Builder,
    body: Box<dyn FnOnce() + Send>,
) -> io::Result<thread::JoinHandle<()>> {
    let _spare = Spare::new(SPARE_OF_THREAD).map_err(|_| io::ErrorKind::OutOfMemory)?;
    thread.spawn(body)
}

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
    let _spare = match Spare::new(SPARE) {
        Ok(spare) => spare,
        Err(why) => return refuse(&at, claim, lent, why),
    };
    let lent = lent.for_job(&body.jobs);
    let arg = Ud(arg);
    let job = move || {
        let arg = arg; // whole, not its pointer alone
        (callback(|| function(arg.0)), lent)
    };
    let job = match &body.engine {
        Engine::Local { runtime, .. } => runtime.try_spawn_blocking(job),
        Engine::Shared { handle, .. } => handle.try_spawn_blocking(job),
    };
    match job {
        // SAFETY: the caller's promise about `out`.
        Ok(job) => Ok(unsafe { admit(&at, claim, Flight::Job(job), delivery, out) }),
        Err((why, job)) => {
            // There is no operation: nothing is released.
            lent::unreleased(|| drop(job));
            body.ops.unclaim(claim);
            Err(if why.kind() == io::ErrorKind::Other { Error::CLOSING } else { why.into() })
        }
    }
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
