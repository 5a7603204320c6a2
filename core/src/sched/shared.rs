//! What the workers of one runtime share: queues, sleepers, tasks, and the way down.
//!
//! **Shutdown** (see also `owned`): [`Shared::close`] sets the flag and wakes everybody; each worker
//! hands its private tasks to the injection queue and leaves its loop; the last one out, from then on
//! the only poller, cancels what idles and runs what is queued until every task is complete
//! (`worker`). No queue refuses a task before that.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::task::Waker;

use crate::driver::Unpark;
use crate::owned::{ChunkTable, OwnedTasks};
use crate::park::ParkWord;
use crate::queue::intake::Stack;
use crate::queue::{Chain, Owner, Ring};
use crate::sched::biased::{Biased, HeavyBarrier};
use crate::sched::injected::{Injected, Take};
use crate::sched::private::Private;
use crate::sched::sleep::Sleep;
use crate::slab::{Pages, SharedSlab, SlabMeta};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, CachePadded, Ordering};
use crate::task::{Header, Notified, Schedule, TaskId, TaskState, WakeResult};

/// Where a worker sleeps and how it is woken. Made by the adapter, on the worker's own thread.
#[derive(Clone)]
pub struct Seat {
    /// The word its driver waits on.
    pub park: Arc<ParkWord>,
    /// What ends a sleep in its driver.
    pub unpark: Arc<dyn Unpark>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("park", &self.park).finish_non_exhaustive()
    }
}

/// One worker as the others see it.
pub(super) struct Remote {
    pub(super) private: Biased<Private>,
    pub(super) ring: Box<Ring<Notified>>,
    pub(super) seat: Seat,
    pub(super) counts: CachePadded<Counts>,
}

/// One worker's counters. Written by the worker alone, with a load and a store.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Polls begun. A watcher that sees it stand still may raid.
    pub(super) polls: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) steals: AtomicU64,
    pub(super) parks: AtomicU64,
    pub(super) raids: AtomicU64,
    pub(super) spawned: AtomicU64,
    pub(super) trims: AtomicU64,
}

/// Adds to a counter that only this thread writes.
#[inline(always)]
pub(super) fn count(counter: &AtomicU64, n: u64) {
    // ORDERING: Relaxed, a plain counter with one writer.
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

/// A runtime's counters, summed over its workers; each exact, the whole not a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerMetrics {
    /// Task polls.
    pub polls: u64,
    /// Tasks spawned.
    pub spawned: u64,
    /// Tasks that ended while their worker ran.
    pub completed: u64,
    /// Successful steals from another worker.
    pub steals: u64,
    /// Times a worker slept.
    pub parks: u64,
    /// Pushes to the injection queue by threads that are no workers.
    pub injected: u64,
    /// Private queues broken into because their owner stood still.
    pub raids: u64,
    /// Trims that workers have done, one each for each that was asked for (those that come close together count as one).
    pub trims: u64,
    /// Bytes set aside for tasks at this moment.
    pub task_bytes: u64,
}

/// Open: spawns are taken.
pub(super) const OPEN: u32 = 0;
/// Closing: spawns are refused, workers leave their loops.
pub(super) const CLOSING: u32 = 1;
/// Every task is complete; workers close their drivers.
pub(super) const DRAINED: u32 = 2;

/// See the module.
pub struct Shared {
    pub(super) remotes: Box<[Remote]>,
    pub(super) inject: Injected,
    /// Tasks that signal handlers woke (`signalled`).
    pub(super) signalled: Stack<Header>,
    pub(super) sleep: Sleep,
    pub(super) owned: OwnedTasks,
    pub(super) phase: AtomicU32,
    /// Workers still in their loops.
    pub(super) running: AtomicUsize,
    /// Whether a worker sleeps with a timeout because another might hide tasks (`worker`, "Watch").
    pub(super) watched: AtomicBool,
    pub(super) foreign: CachePadded<SharedSlab>,
    /// Trims asked for, wrapping. Each worker does one when it sees that this has changed.
    pub(super) trims: AtomicU32,
    /// On a line of its own: the rest is read by workers all the time.
    pub(super) outside: CachePadded<Outside>,
}

/// What threads that are no workers count.
#[derive(Default)]
pub(super) struct Outside {
    /// Chains that were pushed; single tasks are counted where they are queued.
    pub(super) injected: AtomicU64,
    pub(super) spawned: AtomicU64,
}

