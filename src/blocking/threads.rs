//! What the pool's threads do: serve the queue, and look out for stalls.
//!
//! A thread that ends leaves the list of those to be joined, unless the pool is closed: then whoever
//! shuts it down joins them all.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ouzel_core::memory::boxed;

use super::inner::{Inner, State, wait};

/// Late periods in a row that the watcher blames on the machine.
const LATE: u32 = 4;

/// What the watcher makes of the periods it has waited for.
#[derive(Default)]
pub(super) struct Periods {
    late: u32,
}

impl Periods {
    /// Whether a period of `stall`, which took this long in truth, is one to add a thread for. `stuck`: jobs wait, and
    /// none has begun or ended in it.
    pub(super) fn is_stall(&mut self, stuck: bool, took: Duration, stall: Duration) -> bool {
        // If we were not run for so long, perhaps the jobs were not either.
        let excused = stuck && took > stall * 2 && self.late < LATE;
        self.late = if excused { self.late + 1 } else { 0 };
        stuck && !excused
    }
}

/// A thread's builder.
fn named(name: fmt::Arguments<'_>) -> io::Result<thread::Builder> {
    let mut text = String::new();
    // Longer than any of ours.
    text.try_reserve(40).map_err(|_| io::ErrorKind::OutOfMemory)?;
    // A string takes all.
    let _ = text.write_fmt(name);
    Ok(thread::Builder::new().name(text))
}

impl Inner {
    /// Starts a thread. The lock is held meanwhile: it happens rarely, and nobody may rely on a thread
    /// that does not come to be.
    pub(super) fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        state.handles.try_reserve(1).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let inner = Arc::clone(self);
        let body = boxed(move || inner.serve()).ok_or(io::ErrorKind::OutOfMemory)?;
        let handle = (self.start)(named(format_args!("ouzel-block-{}", state.threads))?, body)?;
        state.handles.push(handle);
        state.threads += 1;
        state.starting += 1;
        state.peak_threads = state.peak_threads.max(state.threads);
        Ok(())
    }

    /// Gets the watcher on its feet if there is something to watch.
    pub(super) fn see_to_watcher(self: &Arc<Self>, state: &mut State) {
        if !self.is_starved(state) {
        } else if !state.watching {
            // As if there were no thread to be had, see below.
            if state.handles.try_reserve(1).is_err() {
                return;
            }
            // If there is no thread to be had, the next job tries again.
            if let Ok(handle) = self.start_watcher() {
                state.watching = true;
                state.handles.push(handle);
            }
        } else if state.resting {
            state.resting = false;
            self.watch.notify_one();
        }
    }

    fn start_watcher(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let inner = Arc::clone(self);
        let body = boxed(move || inner.look_out()).ok_or(io::ErrorKind::OutOfMemory)?;
        (self.start)(named(format_args!("ouzel-stall"))?, body)
    }

    /// A pool thread's life.
    fn serve(&self) {
        let mut state = self.lock();
        state.starting -= 1;
        loop {
            while let Some(work) = state.queue.pop() {
                state.progress += 1;
                drop(state);
                work.run();
                state = self.lock();
                state.progress += 1;
                state.completed += 1;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let promised;
            (state, promised) = self.sleep(state);
            if !promised {
                state.idle -= 1;
                break;
            }
        }
        state.threads -= 1;
        self.leave(state);
    }

    /// Sleeps until promised a job; false when it is time to end.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        let mut timed_out = false;
        loop {
            if state.claimed > 0 {
                state.claimed -= 1;
                return (state, true);
            }
            let surplus = state.threads > self.config.core_threads;
            if state.closed || (timed_out && surplus) {
                return (state, false);
            }
            (state, timed_out) = wait(&self.work, state, surplus.then_some(self.config.keep_alive));
        }
    }

    /// The last thing a thread does. A shutdown joins it; without one nobody will.
    fn leave(&self, mut state: MutexGuard<'_, State>) {
        if !state.closed {
            let me = thread::current().id();
            state.handles.retain(|h| h.thread().id() != me);
        }
        drop(state);
        self.ended.notify_all();
    }

    /// The watcher's life: adds a thread for each period without progress.
    fn look_out(self: &Arc<Self>) {
        let stall = self.config.stall;
        let mut periods = Periods::default();
        let mut state = self.lock();
        while !state.closed {
            if !self.is_starved(&state) {
                let timed_out;
                state.resting = true;
                (state, timed_out) = wait(&self.watch, state, Some(self.config.keep_alive));
                state.resting = false;
                if timed_out && !self.is_starved(&state) {
                    break;
                }
                continue;
            }
            let (before, began) = (state.progress, Instant::now());
            (state, _) = wait(&self.watch, state, Some(stall));
            let took = began.elapsed();
            if state.closed || took < stall {
                continue;
            }
            let stuck = self.is_starved(&state) && state.progress == before;
            if periods.is_stall(stuck, took, stall) {
                state.stalls += 1;
                // If there is no thread to be had, the job goes on waiting: the next period tries again.
                let _ = self.start_thread(&mut state);
            }
        }
        state.watching = false;
        self.leave(state);
    }
}
