//! Driving the loop: `ouzel_run` and the host's own loop.

use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::{guard, guard_unmarked};
use crate::id::{ouzel_rtid, ouzel_task};
use crate::join::joined;
use crate::options::{self, OUZEL_FOREVER, deadline, ouzel_tick};
use crate::place::{Body, Engine, Inside, get, ouzel_runtime, with_rtid};

/// `OUZEL_RUN_IDLE`.
pub const OUZEL_RUN_IDLE: i32 = 0;
/// `OUZEL_RUN_STOPPED`.
pub const OUZEL_RUN_STOPPED: i32 = 1;

/// Polls of `ouzel_run_nowait` when the host leaves it to us.
const DEFAULT_POLLS: u32 = 256;

/// Marks a host-driven runtime as running until it is dropped.
pub(crate) struct Running<'a> {
    body: &'a Body,
    _inside: Inside,
}

impl<'a> Running<'a> {
    /// # Errors
    /// Another thread's runtime; one that is running.
    pub(crate) fn begin(rt: *const ouzel_runtime, body: &'a Body) -> Result<Self> {
        body.on_loop()?;
        if body.is_inside() || body.running.replace(true) {
            return Err(Error::REENTRANT);
        }
        // SAFETY: a body came out of it.
        Ok(Running { body, _inside: Inside::new(unsafe { &*rt }) })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.body.running.set(false);
    }
}

fn run(rt: *mut ouzel_runtime) -> Result<i32> {
    let body = get(rt)?;
    match &body.engine {
        Engine::Local { runtime, .. } => {
            let _running = Running::begin(rt, body)?;
            // Once for all turns.
            let _entered = runtime.enter();
            loop {
                if body.stopped() {
                    return Ok(OUZEL_RUN_STOPPED);
                }
                if !body.has_work() {
                    return Ok(OUZEL_RUN_IDLE);
                }
                runtime.turn()?;
            }
        }
        Engine::Shared { .. } => {
            if body.is_inside() {
                return Err(Error::DEADLOCK);
            }
            loop {
                if body.stopped() {
                    return Ok(OUZEL_RUN_STOPPED);
                }
                let Some(bell) = &body.bell else { return Err(Error::UNSUPPORTED) };
                if !body.has_work() {
                    bell.ring(); // for another thread in here
                    return Ok(OUZEL_RUN_IDLE);
                }
                bell.wait();
            }
        }
    }
}

/// Runs until stopped or idle. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_run(rt: *mut ouzel_runtime) -> i32 {
    guard_unmarked(|| code(run(rt)))
}

fn block_on(rt: *mut ouzel_runtime, task: ouzel_task, timeout_ns: u64) -> Result<i32> {
    let body = get(rt)?;
    let Engine::Local { runtime, .. } = &body.engine else {
        return crate::join::join(task, timeout_ns);
    };
    let _running = Running::begin(rt, body)?;
    let deadline = deadline(timeout_ns);
    loop {
        if let Some(result) = joined(task)? {
            return Ok(result);
        }
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Error::TIMED_OUT);
        }
        runtime.run_once(left)?;
    }
}

/// Runs until a task has ended. See `ouzel.h`.
///
/// # Safety
/// `result` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_block_on(
    rt: *mut ouzel_runtime,
    task: ouzel_task,
    timeout_ns: u64,
    result: *mut i32,
) -> i32 {
    guard_unmarked(|| {
        code(block_on(rt, task, timeout_ns).map(|ended| {
            if !result.is_null() {
                // SAFETY: the caller's promise about `result`.
                unsafe { result.write(ended) };
            }
            OUZEL_OK
        }))
    })
}

/// Makes `ouzel_run` return. See `ouzel.h`. Async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_stop(rt: ouzel_rtid) -> i32 {
    guard(|| {
        code(with_rtid(rt, |body| {
            // ORDERING: Release pairs with the Acquire in `stopped`.
            body.stop.store(true, Ordering::Release);
            wake_loop(body);
            Ok(OUZEL_OK)
        }))
    })
}

fn wake_loop(body: &Body) {
    match &body.engine {
        Engine::Local { handle, .. } => handle.notify(),
        Engine::Shared { .. } => {
            if let Some(bell) = &body.bell {
                bell.ring();
            }
        }
    }
}

