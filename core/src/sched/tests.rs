//! The whole scheduler: real workers, tasks, queues and parking.
//!
//! | build | what a test is |
//! |---|---|
//! | `cfg(ouzel_shuttle)` | five thousand random schedules from fixed seeds, all orderings taken for SeqCst |
//! | any other | a hundred runs on threads; under TSan they are what it looks at |
//!
//! The drivers sleep until they are unparked, also when they are given a deadline, so a wake-up that only a
//! timeout would mend is a deadlock, which shuttle reports. [`Clock::Runs`] lets deadlines pass instead: that is
//! for what the watch over hidden tasks promises.
//!
//! Under shuttle each test counts what it means to provoke (steals, raids, parks) over all its schedules and
//! fails if it never happened.

#[cfg(not(ouzel_shuttle))]
mod canary;
#[cfg(not(ouzel_shuttle))]
mod driver;
mod end;
#[cfg(not(ouzel_shuttle))]
mod ids;
mod lone;
mod rig;
mod signalled;

use std::sync::Arc;
use std::vec::Vec;

use rig::{Clock, Gate, Rig, Seen, block_on, yield_now};

use crate::config::CHUNK_CELLS;
use crate::sync::{AtomicUsize, Ordering, explore, thread};

#[test]
fn whole_spawns_from_outside_and_inside_all_run() {
    let seen = Arc::new(Seen::default());
    let total = Arc::clone(&seen);
    explore("spawns_from_outside_and_inside_all_run", move || {
        let rig = Rig::start(2, Clock::Stands);
        let tasks: Vec<_> = (0..3u64)
            .map(|i| {
                let shared = Arc::clone(rig.shared());
                let task = async move {
                    let child = shared.spawn(async move {
                        yield_now().await;
                        i
                    });
                    yield_now().await;
                    child.ok().unwrap().await.unwrap() * 10
                };
                rig.shared().spawn(task).ok().unwrap()
            })
            .collect();
        let sum: u64 = tasks.into_iter().map(|task| block_on(task).unwrap()).sum();
        assert_eq!(sum, 30);
        let metrics = rig.stop();
        assert_eq!((metrics.spawned, metrics.completed), (6, 6));
        total.add(metrics);
    });
    seen.assert_some("steals");
    seen.assert_some("parks");
}

/// More children than a ring holds: the rest goes through the injection queue, and the other worker takes
/// its part.
#[test]
fn whole_what_overflows_a_ring_is_run_once() {
    let seen = Arc::new(Seen::default());
    let total = Arc::clone(&seen);
    explore("what_overflows_a_ring_is_run_once", move || {
        const CHILDREN: usize = 14;
        let rig = Rig::start(2, Clock::Stands);
        let runs = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(rig.shared()), Arc::clone(&runs));
        let parent = rig.shared().spawn(async move {
            let children: Vec<_> = (0..CHILDREN)
                .map(|_| {
                    let counted = Arc::clone(&counted);
                    let run = async move { counted.fetch_add(1, Ordering::Relaxed) };
                    shared.spawn(run).ok().unwrap()
                })
                .collect();
            let mut order = 0;
            for child in children {
                order += child.await.unwrap();
            }
            order
        });
        assert_eq!(block_on(parent.ok().unwrap()).unwrap(), CHILDREN * (CHILDREN - 1) / 2);
        assert_eq!(runs.load(Ordering::Relaxed), CHILDREN);
        total.add(rig.stop());
    });
    seen.assert_some("steals");
}

/// A worker that is about to sleep, or does, gives its memory back when it is asked to.
#[test]
fn whole_a_trim_reaches_every_worker() {
    explore("a_trim_reaches_every_worker", || {
        const CHILDREN: usize = 4 * CHUNK_CELLS;
        let rig = Rig::start(2, Clock::Stands);
        let shared = Arc::clone(rig.shared());
        let parent = rig.shared().spawn(async move {
            let children: Vec<_> = (0..CHILDREN).map(|_| shared.spawn(yield_now()).ok().unwrap()).collect();
            for child in children {
                child.await.unwrap();
            }
        });
        block_on(parent.ok().unwrap()).unwrap();
        let bytes = || rig.shared().metrics().task_bytes;
        let before = bytes();
        rig.shared().trim();
        while rig.shared().metrics().trims < 2 {
            thread::yield_now();
        }
        // The last cells may still have been on their way back.
        assert!(bytes() < before);
        rig.stop();
    });
}

/// Two foreign threads open gates that tasks wait at; nothing else would ever wake those tasks.
#[test]
fn whole_wakes_from_outside_are_never_lost() {
    let seen = Arc::new(Seen::default());
    let total = Arc::clone(&seen);
    explore("wakes_from_outside_are_never_lost", move || {
        let rig = Rig::start(2, Clock::Stands);
        let gates: Vec<Gate> = (0..4).map(|_| Gate::default()).collect();
        let tasks: Vec<_> = gates.iter().map(|g| rig.shared().spawn(g.passed()).ok().unwrap()).collect();
        let openers: Vec<_> = gates
            .chunks(2)
            .map(|gates| {
                let gates = gates.to_vec();
                thread::spawn(move || gates.iter().for_each(Gate::open))
            })
            .collect();
        for task in tasks {
            block_on(task).unwrap();
        }
        openers.into_iter().for_each(|opener| opener.join().unwrap());
        total.add(rig.stop());
    });
    seen.assert_some("parks");
}

/// Each blocks its worker until the other has begun: the second worker must have been woken for it.
#[test]
fn whole_two_tasks_that_meet_get_two_workers() {
    explore("two_tasks_that_meet_get_two_workers", || {
        let rig = Rig::start(2, Clock::Stands);
        let arrived = Arc::new(AtomicUsize::new(0));
        let tasks = [0, 1].map(|_| {
            let arrived = Arc::clone(&arrived);
            let meet = async move {
                arrived.fetch_add(1, Ordering::AcqRel);
                while arrived.load(Ordering::Acquire) < 2 {
                    thread::yield_now();
                }
            };
            rig.shared().spawn(meet).ok().unwrap()
        });
        for task in tasks {
            block_on(task).unwrap();
        }
        rig.stop();
    });
}

/// A task blocks its worker until the child that it has just spawned there has run: only a raid of the
/// worker's private queue can get at it.
#[test]
fn whole_what_a_blocked_worker_hides_is_raided() {
    let seen = Arc::new(Seen::default());
    let total = Arc::clone(&seen);
    explore("what_a_blocked_worker_hides_is_raided", move || {
        let rig = Rig::start(2, Clock::Runs);
        let shared = Arc::clone(rig.shared());
        let parent = rig.shared().spawn(async move {
            let done = Arc::new(AtomicUsize::new(0));
            let flag = Arc::clone(&done);
            let child = shared.spawn(async move { flag.store(1, Ordering::Release) });
            while done.load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            child.ok().unwrap().await.unwrap();
        });
        block_on(parent.ok().unwrap()).unwrap();
        total.add(rig.stop());
    });
    seen.assert_some("raids");
}
