//! What a runtime counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

use ouzel_core::driver::Counters;
use ouzel_core::sched::SchedulerMetrics;

use crate::blocking::BlockingMetrics;

/// System calls and queue entries of the I/O drivers, summed over a runtime's threads.
///
/// Each is an exact count since the runtime was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IoCounters {
    /// System calls made by the drivers, waits included.
    pub syscalls: u64,
    /// Of these, `io_uring_enter`.
    pub enters: u64,
    /// Submission queue entries written.
    pub sqes: u64,
    /// Completion queue entries read.
    pub cqes: u64,
    /// Calls that may have slept.
    pub waits: u64,
    /// Changes of a readiness registration (`epoll_ctl`).
    pub ctl: u64,
}

/// The counters of one thread's driver, where other threads can read them. Written by that thread.
#[derive(Debug, Default)]
pub(crate) struct IoTotals([AtomicU64; 6]);

impl IoTotals {
    pub(crate) fn set(&self, c: Counters) {
        for (cell, n) in self.0.iter().zip([c.syscalls, c.enters, c.sqes, c.cqes, c.waits, c.ctl]) {
            // ORDERING: Relaxed, plain counters.
            cell.store(n, Ordering::Relaxed);
        }
    }

    /// Adds them to `sum`.
    pub(crate) fn add_to(&self, sum: &mut IoCounters) {
        let all =
            [&mut sum.syscalls, &mut sum.enters, &mut sum.sqes, &mut sum.cqes, &mut sum.waits, &mut sum.ctl];
        for (cell, sum) in self.0.iter().zip(all) {
            // ORDERING: Relaxed, plain counters.
            *sum += cell.load(Ordering::Relaxed);
        }
    }
}

impl From<SchedulerMetrics> for Metrics {
    fn from(scheduler: SchedulerMetrics) -> Self {
        Metrics {
            polls: scheduler.polls,
            spawned: scheduler.spawned,
            completed: scheduler.completed,
            steals: scheduler.steals,
            parks: scheduler.parks,
            injected: scheduler.injected,
            raids: scheduler.raids,
            task_bytes: scheduler.task_bytes,
            ..Metrics::default()
        }
    }
}

impl Metrics {
    /// Puts the blocking pool's counts in.
    pub(crate) fn set_blocking(&mut self, pool: BlockingMetrics) {
        self.blocking_threads = pool.threads as u64;
        self.blocking_idle = pool.idle as u64;
        self.blocking_peak_threads = pool.peak_threads as u64;
        self.blocking_queued = pool.queued as u64;
        self.blocking_stalls = pool.stalls;
        self.blocking_completed = pool.completed;
    }
}

/// A runtime's counters, read at one moment but not atomically as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Worker threads.
    pub workers: u64,
    /// Task polls.
    pub polls: u64,
    /// Tasks spawned.
    pub spawned: u64,
    /// Tasks that came to an end.
    pub completed: u64,
    /// Tasks a worker took from another.
    pub steals: u64,
    /// Times a worker went to sleep.
    pub parks: u64,
    /// Tasks that came in through the injection queue.
    pub injected: u64,
    /// Private queues broken into because their owner stood still.
    pub raids: u64,
    /// Bytes set aside for tasks: 64 KiB at a time, kept until [`Runtime::trim`](crate::Runtime::trim).
    pub task_bytes: u64,
    /// Threads of the blocking pool.
    pub blocking_threads: u64,
    /// Of these, threads that sleep.
    pub blocking_idle: u64,
    /// Most threads of the blocking pool at any one time.
    pub blocking_peak_threads: u64,
    /// Blocking jobs that wait for a thread.
    pub blocking_queued: u64,
    /// Times the blocking pool grew because all its threads were stuck.
    pub blocking_stalls: u64,
    /// Blocking jobs that ran to their end, by a panic or not.
    pub blocking_completed: u64,
    /// The drivers' counts.
    pub io: IoCounters,
}
