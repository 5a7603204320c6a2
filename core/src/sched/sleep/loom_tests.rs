//! The sleep protocol with parks that never time out: a lost wake-up is a deadlock, which loom reports.
//!
//! The workers here are the worker loop reduced to its skeleton: take a task, else ask to search, else
//! announce, look, sleep. The queue is a counter that is pushed with Release and looked at Relaxed, as weak
//! as the real ones.

use super::{Sleep, Woken};
use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::queue::Inject;
use crate::queue::testing::Item;
use crate::sync::{AtomicBool, AtomicU32, Ordering, model};
use loom::sync::{Arc, Condvar, Mutex, Notify};
use loom::thread;

/// A driver reduced to its sleeping place.
#[derive(Default)]
struct Bed(Notify);

impl Unpark for Bed {
    fn unpark(&self) {
        self.0.notify();
    }
}

struct World {
    sleep: Sleep,
    tasks: AtomicU32,
    /// Tasks still to be run before everyone may go home.
    left: AtomicU32,
    closed: AtomicBool,
    beds: [(ParkWord, Bed); 2],
}

impl World {
    fn new(workers: usize, tasks: u32) -> Arc<Self> {
        Arc::new(World {
            sleep: Sleep::new(workers, None),
            tasks: AtomicU32::new(0),
            left: AtomicU32::new(tasks),
            closed: AtomicBool::new(false),
            beds: Default::default(),
        })
    }

    fn unpark(&self, worker: Option<usize>) {
        if let Some(worker) = worker {
            let (word, bed) = &self.beds[worker];
            word.unpark(bed);
        }
    }

    fn push(&self) {
        self.tasks.fetch_add(1, Ordering::Release);
        self.unpark(self.sleep.notify());
    }

    fn pop(&self) -> bool {
        // An RMW, so that loom does not try old values here as well: `sees_work` is where they matter.
        let mut seen = self.tasks.fetch_add(0, Ordering::Relaxed);
        while seen > 0 {
            match self.tasks.compare_exchange(seen, seen - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for worker in self.sleep.wake_all() {
            self.unpark(Some(worker));
        }
    }

    /// What a worker looks at between its announcement and its sleep.
    fn sees_work(&self) -> bool {
        self.tasks.load(Ordering::Relaxed) > 0 || self.closed.load(Ordering::Relaxed)
    }

    /// Sleeps until an unpark; returns whether it then counts as searching. May wake for nothing.
    fn sleep(&self, worker: usize) -> bool {
        let (word, bed) = &self.beds[worker];
        if word.begin() {
            bed.0.wait();
        }
        word.end();
        self.sleep.woken(worker) == Woken::Searching
    }

    /// Runs tasks, each by `run`, until the world is closed. The first `timeouts` sleeps end by themselves.
    fn work(&self, worker: usize, mut timeouts: u32, run: impl Fn()) {
        let mut searching = false;
        loop {
            if self.pop() {
                if core::mem::take(&mut searching) {
                    self.unpark(self.sleep.leave_search());
                }
                run();
                if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.close();
                }
                continue;
            }
            self.sleep.announce(worker, searching);
            if self.sees_work() {
                self.sleep.found_work(worker);
                searching = true;
            } else if timeouts > 0 {
                timeouts -= 1;
                // A timer: the driver comes back though nobody unparked it.
                _ = self.beds[worker].0.begin();
                self.beds[worker].0.end();
                searching = self.sleep.woken(worker) == Woken::Searching;
            } else {
                searching = self.sleep(worker);
            }
            if self.closed.load(Ordering::Relaxed) {
                if searching {
                    self.unpark(self.sleep.leave_search());
                }
                return;
            }
        }
    }

    fn assert_at_rest(&self) {
        assert_eq!(self.left.load(Ordering::Relaxed), 0);
        assert_eq!(
            self.sleep.searching.load(Ordering::Relaxed),
            0,
            "someone is counted as searching for good"
        );
        assert_eq!(self.sleep.sleepers.load(Ordering::Relaxed), 0);
    }
}

fn spawn_worker(world: &Arc<World>, worker: usize, timeouts: u32) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || world.work(worker, timeouts, || ()))
}

