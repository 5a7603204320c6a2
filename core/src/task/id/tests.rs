//! What an id does while its task lives, and after.

use alloc::sync::Arc;
use core::future;
use core::task::Poll;
use std::sync::Mutex;

use super::{TaskId, TaskState, WakeResult};
use crate::sync::{AtomicBool, Ordering};
use crate::task::testing::Rig;
use crate::task::{AfterRun, run};

#[test]
fn an_id_outlives_its_task_and_goes_stale() {
    let rig = Rig::new();
    let go = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&go);
    let (task, handle) =
        rig.spawn(future::poll_fn(
            move |_| {
                if gone.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            },
        ));
    let id = handle.id();
    assert_eq!(id, handle.id());
    assert_eq!(rig.owned.state(id), TaskState::Scheduled);
    assert_eq!(rig.owned.wake(id), WakeResult::AlreadyPending);
    rig.queue.run(task);
    assert_eq!(rig.owned.state(id), TaskState::Idle);
    rig.owned.waker(id).unwrap().wake();
    assert_eq!(rig.queue.run_all(), 1);
    go.store(true, Ordering::SeqCst);
    assert_eq!(rig.owned.wake(id), WakeResult::Queued);
    assert_eq!(rig.owned.wake(id), WakeResult::AlreadyPending);
    assert_eq!(rig.queue.run_all(), 1);
    assert_eq!(rig.owned.state(id), TaskState::Complete);
    assert_eq!(rig.owned.wake(id), WakeResult::Stale);
    drop(rig.owned.upgrade(id).unwrap());
    assert!(rig.owned.waker(id).is_none(), "there is nothing to wake");
    drop(handle);
    assert_eq!(rig.owned.state(id), TaskState::Stale);
    assert!(rig.owned.upgrade(id).is_none());
    assert!(!rig.owned.abort(id));
    let (task, next) = rig.spawn(async {});
    assert_eq!(rig.owned.wake(id), WakeResult::Stale);
    assert!(matches!(run(task), AfterRun::Done));
    drop(next);
    let garbage = TaskId { index: u32::MAX, generation: 1 };
    assert_eq!(rig.owned.wake(garbage), WakeResult::Stale);
    rig.assert_empty();
}

#[test]
fn a_task_may_wake_itself_by_its_id() {
    let rig = Rig::new();
    let owned = Arc::clone(&rig.owned);
    let slot = Arc::new(Mutex::new(None));
    let mine = Arc::clone(&slot);
    let mut polls = 0;
    let (task, handle) = rig.spawn(future::poll_fn(move |_| {
        polls += 1;
        let id = mine.lock().unwrap().unwrap();
        if polls == 2 {
            return Poll::Ready(());
        }
        assert_eq!(owned.wake(id), WakeResult::AlreadyPending);
        Poll::Pending
    }));
    *slot.lock().unwrap() = Some(handle.id());
    let AfterRun::Yielded(task) = run(task) else { panic!("woke itself") };
    assert!(matches!(run(task), AfterRun::Done));
    drop(handle);
    rig.assert_empty();
}
