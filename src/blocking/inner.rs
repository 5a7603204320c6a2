//! What a pool's threads, runners and handles share: the lock, what it guards, and how a job gets in and out.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::config::BlockingConfig;
use super::job::{Work, quietly};
use super::queue::Queue;

/// How a thread of a blocking pool is started: see [`Builder::start_blocking_threads`](crate::Builder::start_blocking_threads).
pub type StartThread = fn(thread::Builder, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;

/// Why a pool did not take a job.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It has been shut down.
    Closed,
    /// It has no thread, and the system refuses to start one.
    NoThread(io::Error),
    /// It has no memory to remember it.
    NoMemory,
}

/// One pool, shared by its threads and handles.
pub(super) struct Inner {
    pub(super) config: BlockingConfig,
    pub(super) start: StartThread,
    pub(super) state: Mutex<State>,
    /// Idle threads sleep here.
    pub(super) work: Condvar,
    /// The watcher sleeps here.
    pub(super) watch: Condvar,
    /// A shutdown waits here for threads to end.
    pub(super) ended: Condvar,
}

/// What the lock guards.
#[derive(Default)]
pub(super) struct State {
    pub(super) queue: Queue<Work>,
    pub(super) threads: usize,
    pub(super) idle: usize,
    /// Sleepers that have been promised a job and are not up yet.
    pub(super) claimed: usize,
    /// Threads that have been started and have not come to the queue yet.
    pub(super) starting: usize,
    /// Moves whenever a job begins, ends or is removed.
    pub(super) progress: u64,
    pub(super) closed: bool,
    /// The watcher's thread exists.
    pub(super) watching: bool,
    /// It has nothing to watch and wants to be told when it has.
    pub(super) resting: bool,
    pub(super) handles: Vec<JoinHandle<()>>,
    pub(super) peak_threads: usize,
    pub(super) stalls: u64,
    pub(super) completed: u64,
}

/// Waits on `condvar`; the flag says that `timeout` is over.
pub(super) fn wait<'a>(
    condvar: &Condvar,
    state: MutexGuard<'a, State>,
    timeout: Option<Duration>,
) -> (MutexGuard<'a, State>, bool) {
    match timeout {
        None => (condvar.wait(state).unwrap_or_else(PoisonError::into_inner), false),
        Some(timeout) => {
            let waited = condvar.wait_timeout(state, timeout);
            let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
            (state, result.timed_out())
        }
    }
}

impl Inner {
    /// A pool without a thread yet.
    pub(super) fn new(config: BlockingConfig, start: StartThread) -> Self {
        Inner {
            config: config.within_bounds(),
            start,
            state: Mutex::default(),
            work: Condvar::new(),
            watch: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock, so the state is whole even if a thread died.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(self: &Arc<Self>, work: Work) -> Result<u64, (Work, Refusal)> {
        let mut state = self.lock();
        if state.closed {
            return Err((work, Refusal::Closed));
        }
        if !state.queue.reserve() {
            return Err((work, Refusal::NoMemory));
        }
        let wake = state.idle > 0;
        if wake {
            state.idle -= 1;
            state.claimed += 1;
        } else if state.threads < self.config.core_threads {
            // With others at work the job can wait for one of them.
            if let Err(e) = self.start_thread(&mut state)
                && state.threads == 0
            {
                return Err((work, Refusal::NoThread(e)));
            }
        }
        let ticket = state.queue.push(work);
        self.see_to_watcher(&mut state);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Ok(ticket)
    }

    /// Takes a job out of the queue and drops it.
    pub(super) fn remove(&self, ticket: u64) -> Option<()> {
        let mut state = self.lock();
        let work = state.queue.remove(ticket)?;
        state.progress += 1;
        drop(state);
        drop(work);
        Some(())
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        self.work.notify_all();
        self.watch.notify_all();
        let mut queue = queue;
        while let Some(work) = queue.pop() {
            quietly(|| drop(work));
        }
    }

    /// Jobs wait that no thread is coming for, and there may be one more.
    pub(super) fn is_starved(&self, state: &State) -> bool {
        state.queue.len() > state.claimed + state.starting
            && state.idle == 0
            && state.threads < self.config.max_threads
    }
}