impl Shared {
    /// A runtime of one worker per seat, at most [`crate::config::MAX_WORKERS`]. `heavy` is the system's
    /// way to fence all other threads, if it has one; `pages` is where the memory of its tasks comes from.
    ///
    /// # Panics
    /// If there is no seat, or there are too many.
    #[must_use]
    pub fn new(seats: impl IntoIterator<Item = Seat>, heavy: HeavyBarrier, pages: Pages) -> Arc<Self> {
        let seats: Vec<Seat> = seats.into_iter().collect();
        let alone = seats.len() == 1;
        let remotes: Box<[Remote]> = seats
            .into_iter()
            .map(|seat| {
                let ring = Box::new(Ring::new());
                // SAFETY: the ring is boxed and dropped after the owner (field order of `Remote`).
                let owner = unsafe { Owner::new(&ring) };
                let private = Biased::new(Private::new(owner, alone, pages), heavy);
                Remote { private, ring, seat, counts: CachePadded::default() }
            })
            .collect();
        assert!(!remotes.is_empty(), "a runtime needs a worker");
        let workers = remotes.len();
        Arc::new(Shared {
            remotes,
            inject: Injected::new(workers),
            signalled: Stack::new(),
            sleep: Sleep::new(workers, heavy.filter(|_| cfg!(ouzel_switch = "membarrier"))),
            owned: OwnedTasks::new(Arc::new(ChunkTable::new(pages))),
            phase: AtomicU32::new(OPEN),
            running: AtomicUsize::new(workers),
            watched: AtomicBool::new(false),
            foreign: CachePadded(SharedSlab::new()),
            trims: AtomicU32::new(0),
            outside: CachePadded::default(),
        })
    }
}

impl Shared {
    /// What a slab of this runtime's tasks is made with.
    pub(super) fn slab_meta(self: &Arc<Self>) -> SlabMeta {
        SlabMeta::new(Arc::clone(self) as Arc<dyn Schedule>, Arc::clone(self.owned.table()))
    }

    /// Takes one task of the injection queue, from shard `round` on.
    pub(super) fn take_injected(&self, round: usize) -> Option<Notified> {
        self.gather(round);
        let (task, left) = self.inject.take(round);
        if left {
            self.notify();
        }
        task
    }

    /// Takes a worker's share of one shard, at most `room` tasks.
    pub(super) fn take_injected_batch(&self, round: usize, room: usize) -> Chain<Notified> {
        self.gather(round);
        let (batch, left) = self.inject.take_batch(round, room);
        if left {
            self.notify();
        }
        batch
    }

    /// Wakes a sleeping worker, if there is one and nobody searches.
    #[inline]
    pub(super) fn notify(&self) {
        if let Some(worker) = self.sleep.notify() {
            self.unpark(worker);
        }
    }

    pub(super) fn unpark(&self, worker: usize) {
        let seat = &self.remotes[worker].seat;
        seat.park.unpark(&*seat.unpark);
    }

    /// Whether a worker that hides its first task should wake one to watch it.
    #[inline]
    pub(super) fn wants_watcher(&self) -> bool {
        // ORDERING: Relaxed, a throttle.
        self.remotes.len() > 1 && !self.watched.load(Ordering::Relaxed)
    }

    pub(super) fn become_watcher(&self) -> bool {
        // ORDERING: Relaxed: it decides who watches and publishes nothing.
        !self.watched.swap(true, Ordering::Relaxed)
    }

    pub(super) fn stop_watching(&self) {
        // ORDERING: Relaxed, see `become_watcher`.
        self.watched.store(false, Ordering::Relaxed);
    }

    /// The same for what came from outside the workers.
    pub(super) fn has_injected(&self) -> bool {
        !self.inject.is_empty() || !self.signalled.is_empty()
    }

    /// Whether a task waits where any worker could take it. Read after the fence of `Sleep::announce`.
    pub(super) fn has_work(&self) -> bool {
        self.has_injected() || self.remotes.iter().any(|r| !r.ring.is_empty())
    }

