//! A worker's inner loop: takes the tasks that are its own and polls them.
//!
//! Apart from the rest of the worker because it does not depend on the driver: compiled once, here, with all
//! that happens between two polls in one function.

use crate::config::LIFO_POLL_CAP;
use crate::coop;
use crate::sched::entry::Core;
use crate::sched::shared::count;
use crate::task::{self, AfterRun, Notified};

impl Core {
    /// Polls tasks of the worker's own queues, at most `most`, until there are none or the runtime closes; how many.
    pub(super) fn run_own(&self, most: u32) -> u32 {
        let mut polled = 0;
        while polled < most && !self.shared.is_closing() {
            let Some(task) = self.next_own() else { break };
            self.run_task(task);
            polled += 1;
        }
        polled
    }

    /// Whether a task waits in the worker's own queues.
    pub(super) fn has_own(&self) -> bool {
        self.private(|p| !p.lifo.is_empty() || !p.ring.is_empty())
    }

    /// Polls a task that came from elsewhere.
    pub(super) fn run_one(&self, task: Notified) {
        self.run_task(task);
    }

    /// From the LIFO slots, at most [`LIFO_POLL_CAP`] in a row, then from the ring.
    #[inline(always)]
    fn next_own(&self) -> Option<Notified> {
        let mut in_a_row = self.lifo_polls.get();
        if in_a_row >= LIFO_POLL_CAP {
            self.flush_lifo();
            in_a_row = 0;
        }
        let (task, in_a_row) = self.private(|p| match p.lifo.pop() {
            Some(task) => (Some(task), in_a_row + 1),
            None => (p.ring.pop(), 0),
        });
        self.lifo_polls.set(in_a_row);
        task
    }

    /// Moves what is in the LIFO slots behind the others, oldest first.
    fn flush_lifo(&self) {
        loop {
            let full = self.private(|p| {
                loop {
                    let task = p.lifo.pop_oldest()?;
                    if let Some(task) = p.push_tail(task) {
                        return Some(task);
                    }
                }
            });
            match full {
                Some(task) => self.push_full(task),
                None => return,
            }
        }
    }

    #[inline(always)]
    fn run_task(&self, task: Notified) {
        if self.searching.get() {
            self.leave_search();
        }
        let counts = &self.remote().counts;
        count(&counts.polls, 1);
        coop::refill();
        match task::run(task) {
            AfterRun::Idle => {}
            AfterRun::Done => count(&counts.completed, 1),
            AfterRun::Again(task) | AfterRun::Yielded(task) => self.push_tail(task),
        }
    }

    /// Work was found: the last searcher wakes the next.
    #[cold]
    fn leave_search(&self) {
        self.searching.set(false);
        if let Some(worker) = self.shared.sleep.leave_search() {
            self.shared.unpark(worker);
        }
    }
}
