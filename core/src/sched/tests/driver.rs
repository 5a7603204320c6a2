//! Drivers that fail, and what the last worker out waits for. The one worker runs on the test's thread.

use core::future::poll_fn;
use core::mem;
use core::task::{Poll, Waker};
use std::string::String;
use std::sync::Arc;
use std::thread;

use super::rig::block_on;
use crate::driver::{Deadline, Driver, Errno, Nanos};
use crate::park::ParkWord;
use crate::sched::{Seat, Shared, Worker};
use crate::slab::Pages;
use crate::sync::Lock;
use crate::task::Schedule;
use crate::task::testing::Drops;
use crate::testing::Bed;

/// Does as it is told.
struct Told<S> {
    poll: Result<usize, Errno>,
    sleep: S,
}

impl<S: FnMut() -> Result<(), Errno>> Driver for Told<S> {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }

    fn park(&mut self, _: Option<Deadline>) -> Result<(), Errno> {
        (self.sleep)()
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        self.poll
    }
}

fn shared(workers: usize) -> Arc<Shared> {
    let seat = |_| Seat { park: Arc::new(ParkWord::new()), unpark: Arc::new(Bed::default()) as _ };
    Shared::new((0..workers).map(seat), None, Pages::HEAP)
}

/// Runs worker 0 in a driver that looks without fail and sleeps like this.
fn run(shared: &Arc<Shared>, sleep: impl FnMut() -> Result<(), Errno>) {
    Worker::new(Arc::clone(shared), 0, Told { poll: Ok(0), sleep }).run();
}

#[test]
#[should_panic(expected = "the driver of worker 0 failed: os error 9")]
fn a_driver_that_cannot_look_ends_the_worker() {
    let sleep = || panic!("it slept before it looked");
    // A lone worker does not look first.
    Worker::new(shared(2), 0, Told { poll: Err(Errno(9)), sleep }).run();
}

/// Counts looks, and cannot wait: that is told with their number.
struct Looks {
    may_find: bool,
    count: i32,
}

impl Driver for Looks {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }

    fn park(&mut self, _: Option<Deadline>) -> Result<(), Errno> {
        Err(Errno(self.count))
    }

    fn may_have_arrived(&mut self) -> bool {
        self.may_find
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        self.count += 1;
        Ok(0)
    }
}

/// How often worker 0 of so many looks at its driver before it first waits in it.
fn looks_before_a_wait(workers: usize, may_find: bool, token: bool) -> i32 {
    let shared = shared(workers);
    if token {
        shared.unpark(0);
    }
    let worker = thread::spawn(move || Worker::new(shared, 0, Looks { may_find, count: 0 }).run());
    let why = *worker.join().err().expect("it cannot wait").downcast::<String>().unwrap();
    why.strip_prefix("the driver of worker 0 cannot wait: os error ").unwrap().parse().unwrap()
}

#[test]
fn a_worker_sleeps_without_a_look_at_a_driver_that_has_nothing_for_it() {
    assert_eq!(looks_before_a_wait(2, true, false), 1);
    assert_eq!(looks_before_a_wait(2, false, false), 0);
    assert_eq!(looks_before_a_wait(1, true, false), 0, "alone, it finds what there is by waiting");
}

#[test]
fn a_worker_that_may_not_sleep_looks() {
    assert_eq!(looks_before_a_wait(1, false, true), 1);
    assert_eq!(looks_before_a_wait(2, false, true), 1);
}

#[test]
#[should_panic(expected = "the driver of worker 0 cannot wait: os error 22")]
fn a_driver_that_cannot_wait_ends_the_worker() {
    run(&shared(1), || Err(Errno(22)));
}

#[test]
#[should_panic(expected = "the driver of worker 0 cannot wait: os error 5")]
fn a_driver_that_cannot_wait_for_the_last_one_out_ends_the_worker() {
    let shared = shared(2);
    // Worker 1 never leaves its loop.
    shared.close();
    run(&shared, || Err(Errno(5)));
}

#[test]
fn the_last_one_out_waits_for_a_waker_between_its_swap_and_its_push() {
    let (shared, drops) = (shared(1), Drops::default());
    let token = drops.token();
    let handle = shared.spawn(async move { drop(token) }).ok().unwrap();
    // On its way to the queue, as whoever woke it has it.
    let mut late = Some(shared.take_injected(0).unwrap());
    shared.close();
    run(&shared, || {
        assert!(!shared.is_drained() && drops.count() == 0, "it did not wait for the task");
        let task = late.take().expect("asleep for ever");
        let shared = Arc::clone(&shared);
        thread::spawn(move || shared.schedule(task)).join().unwrap();
        Ok(())
    });
    assert!(shared.is_drained());
    assert_eq!(drops.count(), 1);
    assert!(block_on(handle).unwrap_err().is_cancelled());
}

#[test]
fn a_destructor_may_wake_another_task_when_the_last_one_out_drops_it() {
    /// Wakes the other task of the two, whichever is dropped first.
    struct Wakes(Arc<[Lock<Option<Waker>>; 2]>, usize);
    impl Drop for Wakes {
        fn drop(&mut self) {
            let other = self.0[1 - self.1].lock().take();
            if let Some(other) = other {
                other.wake();
            }
        }
    }
    let (shared, drops) = (shared(1), Drops::default());
    let wakers = Arc::new([Lock::new(None), Lock::new(None)]);
    let handles = [0, 1].map(|i| {
        let (token, wakes) = (drops.token(), Wakes(Arc::clone(&wakers), i));
        let task = poll_fn(move |cx| {
            let _held = &token;
            *wakes.0[i].lock() = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        shared.spawn(task).ok().unwrap()
    });
    let closing = Arc::clone(&shared);
    let mut sleeps = 0;
    run(&shared, || {
        // Both have been polled, and idle. There is nothing to wait for after this.
        assert_eq!(mem::replace(&mut sleeps, 1), 0, "asleep for ever");
        closing.close();
        Ok(())
    });
    assert_eq!(drops.count(), 2);
    for handle in handles {
        assert!(block_on(handle).unwrap_err().is_cancelled());
    }
    assert!(wakers.iter().all(|w| w.lock().is_none()), "a waker was left, or came too late");
}