    /// Refuses spawns from now on and tells the workers to leave. Idempotent, returns at once.
    ///
    /// The workers' threads end when every task is complete; waiting for them is the caller's part.
    pub fn close(&self) {
        self.owned.close();
        // ORDERING: Relaxed. A worker reads it after its own fence (`Sleep::announce`), and `wake_all` fences first.
        if self.phase.compare_exchange(OPEN, CLOSING, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.wake_everyone();
        }
    }

    /// Gives the memory of tasks that have ended back to where it came from: here that of tasks spawned from
    /// outside, and each worker its own, between two polls; one that sleeps is woken for it.
    pub fn trim(&self) {
        self.foreign.trim();
        // ORDERING: Relaxed: a worker reads it after its own fence (`Sleep::announce`), and `wake_all` fences first.
        self.trims.fetch_add(1, Ordering::Relaxed);
        self.wake_everyone();
    }

    /// How many trims were asked for. A parking worker asks after its announcement.
    #[inline]
    pub(super) fn trims(&self) -> u32 {
        // ORDERING: Relaxed: see `trim`; for a worker that does not park, a hint.
        self.trims.load(Ordering::Relaxed)
    }

    /// Whether [`Shared::close`] was called.
    #[inline]
    #[must_use]
    pub fn is_closing(&self) -> bool {
        // ORDERING: Relaxed: a flag that only goes up; what depends on it is ordered by `closed_after_publish`.
        self.phase.load(Ordering::Relaxed) != OPEN
    }

    /// Whether every task has come to its end after a close.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        // ORDERING: Acquire pairs with the Release store in `Core::drain`: the futures are dropped.
        self.phase.load(Ordering::Acquire) == DRAINED
    }

    pub(super) fn wake_everyone(&self) {
        for worker in self.sleep.wake_all() {
            self.unpark(worker);
        }
    }

    /// Wakes the task that `id` names, if it is still there.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        self.owned.wake(id)
    }

    /// Cancels the task that `id` names. False: it is not there any more.
    pub fn abort(&self, id: TaskId) -> bool {
        self.owned.abort(id)
    }

    /// A waker of the task that `id` names. None: it is not there any more.
    #[must_use]
    pub fn waker(&self, id: TaskId) -> Option<Waker> {
        self.owned.waker(id)
    }

    /// What the task that `id` names is doing.
    #[must_use]
    pub fn state(&self, id: TaskId) -> TaskState {
        self.owned.state(id)
    }

    /// Live tasks, counted by a walk. Not for a hot path.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.owned.live()
    }

    /// The counters so far.
    #[must_use]
    pub fn metrics(&self) -> SchedulerMetrics {
        // ORDERING: Relaxed, plain counters.
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        let mut m = SchedulerMetrics {
            injected: self.inject.foreign() + get(&self.outside.injected),
            spawned: get(&self.outside.spawned),
            task_bytes: self.owned.table().bytes(),
            ..SchedulerMetrics::default()
        };
        for worker in (0..).map_while(|worker| self.worker_metrics(worker)) {
            m.polls += worker.polls;
            m.spawned += worker.spawned;
            m.completed += worker.completed;
            m.steals += worker.steals;
            m.parks += worker.parks;
            m.raids += worker.raids;
            m.trims += worker.trims;
        }
        m
    }

    /// What one worker has counted so far; none if there is no such worker. What comes from outside the workers and
    /// what they share is zero here.
    #[must_use]
    pub fn worker_metrics(&self, worker: usize) -> Option<SchedulerMetrics> {
        // ORDERING: Relaxed, plain counters.
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        let Counts { polls, completed, steals, parks, raids, spawned, trims } =
            &*self.remotes.get(worker)?.counts;
        Some(SchedulerMetrics {
            polls: get(polls),
            spawned: get(spawned),
            completed: get(completed),
            steals: get(steals),
            parks: get(parks),
            raids: get(raids),
            trims: get(trims),
            ..SchedulerMetrics::default()
        })
    }

    /// Calls `f` for each task that is there, with its id if one has been made. A walk, and not a snapshot.
    pub fn for_each_task(&self, f: impl FnMut(Option<TaskId>, TaskState)) {
        self.owned.for_each(f);
    }
}

/// Adds one to a counter that many threads write.
pub(super) fn count_shared(counter: &AtomicU64) {
    // ORDERING: Relaxed, a plain counter.
    counter.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("workers", &self.remotes.len()).finish_non_exhaustive()
    }
}