fn spawn_pusher(world: &Arc<World>) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || world.push())
}

#[test]
fn loom_sleep_one_worker_and_a_pusher() {
    model("sleep_one_worker_and_a_pusher", Some(3), || {
        let world = World::new(1, 2);
        let worker = spawn_worker(&world, 0, 0);
        world.push();
        world.push();
        worker.join().unwrap();
        world.assert_at_rest();
    });
}

#[test]
fn loom_sleep_two_workers_and_a_pusher() {
    model("sleep_two_workers_and_a_pusher", Some(2), || {
        let world = World::new(2, 2);
        let workers = [0, 1].map(|worker| spawn_worker(&world, worker, 0));
        world.push();
        world.push();
        for worker in workers {
            worker.join().unwrap();
        }
        world.assert_at_rest();
    });
}

/// The worker wakes by a timer just when a pusher claims it; the other pusher is the one whose push the
/// first one's vain claim suppressed.
#[test]
fn loom_sleep_timeout_against_claim() {
    model("sleep_timeout_against_claim", Some(2), || {
        let world = World::new(1, 2);
        let worker = spawn_worker(&world, 0, 1);
        let pusher = spawn_pusher(&world);
        world.push();
        pusher.join().unwrap();
        worker.join().unwrap();
        world.assert_at_rest();
    });
}

#[test]
fn loom_sleep_wake_all_against_park() {
    model("sleep_wake_all_against_park", Some(3), || {
        let world = World::new(2, 0);
        let workers = [spawn_worker(&world, 0, 1), spawn_worker(&world, 1, 0)];
        world.close();
        for worker in workers {
            worker.join().unwrap();
        }
        world.assert_at_rest();
    });
}

/// Two tasks that wait for each other: both workers must be woken, though the second push saw a searcher
/// and woke nobody.
#[test]
fn loom_sleep_chain_wake_of_two_tasks_that_meet() {
    model("sleep_chain_wake_of_two_tasks_that_meet", Some(2), || {
        let world = World::new(2, 2);
        let met = Arc::new((Mutex::new(0), Condvar::new()));
        let workers = [0, 1].map(|worker| {
            let (world, met) = (Arc::clone(&world), Arc::clone(&met));
            thread::spawn(move || {
                world.work(worker, 0, || {
                    let mut arrived = met.0.lock().unwrap();
                    *arrived += 1;
                    met.1.notify_one();
                    while *arrived < 2 {
                        arrived = met.1.wait(arrived).unwrap();
                    }
                });
            })
        });
        world.push();
        world.push();
        for worker in workers {
            worker.join().unwrap();
        }
        world.assert_at_rest();
    });
}

/// A batch that takes only a part leaves the bit on: the worker that parks next must see it.
#[test]
fn loom_inject_leftover_against_parker() {
    model("inject_leftover_against_parker", Some(3), || {
        let world = Arc::new((Inject::new(1), Sleep::new(1, None), ParkWord::new(), Bed::default()));
        let pusher = Arc::clone(&world);
        let pusher = thread::spawn(move || {
            let (inject, sleep, word, bed) = &*pusher;
            for id in 0..2 {
                inject.push(0, Item::new(id));
                if sleep.notify().is_some() {
                    word.unpark(bed);
                }
            }
        });
        let (inject, sleep, word, bed) = &*world;
        let mut found = 0;
        let mut searching = false;
        while found < 2 {
            let batch = inject.pop_batch(0, 1);
            if !batch.is_empty() {
                found += batch.len();
                if core::mem::take(&mut searching) {
                    assert_eq!(sleep.leave_search(), None);
                }
                continue;
            }
            sleep.announce(0, searching);
            if !inject.is_empty() {
                sleep.found_work(0);
                searching = true;
                continue;
            }
            if word.begin() {
                bed.0.wait();
            }
            word.end();
            searching = sleep.woken(0) == Woken::Searching;
        }
        pusher.join().unwrap();
    });
}
