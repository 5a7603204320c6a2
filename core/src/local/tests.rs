//! The executor on a driver that only sleeps.

mod end;
mod handles;
mod named;
mod remote;
mod threads;

use core::cell::{Cell, RefCell};
use core::future::{Future, pending, poll_fn};
use core::mem;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::boxed::Box;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use super::{Local, LocalExecutor, LocalJoinHandle};
use crate::driver::{Deadline, Driver, Errno, Nanos};
use crate::park::ParkWord;
use crate::testing::Bed;

/// Sleeps until the bed's bell rings or the deadline is over. Wakers in `ready` are woken by `park` and `poll`.
struct Sleeper {
    bed: Arc<Bed>,
    start: Instant,
    parks: usize,
    ready: Vec<Waker>,
}

impl Driver for Sleeper {
    fn now(&mut self) -> Nanos {
        Nanos(self.start.elapsed().as_nanos() as u64)
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        self.parks += 1;
        if self.poll()? > 0 {
            return Ok(());
        }
        let Some(Deadline(until)) = deadline else {
            self.bed.sleep();
            return Ok(());
        };
        while !self.bed.has_rung() {
            let left = until.since(self.now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        let events = self.ready.len();
        self.ready.drain(..).for_each(Waker::wake);
        Ok(events)
    }
}

fn executor() -> LocalExecutor<Sleeper> {
    let bed = Arc::new(Bed::default());
    bed.enter();
    let driver = Sleeper { bed: Arc::clone(&bed), start: Instant::now(), parks: 0, ready: Vec::new() };
    LocalExecutor::new(driver, Arc::new(ParkWord::new()), bed)
}

/// Counts its drops.
struct Guard(Rc<Cell<usize>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

#[test]
fn block_on_gives_the_output_and_runs_the_tasks() {
    let ex = executor();
    let sum = ex.block_on(async {
        let tasks: Vec<_> = (0..100u64)
            .map(|i| {
                ex.spawn(async move {
                    yield_now().await;
                    i
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, 4950);
    assert_eq!(ex.live_tasks(), 0);
    assert_eq!(ex.metrics().spawned, 101);
    assert_eq!(ex.metrics().completed, 101);
}

#[test]
fn a_task_can_spawn_on_the_current_executor() {
    let ex = executor();
    let spawn = |f: Pin<Box<dyn Future<Output = u32>>>| {
        Local::with_current(|local| local.expect("inside a task").spawn(f))
    };
    assert!(Local::with_current(|local| local.is_none()));
    let got = ex.block_on(async { spawn(Box::pin(async { 7 })).await.unwrap() });
    assert_eq!(got, 7);
    assert!(Local::with_current(|local| local.is_none()));
}

#[test]
fn wakes_inside_the_driver_reach_the_run_queue() {
    let ex = executor();
    let done = Rc::new(Cell::new(false));
    let flag = Rc::clone(&done);
    let task = ex.spawn(poll_fn(move |_| if flag.get() { Poll::Ready(()) } else { Poll::Pending }));
    ex.run_nowait(10).unwrap();
    assert!(!task.is_finished());
    ex.block_on(poll_fn(|cx| {
        if done.get() {
            return Poll::Ready(());
        }
        done.set(true);
        // The root runs inside a turn, but not inside the driver.
        ex.with_driver(|d| d.ready.push(cx.waker().clone()));
        Poll::Pending
    }));
    assert!(ex.metrics().parks <= 1);
}

#[test]
fn a_panic_in_a_poll_is_the_joiners() {
    let ex = executor();
    let task = ex.spawn(async { panic!("in a poll") });
    let error = ex.block_on(task).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "in a poll");
    let drops = Rc::new(Cell::new(0));
    struct Bomb(Rc<Cell<usize>>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            panic!("in a drop");
        }
    }
    let bomb = Bomb(Rc::clone(&drops));
    let task = ex.spawn(async move {
        let _bomb = bomb;
        pending::<()>().await;
    });
    ex.run_nowait(10).unwrap();
    task.abort();
    assert!(ex.block_on(task).is_err());
    assert_eq!(drops.get(), 1);
    assert_eq!(ex.live_tasks(), 0);
}

#[test]
fn a_panic_of_the_root_goes_on_in_block_on() {
    let ex = executor();
    let caught = catch_unwind(AssertUnwindSafe(|| ex.block_on(async { panic!("root") })));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "root");
    assert_eq!(ex.block_on(async { 1 }), 1);
}

#[test]
fn abort_drops_the_future_before_the_handle_says_cancelled() {
    let ex = executor();
    let drops = Rc::new(Cell::new(0));
    let guard = Guard(Rc::clone(&drops));
    let task = ex.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    ex.run_nowait(10).unwrap();
    task.abort();
    task.abort();
    assert!(ex.block_on(task).unwrap_err().is_cancelled());
    assert_eq!(drops.get(), 1);
    // One that was never polled, and one that is complete.
    let task = ex.spawn(async {});
    task.abort();
    assert!(ex.block_on(task).unwrap_err().is_cancelled());
    let task = ex.spawn(async { 5 });
    ex.run_nowait(10).unwrap();
    task.abort();
    assert_eq!(ex.block_on(task).unwrap(), 5);
}

#[test]
fn a_task_may_abort_itself() {
    let ex = executor();
    let slot: Rc<RefCell<Option<LocalJoinHandle<()>>>> = Rc::default();
    let mine = Rc::clone(&slot);
    let task = ex.spawn(async move {
        mine.borrow().as_ref().unwrap().abort();
        pending::<()>().await;
    });
    *slot.borrow_mut() = Some(task);
    ex.run_nowait(10).unwrap();
    assert!(slot.borrow().as_ref().unwrap().is_finished());
    assert_eq!(ex.live_tasks(), 0);
}

#[test]
fn a_detached_task_runs_on_and_a_dropped_output_is_dropped_once() {
    let ex = executor();
    let drops = Rc::new(Cell::new(0));
    let guard = Guard(Rc::clone(&drops));
    ex.spawn(async move { guard }).detach();
    ex.run_nowait(10).unwrap();
    assert_eq!(drops.get(), 1);
    let guard = Guard(Rc::clone(&drops));
    let task = ex.spawn(async move { guard });
    ex.run_nowait(10).unwrap();
    assert_eq!(drops.get(), 1);
    drop(task);
    assert_eq!(drops.get(), 2);
}

#[test]
fn a_host_drives_it_without_blocking() {
    let ex = executor();
    for _ in 0..10 {
        ex.spawn(yield_now()).detach();
    }
    let tick = ex.run_nowait(4).unwrap();
    assert_eq!((tick.polled, tick.completed, tick.more), (4, 0, true));
    let tick = ex.run_nowait(100).unwrap();
    assert_eq!((tick.polled, tick.completed, tick.more), (16, 10, false));
    assert!(ex.begin_wait());
    ex.spawner().notify();
    assert!(!ex.begin_wait());
    let tick = ex.run_nowait(100).unwrap();
    assert_eq!((tick.polled, tick.more), (0, false));
    assert!(ex.begin_wait());
    ex.end_wait();
    let end = ex.with_driver(Driver::now) + Duration::from_millis(20);
    let mut turns = 0;
    while ex.with_driver(Driver::now) < end {
        ex.run_once(Some(Deadline(end))).unwrap();
        turns += 1;
    }
    assert!(turns <= 3, "one that the bell of before ended, one that slept");
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_woken() {
    let ex = executor();
    let order: Rc<RefCell<Vec<usize>>> = Rc::default();
    for i in 0..200 {
        let order = Rc::clone(&order);
        ex.spawn(async move {
            for round in 0..3 {
                order.borrow_mut().push(round * 200 + i);
                yield_now().await;
            }
        })
        .detach();
    }
    while ex.run_nowait(7).unwrap().more {}
    assert!(order.borrow().iter().copied().eq(0..600));
}
