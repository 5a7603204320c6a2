//! Driving the loop: `ouzel_run` and the host's own loop.

use core::sync::atomic::Ordering;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::guard;
use crate::join::joined;
use crate::options::{self, OUZEL_FOREVER, ouzel_tick};
use crate::place::{Body, Engine, get, ouzel_rtid, ouzel_runtime, with_rtid};
use crate::task::ouzel_task;

/// `OUZEL_RUN_IDLE`.
pub const OUZEL_RUN_IDLE: i32 = 0;
/// `OUZEL_RUN_STOPPED`.
pub const OUZEL_RUN_STOPPED: i32 = 1;

/// Polls of `ouzel_run_nowait` when the host leaves it to us.
const DEFAULT_POLLS: u32 = 256;

/// Wakes the thread in `ouzel_run` of a runtime with workers: a pipe, since writing to one is
/// async-signal-safe.
#[derive(Debug)]
pub(crate) struct Bell {
    read: OwnedFd,
    write: OwnedFd,
}

impl Bell {
    pub(crate) fn new() -> Result<Self> {
        let mut fds = [0; 2];
        // SAFETY: room for two descriptors.
        if unsafe { libc::pipe(fds.as_mut_ptr()) } != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        // SAFETY: `pipe` made it for us.
        let read = unsafe { OwnedFd::from_raw_fd(fds[0]) };
        // SAFETY: `pipe` made it for us.
        let write = unsafe { OwnedFd::from_raw_fd(fds[1]) };
        for fd in [&read, &write] {
            // SAFETY: sets a flag of an open descriptor.
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
            // SAFETY: sets a flag of an open descriptor.
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        }
        Ok(Bell { read, write })
    }

    /// Async-signal-safe. A full pipe rings already.
    pub(crate) fn ring(&self) {
        // SAFETY: one byte of a static.
        unsafe { libc::write(self.write.as_raw_fd(), c"!".as_ptr().cast(), 1) };
    }

    fn wait(&self) {
        let mut poll = libc::pollfd { fd: self.read.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry.
        unsafe { libc::poll(&raw mut poll, 1, -1) };
        let mut bytes = [0u8; 64];
        // SAFETY: 64 bytes of room.
        while unsafe { libc::read(self.read.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) } > 0 {}
    }
}

/// Marks a host-driven runtime as running until it is dropped.
struct Running<'a>(&'a Body);

impl<'a> Running<'a> {
    fn begin(body: &'a Body) -> Result<Self> {
        body.on_loop()?;
        if body.is_inside() || body.running.replace(true) {
            return Err(Error::REENTRANT);
        }
        Ok(Running(body))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
    }
}

impl Body {
    /// Uses up a stop.
    fn stopped(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `ouzel_stop`: what its caller wrote before.
        self.stop.load(Ordering::Relaxed) && self.stop.swap(false, Ordering::Acquire)
    }

    fn has_work(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `work_ended`: what the tasks wrote.
        self.work.load(Ordering::Acquire) != 0
    }

    /// A task or a callback operation has begun.
    pub(crate) fn work_begun(&self) {
        // ORDERING: Relaxed, a counter; the task itself is published by the spawn.
        self.work.fetch_add(1, Ordering::Relaxed);
    }

    /// A task or a callback operation has ended.
    pub(crate) fn work_ended(&self) {
        // ORDERING: Release pairs with the Acquire in `has_work`.
        let left = self.work.fetch_sub(1, Ordering::Release) - 1;
        if left == 0
            && let Some(bell) = &self.bell
        {
            bell.ring();
        }
    }
}

fn run(rt: *mut ouzel_runtime) -> Result<i32> {
    let body = get(rt)?;
    match &body.engine {
        Engine::Local { runtime, .. } => {
            let _running = Running::begin(body)?;
            loop {
                if body.stopped() {
                    return Ok(OUZEL_RUN_STOPPED);
                }
                if !body.has_work() {
                    return Ok(OUZEL_RUN_IDLE);
                }
                runtime.run_once(None)?;
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
                if !body.has_work() {
                    return Ok(OUZEL_RUN_IDLE);
                }
                if let Some(bell) = &body.bell {
                    bell.wait();
                }
            }
        }
    }
}

/// Runs until stopped or idle. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_run(rt: *mut ouzel_runtime) -> i32 {
    guard(|| code(run(rt)))
}

fn block_on(rt: *mut ouzel_runtime, task: ouzel_task, timeout_ns: u64) -> Result<i32> {
    let body = get(rt)?;
    let Engine::Local { runtime, .. } = &body.engine else {
        return crate::join::join(task, timeout_ns);
    };
    let _running = Running::begin(body)?;
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

/// The point in time, none for `OUZEL_FOREVER`.
pub(crate) fn deadline(timeout_ns: u64) -> Option<Instant> {
    if timeout_ns == OUZEL_FOREVER {
        return None;
    }
    Instant::now().checked_add(Duration::from_nanos(timeout_ns))
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
    guard(|| {
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
    let _running = Running::begin(body)?;
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
    guard(|| {
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
    guard(|| {
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