/// Ends the wait in progress. See `ouzel.h`. Async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_notify(rt: ouzel_rtid) -> i32 {
    guard(|| {
        code(with_rtid(rt, |body| {
            wake_loop(body);
            Ok(OUZEL_OK)
        }))
    })
}

/// The runtime's own thread, for the functions of a host's loop.
fn hosted(rt: *const ouzel_runtime) -> Result<(&'static Body, &'static ouzel::LocalRuntime)> {
    let body = get(rt)?;
    let Engine::Local { runtime, .. } = &body.engine else { return Err(Error::UNSUPPORTED) };
    body.on_loop()?;
    Ok((body, runtime))
}

/// One turn.
///
/// # Safety
/// `out` is null or points to as many writable bytes as it says.
unsafe fn turn(
    rt: *mut ouzel_runtime,
    out: *mut ouzel_tick,
    run: impl FnOnce(&ouzel::LocalRuntime) -> std::io::Result<ouzel::Tick>,
) -> Result<i32> {
    let (body, runtime) = hosted(rt)?;
    // SAFETY: the caller's promise about `out`.
    let size = unsafe { options::read(out) }?.size;
    let _running = Running::begin(rt, body)?;
    let tick = run(runtime)?;
    if !out.is_null() {
        let n = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let tick = ouzel_tick {
            size,
            polled: n(tick.polled),
            completed: n(tick.completed),
            io_events: n(tick.io_events),
            more: tick.more.into(),
            reserved: 0,
        };
        // SAFETY: `read` has found its size to be at least that of our struct.
        unsafe { out.write_unaligned(tick) };
    }
    Ok(OUZEL_OK)
}

/// One turn, waiting at most so long. See `ouzel.h`.
///
/// # Safety
/// `out` is null or points to as many writable bytes as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_run_once(
    rt: *mut ouzel_runtime,
    timeout_ns: u64,
    out: *mut ouzel_tick,
) -> i32 {
    guard_unmarked(|| {
        let timeout = (timeout_ns != OUZEL_FOREVER).then(|| Duration::from_nanos(timeout_ns));
        // SAFETY: the caller's promise about `out`.
        code(unsafe { turn(rt, out, |runtime| runtime.run_once(timeout)) })
    })
}

/// One turn, without waiting. See `ouzel.h`.
///
/// # Safety
/// `out` is null or points to as many writable bytes as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_run_nowait(
    rt: *mut ouzel_runtime,
    max_polls: u32,
    out: *mut ouzel_tick,
) -> i32 {
    guard_unmarked(|| {
        let most = if max_polls == 0 { DEFAULT_POLLS } else { max_polls };
        // SAFETY: the caller's promise about `out`.
        code(unsafe { turn(rt, out, |runtime| runtime.run_nowait(most)) })
    })
}

/// The descriptor to poll. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_backend_fd(rt: *const ouzel_runtime) -> i32 {
    guard(|| code(hosted(rt).and_then(|(_, runtime)| runtime.backend_fd().ok_or(Error::UNSUPPORTED))))
}

/// How long a host may sleep. See `ouzel.h`.
///
/// # Safety
/// `ns` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_backend_timeout(rt: *const ouzel_runtime, ns: *mut u64) -> i32 {
    guard(|| {
        code(hosted(rt).and_then(|(_, runtime)| {
            if ns.is_null() {
                return Err(Error::NULL);
            }
            let next = runtime.next_timeout();
            let next = next.map_or(OUZEL_FOREVER, |d| u64::try_from(d.as_nanos()).unwrap_or(OUZEL_FOREVER));
            // SAFETY: the caller's promise about `ns`.
            unsafe { ns.write(next) };
            Ok(OUZEL_OK)
        }))
    })
}

/// To be called before a host sleeps. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_before_wait(rt: *mut ouzel_runtime) -> i32 {
    guard(|| {
        code(hosted(rt).and_then(|(body, runtime)| {
            if body.running.get() {
                return Err(Error::REENTRANT);
            }
            Ok(runtime.before_wait().into())
        }))
    })
}
