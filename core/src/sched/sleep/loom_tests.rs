//! The sleep protocol with parks that never time out: a lost wake-up is a deadlock, which loom reports.
//!
//! The workers here are the worker loop reduced to its skeleton: take a task, else ask to search, else
//! announce, look, sleep. The queue is a counter that is pushed with Release and looked at Relaxed, as weak
//! as the real ones.

use super::{Sleep, Woken};
use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::queue::testing::Item;
use crate::queue::{Inject, StackInject};
use crate::sync::{AtomicBool, AtomicU32, Ordering, Unwatched, model};
use loom::sync::{Arc, Condvar, Mutex, Notify};
use loom::thread;
use std::vec::Vec;

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
    beds: [(ParkWord, Bed); 3],
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

/// Three workers with one preemption; with two it did not end in ten minutes.
#[test]
fn loom_sleep_three_workers_and_a_pusher() {
    model("sleep_three_workers_and_a_pusher", Some(1), || {
        let world = World::new(3, 2);
        let workers = [0, 1, 2].map(|worker| spawn_worker(&world, worker, 0));
        world.push();
        world.push();
        for worker in workers {
            worker.join().unwrap();
        }
        world.assert_at_rest();
    });
}

/// The same with a third, for `cargo xtask soak`: one push, two preemptions.
#[test]
#[ignore = "explores for long: cargo xtask soak"]
fn loom_sleep_three_workers_and_one_push() {
    model("sleep_three_workers_and_one_push", Some(2), || {
        let world = World::new(3, 1);
        let workers = [0, 1, 2].map(|worker| spawn_worker(&world, worker, 0));
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

/// The injection queue, in either form.
trait Injected: Send + Sync + 'static {
    fn push(&self, task: Item);
    /// One task, and whether the taker must look for sleepers.
    fn take(&self) -> (usize, bool);
    fn is_empty(&self) -> bool;
}

impl Injected for Inject<Item> {
    fn push(&self, task: Item) {
        Inject::push(self, 0, task);
    }
    fn take(&self) -> (usize, bool) {
        (self.pop_batch(0, 1).len(), false)
    }
    fn is_empty(&self) -> bool {
        Inject::is_empty(self)
    }
}

impl Injected for StackInject<Item> {
    fn push(&self, task: Item) {
        StackInject::push(self, 0, task);
    }
    fn take(&self) -> (usize, bool) {
        let (batch, left) = self.pop_batch(0, 1);
        (batch.len(), left)
    }
    fn is_empty(&self) -> bool {
        StackInject::is_empty(self)
    }
}

/// A worker that takes one task of several and then runs it, beside a second worker and a pusher: what it
/// leaves is found.
fn leftover<Q: Injected>(name: &str, workers: usize, make: fn() -> Q) {
    model(name, Some(if workers == 1 { 3 } else { 2 }), move || {
        let beds = (0..workers).map(|_| (ParkWord::new(), Bed::default())).collect::<Vec<_>>();
        let world = Arc::new((make(), Sleep::new(workers, None), beds, Unwatched::new(0)));
        // With two workers a third thread has to do with one push, or there are too many schedules.
        let first = workers as u32 - 1;
        (0..first).for_each(|id| world.0.push(Item::new(id)));
        let pusher = Arc::clone(&world);
        let pusher = thread::spawn(move || {
            let (inject, sleep, beds, _) = &*pusher;
            for id in first..2 {
                inject.push(Item::new(id));
                if let Some(worker) = sleep.notify() {
                    beds[worker].0.unpark(&beds[worker].1);
                }
            }
        });
        let others = (1..workers)
            .map(|me| {
                let world = Arc::clone(&world);
                thread::spawn(move || take_until_done(&world, me))
            })
            .collect::<Vec<_>>();
        take_until_done(&world, 0);
        pusher.join().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

type Place<Q> = (Q, Sleep, Vec<(ParkWord, Bed)>, Unwatched);

fn take_until_done<Q: Injected>((inject, sleep, beds, found): &Place<Q>, me: usize) {
    let unpark = |worker: Option<usize>| {
        if let Some(worker) = worker {
            beds[worker].0.unpark(&beds[worker].1);
        }
    };
    let mut searching = false;
    // One task each, and no more: what a worker leaves, it must have told of.
    loop {
        let (n, left) = inject.take();
        if n > 0 {
            if core::mem::take(&mut searching) {
                unpark(sleep.leave_search());
            }
            if left {
                unpark(sleep.notify());
            }
            if found.fetch_add(n, Ordering::Relaxed) + n == 2 || beds.len() == 2 {
                return;
            }
            continue;
        }
        sleep.announce(me, searching);
        if !inject.is_empty() {
            sleep.found_work(me);
            searching = true;
            continue;
        }
        let (word, bed) = &beds[me];
        if word.begin() {
            bed.0.wait();
        }
        word.end();
        searching = sleep.woken(me) == Woken::Searching;
    }
}

/// A batch that takes only a part leaves the bit on: the worker that parks next must see it.
#[test]
fn loom_inject_leftover_against_parker() {
    leftover("inject_leftover_against_parker", 1, || Inject::new(1));
}

#[test]
fn loom_stack_leftover_against_parker() {
    leftover("stack_leftover_against_parker", 1, || StackInject::new(1));
}

/// The bit is off for a moment while one takes the stack: the other, who read it then, must be told.
#[test]
fn loom_stack_leftover_against_two_parkers() {
    leftover("stack_leftover_against_two_parkers", 2, || StackInject::new(1));
}
