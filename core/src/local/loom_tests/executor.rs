//! Models of the whole executor: real cells in a real slab, and a driver that sleeps on a loom condvar.

use core::future::{pending, poll_fn};
use core::task::Poll;
use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use crate::local::LocalExecutor;
use crate::park::ParkWord;
use crate::sync::{AtomicBool, Ordering, model};

pub(super) struct Bell(Mutex<bool>, Condvar);

impl Unpark for Bell {
    fn unpark(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

pub(super) struct Sleeper(Arc<Bell>);

impl Driver for Sleeper {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }

    fn park(&mut self, _: Option<Deadline>) -> Result<(), Errno> {
        let mut rung = self.0.0.lock().unwrap();
        while !*rung {
            rung = self.0.1.wait(rung).unwrap();
        }
        *rung = false;
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

/// An executor, and its park word, which tells by its count whether the shared part is gone: that goes with
/// the slab's last cell.
pub(super) fn executor() -> (LocalExecutor<Sleeper>, Arc<ParkWord>) {
    let bell = Arc::new(Bell(Mutex::new(false), Condvar::new()));
    let park = Arc::new(ParkWord::new());
    (LocalExecutor::new(Sleeper(Arc::clone(&bell)), Arc::clone(&park), bell), park)
}

/// The root hands its waker to another thread, which wakes it twice, and sleeps until both have come.
#[test]
fn loom_local_executor_sleeps_until_the_remote_wake() {
    model("local_executor_sleeps_until_the_remote_wake", Some(3), || {
        let (ex, park) = executor();
        let events = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let mut other = None;
        ex.block_on(poll_fn(|cx| {
            if other.is_none() {
                let (events, waker) = (Arc::clone(&events), cx.waker().clone());
                other = Some(thread::spawn(move || {
                    // ORDERING: Relaxed: the wakes that follow are what orders.
                    events[0].store(true, Ordering::Relaxed);
                    waker.wake_by_ref();
                    // ORDERING: as above.
                    events[1].store(true, Ordering::Relaxed);
                    waker.wake();
                }));
            }
            // ORDERING: as above.
            let all = events.iter().all(|e| e.load(Ordering::Relaxed));
            if all { Poll::Ready(()) } else { Poll::Pending }
        }));
        other.unwrap().join().unwrap();
        drop(ex);
        assert_eq!(Arc::strong_count(&park), 1, "a cell leaked");
    });
}

/// A task's waker is used, and dropped last, by another thread, while the executor runs down and goes.
#[test]
fn loom_local_executor_goes_while_a_waker_is_out() {
    model("local_executor_goes_while_a_waker_is_out", Some(3), || {
        let (ex, park) = executor();
        let (send, receive) = std::sync::mpsc::channel();
        let task = ex.spawn(poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            Poll::<()>::Pending
        }));
        ex.run_nowait(1).unwrap();
        let waker = receive.recv().unwrap();
        let other = thread::spawn(move || {
            waker.wake_by_ref();
            let clone = waker.clone();
            clone.wake();
            drop(waker);
        });
        drop(ex);
        assert!(task.is_finished());
        drop(task);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&park), 1, "a cell leaked");
    });
}

/// A future sent from another thread is run or refused, never lost, however the executor's end falls.
#[test]
fn loom_local_executor_spawn_against_shutdown() {
    model("local_executor_spawn_against_shutdown", Some(3), || {
        let (ex, park) = executor();
        let spawner = ex.spawner();
        let dropped = Arc::new(AtomicBool::new(false));
        struct Guard(Arc<AtomicBool>);
        impl Drop for Guard {
            fn drop(&mut self) {
                assert!(!self.0.swap(true, Ordering::Relaxed), "dropped twice");
            }
        }
        let guard = Guard(Arc::clone(&dropped));
        let late = spawner.clone();
        let other = thread::spawn(move || {
            let sent = spawner.spawn_send(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            if let Ok(handle) = sent {
                handle.abort();
            }
            spawner.notify();
        });
        ex.run_nowait(8).unwrap();
        ex.run_nowait(8).unwrap();
        drop(ex);
        assert!(late.spawn_send(async {}).is_err(), "taken by an executor that is gone");
        drop(late);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&park), 1, "a cell leaked");
        assert!(dropped.load(Ordering::Relaxed), "the future is still somewhere");
    });
}

/// A joiner on another thread looks once and goes, while its task ends: whoever is last ends their packet.
#[test]
fn loom_local_joiner_leaves_against_the_end_of_its_task() {
    model("local_joiner_leaves_against_the_end_of_its_task", Some(3), || {
        let (ex, park) = executor();
        let spawner = ex.spawner();
        let other = thread::spawn(move || {
            let Ok(handle) = spawner.spawn_send(async {}) else { return };
            let _ = handle.is_finished();
        });
        ex.run_nowait(8).unwrap();
        ex.run_nowait(8).unwrap();
        drop(ex);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&park), 1, "a cell leaked");
    });
}
