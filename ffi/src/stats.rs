//! Counters for the host, the clock, and the library's own count of heap allocations.

use core::sync::atomic::{AtomicU64, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

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

/// Counts every allocation of the library, then lets the system's allocator do it.
struct Counting;

static ALLOCS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // ORDERING: Relaxed, a counter.
    ALLOCS.fetch_add(1, Ordering::Relaxed);
}

// SAFETY: it passes everything on to `System`, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are `System`'s.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

fn collect(rt: *const ouzel_runtime) -> Result<ouzel_stats> {
    let body = get(rt)?;
    body.on_loop_if_local()?;
    let metrics = match &body.engine {
        Engine::Local { runtime, .. } => runtime.metrics(),
        Engine::Shared { handle, .. } => handle.metrics(),
    };
    // ORDERING: Relaxed, counters; all four.
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
        allocs: ALLOCS.load(Ordering::Relaxed),
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
    guard(|| {
        if out.is_null() {
            return Error::NULL.0;
        }
        if size < 8 {
            return Error::SIZE.0;
        }
        code(collect(rt).map(|mut stats| {
            let known = size.min(size_of::<ouzel_stats>());
            stats.size = known as u32;
            // SAFETY: `known` bytes fit into both, and they do not overlap.
            unsafe {
                core::ptr::copy_nonoverlapping((&raw const stats).cast::<u8>(), out.cast::<u8>(), known);
            }
            OUZEL_OK
        }))
    })
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
