//! Wakes by id: those of signal handlers, here on threads of their own, and many at once.

use core::future::{Future, pending, poll_fn};
use core::task::Poll;
use std::sync::Arc;
use std::vec::Vec;

use super::rig::{Clock, Rig, Seen, block_on};
use crate::sync::{AtomicBool, Ordering, Unwatched, explore, thread};
use crate::task::{TaskId, WakeResult};

/// Passes once it is open, and leaves it to others to wake its task.
#[derive(Clone, Default)]
struct Door(Arc<AtomicBool>);

impl Door {
    fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn passed(&self) -> impl Future<Output = ()> + Send + use<> {
        let door = self.clone();
        poll_fn(move |_| if door.0.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending })
    }
}

#[test]
fn whole_wakes_in_signals_are_never_lost() {
    let seen = Arc::new(Seen::default());
    let total = Arc::clone(&seen);
    explore("wakes_in_signals_are_never_lost", move || {
        let rig = Rig::start(2, Clock::Stands);
        let doors: Vec<Door> = (0..4).map(|_| Door::default()).collect();
        let tasks: Vec<_> = doors.iter().map(|d| rig.shared().spawn(d.passed()).ok().unwrap()).collect();
        let named: Vec<_> = doors.into_iter().zip(tasks.iter().map(|task| task.id())).collect();
        let openers: Vec<_> = named
            .chunks(2)
            .map(|some| {
                let (shared, some) = (Arc::clone(rig.shared()), some.to_vec());
                thread::spawn(move || {
                    for (door, id) in some {
                        door.open();
                        // Stale: it was polled late, found the door open, and is gone.
                        let _woken = shared.wake_in_signal(id);
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| block_on(task).unwrap());
        openers.into_iter().for_each(|opener| opener.join().unwrap());
        total.add(rig.stop());
    });
    seen.assert_some("parks");
}

/// A wake that has marked its task and not yet pushed it when the shutdown walks over the tasks.
#[test]
fn whole_a_shutdown_against_wakes_in_signals_leaves_nothing() {
    explore("a_shutdown_against_wakes_in_signals_leaves_nothing", || {
        struct Guard(Arc<Unwatched>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let rig = Rig::start(2, Clock::Stands);
        let drops = Arc::new(Unwatched::new(0));
        let ids: Vec<TaskId> = (0..2)
            .map(|_| {
                let guard = Guard(Arc::clone(&drops));
                let task = rig.shared().spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                task.ok().unwrap().id()
            })
            .collect();
        let wakers: Vec<_> = ids
            .into_iter()
            .map(|id| {
                let shared = Arc::clone(rig.shared());
                thread::spawn(move || {
                    let _woken = shared.wake_in_signal(id);
                })
            })
            .collect();
        rig.stop();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(drops.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn whole_many_wakes_at_once_reach_every_task() {
    explore("many_wakes_at_once_reach_every_task", || {
        let rig = Rig::start(2, Clock::Stands);
        let doors: Vec<Door> = (0..4).map(|_| Door::default()).collect();
        let tasks: Vec<_> = doors.iter().map(|d| rig.shared().spawn(d.passed()).ok().unwrap()).collect();
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id()).collect();
        let shared = Arc::clone(rig.shared());
        let opener = thread::spawn(move || {
            doors.iter().for_each(Door::open);
            assert!(shared.wake_many(ids) <= 4);
        });
        tasks.into_iter().for_each(|task| block_on(task).unwrap());
        opener.join().unwrap();
        rig.stop();
    });
}

#[test]
fn a_wake_in_a_signal_says_what_it_did() {
    let rig = Rig::start(1, Clock::Stands);
    let door = Door::default();
    let task = rig.shared().spawn(door.passed()).ok().unwrap();
    let id = task.id();
    while rig.shared().wake_in_signal(id) != WakeResult::Queued {
        std::thread::yield_now();
    }
    door.open();
    let _pending_or_queued = rig.shared().wake_in_signal(id);
    block_on(task).unwrap();
    // The worker gives its own reference back a moment after it has woken who joins.
    while rig.shared().wake_in_signal(id) != WakeResult::Stale {
        std::thread::yield_now();
    }
    assert_eq!(rig.shared().wake_in_signal(TaskId { index: u32::MAX, generation: 0 }), WakeResult::Stale);
    assert_eq!(rig.shared().wake_many([id, id]), 0);
    rig.stop();
}

#[test]
fn tasks_are_found_with_the_ids_that_were_made() {
    let rig = Rig::start(1, Clock::Stands);
    let named = rig.shared().spawn(pending::<()>()).ok().unwrap();
    rig.shared().spawn_detached(pending::<()>()).ok().unwrap();
    let id = named.id();
    let mut found = Vec::new();
    rig.shared().for_each_task(|id, _| found.push(id));
    found.sort_by_key(Option::is_some);
    assert_eq!(found, [None, Some(id)]);
    assert!(rig.shared().worker_metrics(0).is_some() && rig.shared().worker_metrics(1).is_none());
    let metrics = rig.stop();
    assert_eq!(metrics.spawned, 2);
}
