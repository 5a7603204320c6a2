//! Jobs that borrow from whoever waits for them.
//!
//! The scope ends when its last job has, on every way out of it, so nothing borrowed can be gone before; there is no guard or
//! future that could be forgotten. While it waits, its thread runs jobs too: a pool that is busy, at its bound or closed
//! makes a scope slower, never stuck.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Runner;
use super::job::{Job, quietly};

/// Where jobs of one scope are started; see [`blocking_scope`](crate::blocking_scope).
pub struct BlockingScope<'scope, 'env: 'scope> {
    jobs: Arc<Jobs>,
    pool: Runner,
    // As in `std::thread::Scope`: neither may be shortened.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// What the scope and the pool's threads share.
#[derive(Default)]
struct Jobs {
    state: Mutex<State>,
    /// A job has come, or one has ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: usize,
    /// What the first job that panicked said.
    panic: Option<Box<dyn Any + Send>>,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one job that waits; false if there is none.
    fn run_one(&self) -> bool {
        let mut state = self.lock();
        let Some(job) = state.waiting.pop_front() else { return false };
        state.running += 1;
        drop(state);
        // The job is consumed by its call: what it borrows is not touched after.
        let result = catch_unwind(AssertUnwindSafe(job));
        let mut state = self.lock();
        state.running -= 1;
        let unneeded = match result {
            Err(payload) if state.panic.is_none() => {
                state.panic = Some(payload);
                None
            }
            result => result.err(),
        };
        drop(state);
        self.changed.notify_all();
        // Outside the lock, as its destructor is foreign code; it borrows nothing of the scope.
        quietly(|| drop(unneeded));
        true
    }

    /// Runs jobs and waits for those that others run. What a job panicked with is handed out.
    fn finish(&self) -> Option<Box<dyn Any + Send>> {
        loop {
            while self.run_one() {}
            let mut state = self.lock();
            while state.waiting.is_empty() && state.running > 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.waiting.is_empty() {
                return state.panic.take();
            }
        }
    }
}

impl<'scope> BlockingScope<'scope, '_> {
    /// Queues `job`, which may borrow whatever outlives the scope. Two allocations.
    ///
    /// Jobs may start further ones. A job's panic is the scope's, once all others have ended.
    pub fn spawn(&'scope self, job: impl FnOnce() + Send + 'scope) {
        let job: Box<dyn FnOnce() + Send + 'scope> = Box::new(job);
        // SAFETY: the types differ in the lifetime alone, and the job is called, hence consumed, before `enter` returns:
        // `finish` waits on every way out until none waits and none runs. So nothing it borrows is gone before it is.
        let job = unsafe { std::mem::transmute::<Box<dyn FnOnce() + Send + 'scope>, Job>(job) };
        self.jobs.lock().waiting.push_back(job);
        self.jobs.changed.notify_all();
        let jobs = Arc::clone(&self.jobs);
        // A pool that does not take it leaves it to the scope's own thread.
        let _ = self.pool.run(Box::new(move || {
            jobs.run_one();
        }));
    }
}

impl fmt::Debug for BlockingScope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingScope").finish_non_exhaustive()
    }
}

/// Runs `f` and then every job it has started on the pool of `pool`; returns when all have ended.
pub(crate) fn enter<'env, T>(
    pool: Runner,
    f: impl for<'scope> FnOnce(&'scope BlockingScope<'scope, 'env>) -> T,
) -> T {
    let scope = BlockingScope { jobs: Arc::default(), pool, scope: PhantomData, env: PhantomData };
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    let panic = scope.jobs.finish();
    match (result, panic) {
        (Err(payload), other) => {
            quietly(|| drop(other));
            resume_unwind(payload)
        }
        (Ok(_), Some(payload)) => resume_unwind(payload),
        (Ok(value), None) => value,
    }
}
