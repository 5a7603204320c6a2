//! The one place that polls: turns, sleeping, `block_on`.
//!
//! *Fairness.* First in, first out; a turn polls what was ready at its beginning, once, then looks at the driver.
//! A task that wakes itself comes after all of these.
//!
//! *No lost wake.* Each push is followed by a token. A runner that sleeps has consumed every token before it (`end`)
//! and then looked at the stack, in this order, and finds none left by a later push (`begin`).

use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use super::executor::Executor;
use crate::driver::{Deadline, Driver, Errno};
use crate::queue::Chain;
use crate::task::place::run;
use crate::task::{AfterRun, Notified, Schedule};

/// Polls the tasks of an [`Executor`]; sleeps in its driver when all of them wait.
///
/// Dropped, it leaves what is runnable to the executor's next runner.
pub struct Runner<D> {
    executor: &'static Executor,
    driver: D,
    queue: Chain<Notified>,
}

impl Executor {
    /// The right to poll this executor's tasks, until it is dropped. None while another has it.
    pub fn runner<D>(&'static self, driver: D) -> Option<Runner<D>> {
        self.take().then(|| Runner { executor: self, driver, queue: Chain::new() })
    }
}

impl<D> Runner<D> {
    /// The executor whose tasks it polls.
    #[must_use]
    pub fn executor(&self) -> &'static Executor {
        self.executor
    }

    /// Gives access to the driver.
    pub fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Moves what became runnable elsewhere to the run queue.
    fn collect(&mut self) {
        for task in self.executor.ready.take_all() {
            // SAFETY: `schedule` pushed it as an N, and it has been taken this once.
            self.queue.push_back(unsafe { Notified::from_raw(task) });
        }
    }
}

impl<D: Driver> Runner<D> {
    /// Waits until a task is ready or something else ends the driver's sleep, `deadline` at the latest; then
    /// polls each task that is ready, once. Returns how many that were.
    ///
    /// # Errors
    /// The driver's.
    pub fn run_once(&mut self, deadline: Option<Deadline>) -> Result<usize, Errno> {
        if self.queue.is_empty() {
            let slept = self.sleep(deadline);
            // The token goes before the stack is looked at, never after.
            self.executor.park.end();
            self.collect();
            slept?;
        } else {
            self.driver.poll()?;
            self.collect();
        }
        let ready = self.queue.len();
        for _ in 0..ready {
            let Some(task) = self.queue.pop_front() else { break };
            match run(task) {
                AfterRun::Done | AfterRun::Idle => {}
                AfterRun::Again(task) | AfterRun::Yielded(task) => self.queue.push_back(task),
            }
        }
        Ok(ready)
    }

    /// Runs for ever.
    ///
    /// # Errors
    /// The driver's; nothing else ends it.
    pub fn run(&mut self) -> Result<Infallible, Errno> {
        loop {
            self.run_once(None)?;
        }
    }

    /// Runs `future` and every task until `future` is done.
    ///
    /// # Errors
    /// The driver's.
    pub fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output, Errno> {
        let mut future = pin!(future);
        let waker = self.executor.root_waker();
        let mut cx = Context::from_waker(&waker);
        self.executor.wake_root();
        loop {
            if self.executor.take_root_woken()
                && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
            {
                return Ok(output);
            }
            self.run_once(None)?;
        }
    }

    /// Sleeps in the driver, unless somebody has left a token.
    fn sleep(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        if self.executor.park.begin() {
            self.driver.park(deadline)
        } else {
            // Tokens that come without a pause must not keep the driver from being looked at.
            self.driver.poll().map(drop)
        }
    }
}

impl<D> Drop for Runner<D> {
    fn drop(&mut self) {
        while let Some(task) = self.queue.pop_front() {
            self.executor.schedule(task);
        }
        self.executor.give_back();
    }
}

impl<D> fmt::Debug for Runner<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("queue", &self.queue).finish_non_exhaustive()
    }
}
