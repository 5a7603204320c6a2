//! Ends: cancelled tasks, and a shutdown that races spawns and wake-ups.

use core::future::pending;
use std::sync::Arc;
use std::vec::Vec;

use super::rig::{Clock, Gate, Rig, block_on, yield_now};
use crate::sync::{Ordering::Relaxed, Unwatched, explore, thread};

/// Counts its drops.
pub(super) struct Guard(Arc<Unwatched>);

impl Guard {
    pub(super) fn new(drops: &Arc<Unwatched>) -> Self {
        Guard(Arc::clone(drops))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn whole_an_abort_against_a_wake_ends_the_task_once() {
    explore("an_abort_against_a_wake_ends_the_task_once", || {
        let rig = Rig::start(2, Clock::Stands);
        let drops = Arc::new(Unwatched::new(0));
        let (gate, guard) = (Gate::default(), Guard::new(&drops));
        let passed = gate.passed();
        let task = async move {
            let guard = guard;
            yield_now().await;
            passed.await;
            guard
        };
        let task = rig.shared().spawn(task).ok().unwrap();
        let abort = task.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let opener = thread::spawn(move || gate.open());
        match block_on(task) {
            Ok(guard) => {
                assert_eq!(drops.load(Relaxed), 0);
                drop(guard);
            }
            Err(e) => assert!(e.is_cancelled()),
        }
        assert_eq!(drops.load(Relaxed), 1, "dropped by the time the handle says so");
        aborter.join().unwrap();
        opener.join().unwrap();
        rig.stop();
        assert_eq!(drops.load(Relaxed), 1);
    });
}

/// Handles are dropped on a foreign thread while the tasks end: each output goes exactly once.
#[test]
fn whole_a_detach_against_the_end_drops_the_output_once() {
    explore("a_detach_against_the_end_drops_the_output_once", || {
        let rig = Rig::start(2, Clock::Stands);
        let drops = Arc::new(Unwatched::new(0));
        let handles: Vec<_> = (0..3)
            .map(|_| {
                let guard = Guard::new(&drops);
                let task = async move {
                    yield_now().await;
                    guard
                };
                rig.shared().spawn(task).ok().unwrap()
            })
            .collect();
        thread::spawn(move || drop(handles)).join().unwrap();
        rig.stop();
        assert_eq!(drops.load(Relaxed), 3);
    });
}

/// Two threads spawn and wake while a third closes: each future is refused or ended, none is left behind.
#[test]
fn whole_a_shutdown_against_spawns_and_wakes_leaves_nothing() {
    explore("a_shutdown_against_spawns_and_wakes_leaves_nothing", || {
        let rig = Rig::start(2, Clock::Stands);
        let drops = Arc::new(Unwatched::new(0));
        let gate = Gate::default();
        let (passed, guard) = (gate.passed(), Guard::new(&drops));
        let waiting = async move {
            let _guard = guard;
            passed.await;
        };
        let waiting = rig.shared().spawn(waiting).ok().unwrap();
        let idle = Guard::new(&drops);
        let forever = async move {
            let _guard = idle;
            pending::<()>().await;
        };
        rig.shared().spawn_detached(forever).ok().unwrap();
        let (shared, counted) = (Arc::clone(rig.shared()), Arc::clone(&drops));
        let spawner = thread::spawn(move || {
            for _ in 0..2 {
                let guard = Guard(Arc::clone(&counted));
                let task = async move {
                    let _guard = guard;
                    yield_now().await;
                };
                // A refused future comes back, and is dropped here; one that was taken says how it ended.
                if let Ok(handle) = shared.spawn(task)
                    && let Err(e) = block_on(handle)
                {
                    assert!(e.is_cancelled());
                }
            }
        });
        let opener = thread::spawn(move || gate.open());
        rig.stop();
        spawner.join().unwrap();
        opener.join().unwrap();
        if let Err(e) = block_on(waiting) {
            assert!(e.is_cancelled());
        }
        assert_eq!(drops.load(Relaxed), 4);
    });
}

/// One worker may search, and claim the other, between the flag of the close and its waking of all.
#[test]
fn whole_a_shutdown_wakes_every_worker() {
    explore("a_shutdown_wakes_every_worker", || {
        let rig = Rig::start(2, Clock::Stands);
        rig.shared().spawn_detached(async {}).ok().unwrap();
        rig.stop();
    });
}

/// Children that are spawned, and tasks that are woken, by the polls that run beside the shutdown.
#[test]
fn whole_a_shutdown_against_spawns_on_workers_leaves_nothing() {
    explore("a_shutdown_against_spawns_on_workers_leaves_nothing", || {
        let rig = Rig::start(2, Clock::Stands);
        let drops = Arc::new(Unwatched::new(0));
        let made = Arc::new(Unwatched::new(0));
        for _ in 0..2 {
            let (shared, drops, made) = (Arc::clone(rig.shared()), Arc::clone(&drops), Arc::clone(&made));
            let parent = async move {
                for _ in 0..3 {
                    made.fetch_add(1, Relaxed);
                    let guard = Guard::new(&drops);
                    let child = async move {
                        let _guard = guard;
                        yield_now().await;
                    };
                    if let Ok(child) = shared.spawn(child) {
                        let _ended_or_cancelled = child.await;
                    }
                }
            };
            rig.shared().spawn_detached(parent).ok().unwrap();
        }
        rig.stop();
        assert_eq!(drops.load(Relaxed), made.load(Relaxed));
    });
}
