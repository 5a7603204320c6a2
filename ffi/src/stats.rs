//! Counters for the host, and the clock.

use core::sync::atomic::Ordering;

use crate::alloc;
use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::guard;
use crate::place::{Engine, get, ouzel_runtime};

/// `ouzel_stats`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ouzel_stats {
    /// Bytes written.
    pub size: u32,
    /// `OUZEL_DRIVER_*`.
    pub driver: u32,
    /// Tasks that have not ended.
    pub live_tasks: u64,
    /// Tasks ever spawned.
    pub tasks_spawned: u64,
    /// Tasks that have ended.
    pub tasks_completed: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Operations ever submitted.
    pub ops_submitted: u64,
    /// Operations whose last completion was not taken.
    pub ops_live: u64,
    /// System calls of the drivers.
    pub syscalls: u64,
    /// Of these, `io_uring_enter`.
    pub enters: u64,
    /// Submission queue entries.
    pub sqes: u64,
    /// Completion queue entries.
    pub cqes: u64,
    /// Waits in the kernel.
    pub waits: u64,
    /// Changes of a registration.
    pub ctls: u64,
    /// Heap allocations of the library.
    pub allocs: u64,
}

/// `ouzel_worker_stats`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ouzel_worker_stats {
    /// Bytes written.
    pub size: u32,
    /// Which worker.
    pub worker: u32,
    /// Polls of tasks.
    pub polls: u64,
    /// Tasks that it spawned.
    pub tasks_spawned: u64,
    /// Tasks that ended on it.
    pub tasks_completed: u64,
    /// Tasks that it took from another.
    pub steals: u64,
    /// Times it went to sleep.
    pub parks: u64,
    /// Private queues of others broken into.
    pub raids: u64,
    /// System calls of its driver.
    pub syscalls: u64,
    /// Of these, `io_uring_enter`.
    pub enters: u64,
    /// Submission queue entries.
    pub sqes: u64,
    /// Completion queue entries.
    pub cqes: u64,
    /// Waits in the kernel.
    pub waits: u64,
    /// Changes of a registration.
    pub ctls: u64,
}

fn collect(rt: *const ouzel_runtime) -> Result<ouzel_stats> {
    let body = get(rt)?;
    body.on_loop_if_local()?;
    let metrics = match &body.engine {
        Engine::Local { runtime, .. } => runtime.metrics(),
        Engine::Shared { handle, .. } => handle.metrics(),
    };
    // ORDERING: Relaxed, counters; both.
    let live = body.tasks.load(Ordering::Relaxed) as u64;
    let spawned = body.spawned.load(Ordering::Relaxed);
    let (ops_submitted, ops_live) = body.ops.counts();
    Ok(ouzel_stats {
        size: 0,
        driver: body.driver,
        live_tasks: live,
        tasks_spawned: spawned,
        tasks_completed: spawned.saturating_sub(live),
        polls: metrics.polls,
        ops_submitted,
        ops_live,
        syscalls: metrics.io.syscalls,
        enters: metrics.io.enters,
        sqes: metrics.io.sqes,
        cqes: metrics.io.cqes,
        waits: metrics.io.waits,
        ctls: metrics.io.ctl,
        allocs: alloc::count(),
    })
}

/// Copies the counters. See `ouzel.h`.
///
/// # Safety
/// `out` is null or has room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_stats_get(
    rt: *const ouzel_runtime,
    out: *mut ouzel_stats,
    size: usize,
) -> i32 {
    // SAFETY: the same promise.
    guard(|| code(unsafe { put(out, size, || collect(rt), |stats, size| stats.size = size) }))
}

fn of_worker(rt: *const ouzel_runtime, worker: u32) -> Result<ouzel_worker_stats> {
    let body = get(rt)?;
    body.on_loop_if_local()?;
    let metrics = match &body.engine {
        Engine::Local { runtime, .. } => (worker == 0).then(|| runtime.metrics()),
        Engine::Shared { handle, .. } => handle.worker_metrics(worker as usize),
    };
    let metrics = metrics.ok_or(Error::INVALID)?;
    Ok(ouzel_worker_stats {
        size: 0,
        worker,
        polls: metrics.polls,
        tasks_spawned: metrics.spawned,
        tasks_completed: metrics.completed,
        steals: metrics.steals,
        parks: metrics.parks,
        raids: metrics.raids,
        syscalls: metrics.io.syscalls,
        enters: metrics.io.enters,
        sqes: metrics.io.sqes,
        cqes: metrics.io.cqes,
        waits: metrics.io.waits,
        ctls: metrics.io.ctl,
    })
}

/// Copies one worker's counters. See `ouzel.h`.
///
/// # Safety
/// `out` is null or has room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_worker_stats_get(
    rt: *const ouzel_runtime,
    worker: u32,
    out: *mut ouzel_worker_stats,
    size: usize,
) -> i32 {
    // SAFETY: the same promise.
    guard(|| code(unsafe { put(out, size, || of_worker(rt, worker), |stats, size| stats.size = size) }))
}

/// Writes as much of what `collect` gives as the host knows of.
///
/// # Safety
/// `out` is null or has room for `size` bytes.
unsafe fn put<T>(
    out: *mut T,
    size: usize,
    collect: impl FnOnce() -> Result<T>,
    set_size: impl FnOnce(&mut T, u32),
) -> Result<i32> {
    if out.is_null() {
        return Err(Error::NULL);
    }
    if size < 8 {
        return Err(Error::SIZE);
    }
    let mut stats = collect()?;
    let known = size.min(size_of::<T>());
    set_size(&mut stats, known as u32);
    // SAFETY: `known` bytes fit into both, and they do not overlap.
    unsafe { core::ptr::copy_nonoverlapping((&raw const stats).cast::<u8>(), out.cast::<u8>(), known) };
    Ok(OUZEL_OK)
}

/// Tasks that have not ended. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_live_tasks(rt: *const ouzel_runtime) -> usize {
    // ORDERING: Relaxed, a counter.
    guard(|| get(rt).map_or(0, |body| body.tasks.load(Ordering::Relaxed)))
}

/// The runtime's clock. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_now(rt: *const ouzel_runtime) -> u64 {
    guard(|| get(rt).map_or(0, |_| ouzel::time::now().0))
}
