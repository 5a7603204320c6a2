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
    /// Polls tasks of the worker's own queues, at most `most`, until there are none; how many.
    ///
    /// A shutdown is looked for between two calls and not between two polls: `most` is what fits in the time after
    /// which a worker looks at its driver.
    pub(super) fn run_own(&self, most: u32) -> u32 {
        if self.searching.get() && most > 0 && self.has_own() {
            self.leave_search();
        }
        if self.alone { self.run_some::<true>(most) } else { self.run_some::<false>(most) }
    }

    fn run_some<const ALONE: bool>(&self, most: u32) -> u32 {
        let mut in_a_row = self.lifo_polls.get();
        let mut polled = 0;
        while polled < most {
            let Some(task) = self.next_own::<ALONE>(&mut in_a_row) else { break };
            self.run_task::<ALONE>(task);
            polled += 1;
        }
        self.lifo_polls.set(in_a_row);
        if ALONE {
            count(&self.remote().counts.polls, u64::from(polled));
        }
        polled
    }

    /// Whether a task waits in the worker's own queues.
    pub(super) fn has_own(&self) -> bool {
        self.private(|p| !p.is_empty())
    }

    /// Polls a task that came from elsewhere.
    pub(super) fn run_one(&self, task: Notified) {
        if self.searching.get() {
            self.leave_search();
        }
        if self.alone {
            count(&self.remote().counts.polls, 1);
            self.run_task::<true>(task);
        } else {
            self.run_task::<false>(task);
        }
    }

    /// From the LIFO slots, at most [`LIFO_POLL_CAP`] `in_a_row` while others wait, then from the ring.
    #[inline(always)]
    fn next_own<const ALONE: bool>(&self, in_a_row: &mut u32) -> Option<Notified> {
        if *in_a_row >= LIFO_POLL_CAP {
            *in_a_row = 0;
            // Who waits for nobody would go through the ring for nothing: a locked instruction for every fourth message.
            if self.private_if::<ALONE, _>(|p| p.has_behind(ALONE)) {
                self.flush_lifo::<ALONE>();
            }
        }
        self.private_if::<ALONE, _>(|p| match p.pop_newest() {
            Some(task) => {
                *in_a_row += 1;
                Some(task)
            }
            None => {
                *in_a_row = 0;
                p.pop::<ALONE>()
            }
        })
    }

    /// Moves what is in the LIFO slots behind the others, oldest first.
    fn flush_lifo<const ALONE: bool>(&self) {
        loop {
            let full = self.private_if::<ALONE, _>(|p| {
                loop {
                    let task = p.pop_lifo_oldest()?;
                    if let Some(task) = p.push_tail::<ALONE>(task) {
                        return Some(task);
                    }
                }
            });
            match full {
                Some(task) => self.push_full::<ALONE>(task),
                None => return,
            }
        }
    }

    #[inline(always)]
    fn run_task<const ALONE: bool>(&self, task: Notified) {
        if !ALONE {
            // Before the poll: a watcher looks whether this stands still.
            count(&self.remote().counts.polls, 1);
        }
        coop::refill();
        match task::run(task) {
            AfterRun::Idle => {}
            AfterRun::Done => count(&self.remote().counts.completed, 1),
            AfterRun::Again(task) | AfterRun::Yielded(task) => self.push_tail::<ALONE>(task),
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
