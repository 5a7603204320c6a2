//! A runtime of threads, and what its tasks wait for.

use core::future::{Future, poll_fn};
use core::mem;
use core::task::{Poll, Waker};
use std::sync::Arc;
use std::vec::Vec;

use crate::driver::{Deadline, Driver, Errno, Nanos};
use crate::park::ParkWord;
use crate::sched::{SchedulerMetrics, Seat, Shared, Worker};
use crate::slab::Pages;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Lock, Ordering, Unwatched};
use crate::testing::Bed;
pub(super) use crate::testing::block_on;

/// Whether a sleep with a deadline may end by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    Stands,
    Runs,
}

struct Sleeper {
    bed: Arc<Bed>,
    clock: Clock,
    now: u64,
}

impl Driver for Sleeper {
    fn now(&mut self) -> Nanos {
        self.now += 1_000;
        Nanos(self.now)
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        if let (Some(Deadline(end)), Clock::Runs) = (deadline, self.clock) {
            // Long enough for others to get on, in any schedule that lets them.
            for _ in 0..10 {
                if self.bed.has_rung() {
                    return Ok(());
                }
                thread::yield_now();
            }
            self.now = end.0;
            return Ok(());
        }
        self.bed.sleep();
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

/// Workers in threads.
pub(super) struct Rig {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Rig {
    pub(super) fn start(workers: usize, clock: Clock) -> Self {
        Rig::start_on(workers, clock, Pages::HEAP)
    }

    /// With tasks, and queues that grow long, in memory from there.
    pub(super) fn start_on(workers: usize, clock: Clock, pages: Pages) -> Self {
        let beds: Vec<Arc<Bed>> = (0..workers).map(|_| Arc::default()).collect();
        let seat = |bed: &Arc<Bed>| Seat { park: Arc::new(ParkWord::new()), unpark: Arc::clone(bed) as _ };
        let shared = Shared::new(beds.iter().map(seat), None, pages);
        let work = |(index, bed): (usize, Arc<Bed>)| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                bed.enter();
                Worker::new(shared, index, Sleeper { bed, clock, now: 0 }).run();
            })
        };
        let workers = beds.into_iter().enumerate().map(work).collect();
        Rig { shared, workers }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Shuts down and waits for the workers.
    pub(super) fn stop(self) -> SchedulerMetrics {
        self.shared.close();
        self.workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert!(self.shared.is_drained());
        self.shared.metrics()
    }
}

/// What happened over all the schedules of a test.
#[derive(Debug, Default)]
pub(super) struct Seen {
    steals: Unwatched,
    parks: Unwatched,
    raids: Unwatched,
}

impl Seen {
    pub(super) fn add(&self, metrics: SchedulerMetrics) {
        self.steals.fetch_add(metrics.steals as usize, Ordering::Relaxed);
        self.parks.fetch_add(metrics.parks as usize, Ordering::Relaxed);
        self.raids.fetch_add(metrics.raids as usize, Ordering::Relaxed);
    }

    /// On threads what happens is up to the machine; under shuttle it is up to the seeds, and must.
    pub(super) fn assert_some(&self, what: &str) {
        let seen = match what {
            "steals" => &self.steals,
            "parks" => &self.parks,
            "raids" => &self.raids,
            other => panic!("nobody counts {other}"),
        };
        assert!(!cfg!(ouzel_shuttle) || seen.load(Ordering::Relaxed) > 0, "no {what}: {self:?}");
    }
}

/// Lets tasks pass once it is open; one may wait at a time.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Lock<(bool, Option<Waker>)>>);

impl Gate {
    pub(super) fn open(&self) {
        let waker = {
            let mut gate = self.0.lock();
            gate.0 = true;
            gate.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn passed(&self) -> impl Future<Output = ()> + Send + use<> {
        let gate = self.clone();
        poll_fn(move |cx| {
            let mut gate = gate.0.lock();
            if gate.0 {
                return Poll::Ready(());
            }
            gate.1 = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

pub(super) fn yield_now() -> impl Future<Output = ()> + Send {
    let mut yielded = false;
    poll_fn(move |cx| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
