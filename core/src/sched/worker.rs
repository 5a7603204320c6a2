//! A worker: takes tasks from the nearest queue that has one, polls them, sleeps when there are none.
//!
//! ```text
//!   every `interval` polls: the driver, then one task of the injection queue
//!   next:  LIFO (at most 3 in a row) -> own batch and ring -> injection queue -> driver, if something may be there
//!          -> search: steal from the others -> sleep
//! ```
//!
//! A worker that has run out of tasks goes to sleep without a look at a driver that has nothing for it, as far as that can be
//! told for nothing ([`Driver::may_have_arrived`]), and a lone one in any case: the wait submits what its tasks have begun, and
//! ends at once if something is there. With a look before it, an echo server with one worker made two `io_uring_enter` for each
//! batch of messages, one to submit and one to wait.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::ptr;

use crate::context;
use crate::driver::{Deadline, Driver, Nanos};
use crate::sched::entry::Core;
use crate::sched::interval::Interval;
use crate::sched::private::Private;
use crate::sched::shared::{DRAINED, Shared, count};
use crate::sched::sleep::Woken;
use crate::sched::watch::Watch;
use crate::sync::Ordering;
use crate::task::{self, AfterRun, Notified};

/// So few tasks in a worker's ring are as good as none.
const FEW: usize = 8;

/// A worker of a [`Shared`] runtime, with the driver it sleeps in. Belongs to the thread that runs it.
pub struct Worker<D> {
    core: Box<Core>,
    driver: D,
    interval: Interval,
    /// Polls since the driver and the injection queue were last looked at.
    since_look: u32,
    /// Where the next round over the other workers or shards starts.
    round: usize,
    /// When the driver was last looked at.
    looked: Nanos,
    watch: Watch,
    #[cfg(ouzel_switch = "spin")]
    spin: super::spin::Spin,
    /// The last trim that was done here, of those asked for.
    trimmed: u32,
}

