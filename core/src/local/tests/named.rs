//! Ids given out on another thread, and many wakes at once.

use core::future::{pending, ready};
use std::boxed::Box;
use std::sync::Arc;
use std::thread;
use std::vec::Vec;

use super::{Cell, Guard, Rc, executor};
use crate::driver::Unpark;
use crate::local::LocalExecutor;
use crate::park::ParkWord;
use crate::sync::{AtomicUsize, Ordering};
use crate::task::{TaskId, TaskState, WakeResult};

#[test]
fn a_task_spawned_elsewhere_has_its_id_before_its_owner_knows_it() {
    let ex = executor();
    // A cell that has been used: its next task is of another generation.
    for _ in 0..3 {
        let spawner = ex.spawner();
        let id = thread::spawn(move || spawner.spawn_named(pending(), |_| {}).ok().unwrap()).join().unwrap();
        assert_eq!((ex.spawner().state(id), ex.spawner().wake(id)), (TaskState::Stale, WakeResult::Stale));
        ex.run_nowait(10).unwrap();
        assert_eq!(ex.spawner().state(id), TaskState::Idle);
        let mut found = Vec::new();
        ex.local().for_each_task(|id, state| found.push((id, state)));
        assert_eq!(found, [(Some(id), TaskState::Idle)]);
        assert_eq!(ex.local().wake(id), WakeResult::Queued);
        assert!(ex.local().abort(id));
        ex.run_nowait(10).unwrap();
        assert_eq!(ex.spawner().state(id), TaskState::Stale);
    }
}

#[test]
fn an_abort_reaches_a_task_that_was_not_taken_in_yet() {
    let ex = executor();
    let spawner = ex.spawner();
    let id = spawner.spawn_named(pending(), |_| {}).ok().unwrap();
    assert!(spawner.abort(id));
    ex.run_nowait(10).unwrap();
    assert_eq!((ex.live_tasks(), spawner.state(id)), (0, TaskState::Stale));
}

#[test]
fn a_named_task_that_is_refused_comes_back() {
    let ex = executor();
    let spawner = ex.spawner();
    ex.shutdown().unwrap();
    assert!(spawner.spawn_named(ready(()), |_| {}).is_err());
}

#[test]
fn many_wakes_unpark_once_though_the_owner_sleeps_again_in_between() {
    #[derive(Default)]
    struct Counting(AtomicUsize);
    impl Unpark for Counting {
        fn unpark(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (park, unparks) = (Arc::new(ParkWord::new()), Arc::new(Counting::default()));
    let sleeper =
        super::Sleeper { bed: Arc::default(), start: std::time::Instant::now(), parks: 0, ready: Vec::new() };
    let ex = LocalExecutor::new(sleeper, Arc::clone(&park), Arc::clone(&unparks) as _);
    let drops = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let guard = Guard(Rc::clone(&drops));
            ex.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            })
        })
        .collect();
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id().unwrap()).collect();
    ex.run_nowait(100).unwrap();
    let (spawner, again) = (ex.spawner(), Arc::clone(&park));
    let wake = Box::new(move |one_by_one: bool| {
        let sleep_again = |id: &TaskId| {
            again.end();
            assert!(again.begin(), "{id:?}");
        };
        if one_by_one {
            let woken = ids.iter().inspect(|id| sleep_again(id)).map(|id| spawner.wake(*id));
            return woken.filter(|woken| *woken == WakeResult::Queued).count();
        }
        spawner.wake_many(ids.iter().inspect(|id| sleep_again(id)).copied())
    });
    for (one_by_one, unparked) in [(true, 50), (false, 1)] {
        let woken = wake.clone();
        assert_eq!(thread::spawn(move || woken(one_by_one)).join().unwrap(), 50);
        assert_eq!(unparks.0.swap(0, Ordering::Relaxed), unparked);
        park.end();
        assert_eq!(ex.run_nowait(100).unwrap().polled, 50);
    }
    drop(ex);
    assert_eq!(drops.get(), 50);
}
