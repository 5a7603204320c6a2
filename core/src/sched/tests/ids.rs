//! A task found by its waker's id: woken, looked at and aborted through the runtime.

use core::future::poll_fn;
use core::task::{Poll, Waker};
use std::sync::Arc;

use super::rig::{Clock, Rig, block_on};
use crate::sync::Lock;
use crate::task::{TaskState, WakeResult, id_of, is_aborted};

#[test]
fn a_waker_tells_its_task_and_the_runtime_finds_it() {
    let rig = Rig::start(1, Clock::Stands);
    let (slot, polls) = (Arc::new(Lock::new(None)), Arc::new(Lock::new(0)));
    let (kept, counted) = (Arc::clone(&slot), Arc::clone(&polls));
    let task = rig.shared().spawn(poll_fn(move |cx| {
        *counted.lock() += 1;
        *kept.lock() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    let task = task.ok().unwrap();
    let idle = || {
        while rig.shared().state(task.id()) != TaskState::Idle {
            std::thread::yield_now();
        }
    };
    idle();
    let waker = slot.lock().clone().unwrap();
    let id = id_of(&waker).unwrap();
    assert_eq!((id, task.abort_handle().id()), (task.id(), task.id()));
    assert!(!is_aborted(&waker));
    assert_eq!(rig.shared().wake(id), WakeResult::Queued);
    while *polls.lock() < 2 {
        std::thread::yield_now();
    }
    idle();
    assert!(rig.shared().abort(id));
    assert!(block_on(task).unwrap_err().is_cancelled());
    assert!(is_aborted(&waker));
    assert!(!rig.shared().abort(id), "it has come to its end");
    drop((slot.lock().take(), waker));
    // The worker gives its own reference back a moment after it has woken who joins.
    while rig.shared().state(id) != TaskState::Stale {
        std::thread::yield_now();
    }
    assert_eq!(rig.shared().wake(id), WakeResult::Stale);
    rig.stop();
    assert_eq!((id_of(Waker::noop()), is_aborted(Waker::noop())), (None, false));
}