impl<D: Driver> Worker<D> {
    /// Worker `index` of `shared`, which must be used once. Its seat belongs to `driver`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, index: usize, driver: D) -> Self {
        assert!(index < shared.remotes.len(), "no seat for worker {index}");
        Worker {
            trimmed: 0,
            core: Box::new(Core::new(shared, index)),
            driver,
            interval: Interval::default(),
            since_look: 0,
            round: index,
            looked: Nanos(0),
            watch: Watch::new(),
            #[cfg(ouzel_switch = "spin")]
            spin: super::spin::Spin::new(),
        }
    }

    /// Works until the runtime is closed and every task has come to its end; gives the driver back.
    ///
    /// The last worker to leave its loop cancels and drops what is left of the tasks, on this thread.
    ///
    /// # Panics
    /// If the driver cannot wait: no wake-up could be trusted after that.
    pub fn run(mut self) -> D {
        self.looked = self.driver.now();
        // SAFETY: the slab belongs to this thread from here on, and the guard goes before it.
        let _slab = unsafe { self.core.slab.enter() };
        let _sched =
            context::enter_sched(ptr::from_ref(&*self.core.shared).cast(), ptr::from_ref(&*self.core).cast());
        while !self.core.shared.is_closing() {
            self.since_look += self.core.run_own(self.interval.every().saturating_sub(self.since_look));
            if self.since_look >= self.interval.every() {
                self.look();
                if let Some(task) = self.next_injected() {
                    self.run_one(task);
                }
            } else if let Some(task) = self.next_elsewhere() {
                self.run_one(task);
            } else if !self.core.has_own() {
                #[cfg(ouzel_switch = "spin")]
                self.spin_or_sleep();
                #[cfg(not(ouzel_switch = "spin"))]
                self.sleep();
            }
        }
        self.leave();
        self.driver
    }

    fn run_one(&mut self, task: Notified) {
        self.since_look += 1;
        self.core.run_one(task);
    }

    /// One task of the injection queue, so that it moves while our own queues are full; a share of it if they are
    /// nearly empty. (One per look alone made a burst of 1000 spawns, two thirds of them overflown, wait for 61
    /// polls each while the spawner yielded: 26,000 instructions per task in place of 500.)
    fn next_injected(&mut self) -> Option<Notified> {
        let round = self.next_round();
        if self.core.private(|p| p.waiting(self.core.alone)) < FEW {
            self.take_injected(round)
        } else {
            self.core.shared.take_injected(round)
        }
    }

    /// Nothing is left of our own: the injection queue, the driver, the others. `None`: nothing there as far as we have
    /// looked, or the driver has filled our own queues.
    #[cold]
    fn next_elsewhere(&mut self) -> Option<Notified> {
        let round = self.next_round();
        if let Some(task) = self.take_injected(round) {
            return Some(task);
        }
        if self.core.alone {
            return None;
        }
        if self.driver.may_have_arrived() {
            self.look();
            if self.core.has_own() {
                return None;
            }
        }
        let task = self.search(round)?;
        // What our tasks have begun must not wait until this one ends.
        self.look();
        Some(task)
    }

    fn take_injected(&mut self, round: usize) -> Option<Notified> {
        let shared = &self.core.shared;
        let room = self.core.private(|p| p.room(self.core.alone));
        let mut batch = shared.take_injected_batch(round, room.max(1));
        let first = batch.pop_front()?;
        let more = !batch.is_empty();
        self.core.private(|p| p.extend(&mut batch, self.core.alone));
        shared.inject.push_chain(self.core.index, batch);
        if more {
            shared.notify();
        }
        Some(first)
    }

    /// Lets the driver deliver what has arrived, and takes the time of the polls since the last look. Trims, if that
    /// is asked for.
    fn look(&mut self) {
        let trims = self.core.shared.trims();
        if trims != self.trimmed {
            self.trimmed = trims;
            self.core.slab.trim();
            self.core.private(Private::shrink);
            count(&self.core.remote().counts.trims, 1);
        }
        if let Err(e) = self.driver.poll() {
            panic!("the driver of worker {} failed: {e}", self.core.index);
        }
        self.take_time();
    }

    /// Of the polls since the last look.
    fn take_time(&mut self) {
        let polls = core::mem::take(&mut self.since_look);
        let now = self.driver.now();
        self.interval.record(now.since(self.looked), polls);
        self.looked = now;
    }

    /// Steals half of somebody's ring. At most half of the workers search at a time.
    fn search(&mut self, round: usize) -> Option<Notified> {
        let core = &*self.core;
        if !core.searching.get() {
            if !core.shared.sleep.try_search() {
                return None;
            }
            core.searching.set(true);
        }
        let remotes = &core.shared.remotes;
        for i in 0..remotes.len() {
            let victim = round.wrapping_add(i) % remotes.len();
            if victim == core.index {
                continue;
            }
            let task = core.private(|p| remotes[victim].ring.steal_into(&p.ring));
            if task.is_some() {
                count(&core.remote().counts.steals, 1);
                return task;
            }
        }
        self.take_injected(round)
    }

    /// Announces, looks at every queue once more, and sleeps in the driver.
    fn sleep(&mut self) {
        let core = &*self.core;
        let shared = &*core.shared;
        debug_assert!(core.private(|p| p.hidden()) == 0, "tasks would sleep with us");
        shared.sleep.announce(core.index, core.searching.replace(false));
        if shared.has_work() || shared.is_closing() || shared.trims() != self.trimmed {
            shared.sleep.found_work(core.index);
            core.searching.set(true);
            // It may be another's, which we cannot have: then this goes round and round.
            self.look();
            return;
        }
        self.take_time();
        let core = &*self.core;
        let shared = &*core.shared;
        let watching = self.watch.begin(shared, core.index);
        let deadline = watching.then(|| Deadline(self.driver.now() + self.watch.sleep));
        count(&core.remote().counts.parks, 1);
        let park = &core.remote().seat.park;
        // Tokens that come without a pause must not keep the driver from being looked at.
        let waited = if park.begin() { self.driver.park(deadline) } else { self.driver.poll().map(drop) };
        if let Err(e) = waited {
            panic!("the driver of worker {} cannot wait: {e}", core.index);
        }
        park.end();
        if shared.sleep.woken(core.index) == Woken::Searching {
            core.searching.set(true);
        }
        if let Some(deadline) = deadline {
            let due = self.driver.now() >= deadline.0;
            self.watch.end(shared, core, due);
        }
        self.looked = self.driver.now();
        self.since_look = 0;
    }

    /// Sleeps, unless looking a little longer finds work first.
    #[cfg(ouzel_switch = "spin")]
    fn spin_or_sleep(&mut self) {
        self.look();
        if self.core.has_own() {
            return;
        }
        let began = self.looked;
        let shared = &*self.core.shared;
        let has_work = || shared.has_work() || shared.is_closing();
        let found = match self.core.searching.get() {
            true => self.spin.find(began, || self.driver.now(), has_work),
            false => None,
        };
        match found {
            Some(now) => self.looked = now,
            None => self.sleep(),
        }
        // Unless the last look before the sleep found work: that took no time.
        if self.looked != began {
            self.spin.waited(self.looked.since(began));
        }
    }

    fn next_round(&mut self) -> usize {
        self.round = self.round.wrapping_add(1);
        self.round
    }

    /// Out of the loop: what is queued here goes where the last one out finds it.
    fn leave(&mut self) {
        let core = &*self.core;
        core.leave();
        // Between the flag and the waking of all in `Shared::close`, the one it names would be woken by nobody else.
        if core.searching.replace(false)
            && let Some(worker) = core.shared.sleep.leave_search()
        {
            core.shared.unpark(worker);
        }
        let all = core.private(Private::take_all);
        core.shared.inject.push_chain(core.index, all);
        // ORDERING: AcqRel: the Release half gives our tasks to the last one out, whose Acquire half takes all of them.
        if core.shared.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.drain();
        } else {
            self.wait_until_drained();
        }
    }

    /// The last one out is the only poller: cancels what idles, then runs what is queued, where each task
    /// sees that it is cancelled, until the last waker between its CAS and its push has been waited for.
    fn drain(&mut self) {
        let core = &*self.core;
        let shared = &*core.shared;
        shared.owned.cancel_all(task::cancel);
        loop {
            while let Some(task) = shared.take_injected(self.round) {
                match task::run(task) {
                    AfterRun::Again(task) | AfterRun::Yielded(task) => shared.inject.push(core.index, task),
                    AfterRun::Done | AfterRun::Idle => {}
                }
            }
            if shared.owned.all_complete() {
                break;
            }
            shared.sleep.announce(core.index, false);
            if !shared.has_injected() && !shared.owned.all_complete() {
                doze(core, &mut self.driver);
            }
            if shared.sleep.woken(core.index) == Woken::Searching {
                // Nobody else runs tasks any more, so there is nobody to wake next.
                let _ = shared.sleep.leave_search();
            }
        }
        shared.foreign.close();
        // ORDERING: Release pairs with the Acquire load in `is_drained`.
        shared.phase.store(DRAINED, Ordering::Release);
        for worker in 0..shared.remotes.len() {
            shared.unpark(worker);
        }
    }

    /// Keeps the driver going for operations that are being cancelled by the last one out.
    fn wait_until_drained(&mut self) {
        while !self.core.shared.is_drained() {
            doze(&self.core, &mut self.driver);
        }
    }
}

/// Sleeps until anything at all happens.
fn doze(core: &Core, driver: &mut impl Driver) {
    let park = &core.remote().seat.park;
    if park.begin()
        && let Err(e) = driver.park(None)
    {
        panic!("the driver of worker {} cannot wait: {e}", core.index);
    }
    park.end();
}

impl<D> fmt::Debug for Worker<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.core.index).finish_non_exhaustive()
    }
}
