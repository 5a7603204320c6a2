//! What is left when an executor goes: nothing of its tasks, all of what others still hold.

use core::cell::{Cell, RefCell};
use core::future::{Future, pending, poll_fn};
use core::mem;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::panic::catch_unwind;
use std::rc::Rc;
use std::thread;
use std::vec::Vec;

use super::{Guard, Sleeper, executor};
use crate::local::{InUse, LocalExecutor};

#[test]
fn shutdown_drops_each_parked_task_once() {
    const TASKS: usize = 100_000;
    let ex = executor();
    let drops = Rc::new(Cell::new(0));
    let mut handles = Vec::new();
    for i in 0..TASKS {
        let guard = Guard(Rc::clone(&drops));
        let task = ex.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        if i % 3 == 0 { handles.push(task) } else { task.detach() }
    }
    while ex.run_nowait(1000).unwrap().more {}
    assert_eq!(ex.live_tasks(), TASKS);
    ex.shutdown().unwrap();
    assert_eq!((drops.get(), ex.live_tasks()), (TASKS, 0));
    ex.shutdown().unwrap();
    drop(ex);
    assert_eq!(drops.get(), TASKS);
    // Handles that outlive the executor find their tasks cancelled.
    for mut handle in handles {
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(result) = Pin::new(&mut handle).poll(&mut cx) else { panic!("still pending") };
        assert!(result.unwrap_err().is_cancelled());
    }
}

#[test]
fn a_spawn_in_a_destructor_during_shutdown_is_refused() {
    struct Spawner(Rc<LocalExecutor<Sleeper>>, Rc<Cell<usize>>);
    impl Drop for Spawner {
        fn drop(&mut self) {
            let guard = Guard(Rc::clone(&self.1));
            let task = self.0.spawn(async move { drop(guard) });
            assert!(task.is_finished(), "spawned on an executor that is shut down");
        }
    }
    let ex = Rc::new(executor());
    let drops = Rc::new(Cell::new(0));
    for _ in 0..10 {
        let spawner = Spawner(Rc::clone(&ex), Rc::clone(&drops));
        ex.spawn(async move {
            let _spawner = spawner;
            pending::<()>().await;
        })
        .detach();
    }
    ex.run_nowait(5).unwrap();
    ex.shutdown().unwrap();
    assert_eq!((drops.get(), ex.live_tasks(), Rc::strong_count(&ex)), (10, 0, 1));
}

#[test]
fn a_destructor_may_wake_and_drop_others_during_shutdown() {
    struct Waking(Rc<RefCell<Vec<Waker>>>);
    impl Drop for Waking {
        fn drop(&mut self) {
            let wakers = mem::take(&mut *self.0.borrow_mut());
            wakers.iter().for_each(Waker::wake_by_ref);
        }
    }
    let ex = executor();
    let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
    for _ in 0..50 {
        let waking = Waking(Rc::clone(&wakers));
        let mine = Rc::clone(&wakers);
        ex.spawn(async move {
            let _waking = waking;
            poll_fn(|cx| {
                mine.borrow_mut().push(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        })
        .detach();
    }
    ex.run_nowait(100).unwrap();
    drop(ex);
    assert!(wakers.borrow().is_empty());
    assert_eq!(Rc::strong_count(&wakers), 1);
}

#[test]
fn shutdown_inside_a_task_is_refused() {
    let ex = executor();
    assert_eq!(ex.block_on(async { ex.shutdown() }), Err(InUse));
    assert_eq!(ex.block_on(async { 1 }), 1);
}

#[test]
fn wakers_outlive_the_executor_here_and_elsewhere() {
    let ex = executor();
    let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
    for _ in 0..3 {
        let mine = Rc::clone(&wakers);
        ex.spawn(poll_fn(move |cx| {
            mine.borrow_mut().push(cx.waker().clone());
            mine.borrow_mut().push(cx.waker().clone());
            Poll::<()>::Pending
        }))
        .detach();
    }
    ex.run_nowait(10).unwrap();
    drop(ex);
    let mut wakers = wakers.take();
    let away = wakers.split_off(3);
    thread::spawn(move || {
        for waker in away {
            waker.wake_by_ref();
            drop(waker.clone());
            waker.wake();
        }
    })
    .join()
    .unwrap();
    wakers.iter().for_each(Waker::wake_by_ref);
    let again = wakers.clone();
    drop(wakers);
    again.into_iter().for_each(Waker::wake);
}

#[test]
fn a_panic_in_an_output_that_nobody_takes_is_the_one_who_drops_the_handle() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in an output");
        }
    }
    let ex = executor();
    let task = ex.spawn(async { Bomb });
    ex.run_nowait(10).unwrap();
    assert!(task.is_finished());
    let caught = catch_unwind(AssertUnwindSafe(move || drop(task))).unwrap_err();
    assert_eq!(*caught.downcast::<&str>().unwrap(), "in an output");
    assert_eq!(ex.live_tasks(), 0);
}

#[test]
fn a_waker_tells_its_task_and_whether_it_was_aborted() {
    use crate::local::{id_of, is_aborted};
    use crate::task::TaskState;
    let ex = executor();
    let slot: Rc<Cell<Option<Waker>>> = Rc::default();
    let kept = Rc::clone(&slot);
    let mut task = ex.spawn(poll_fn(move |cx| {
        kept.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    }));
    ex.run_nowait(10).unwrap();
    let waker = slot.take().unwrap();
    let id = id_of(&waker).unwrap();
    assert_eq!(Some(id), task.id());
    assert_eq!(ex.spawner().state(id), TaskState::Idle);
    assert!(!is_aborted(&waker));
    task.abort();
    assert!(ex.block_on(&mut task).unwrap_err().is_cancelled());
    drop((waker, task));
    assert_eq!(ex.spawner().state(id), TaskState::Stale);
    assert_eq!((id_of(Waker::noop()), is_aborted(Waker::noop())), (None, false));
}

#[test]
fn a_closed_executor_gives_what_is_spawned_back() {
    let ex = executor();
    let spawner = ex.spawner();
    assert!(spawner.spawn_detached(async {}).is_ok());
    ex.run_nowait(10).unwrap();
    assert_eq!(ex.metrics().completed, 1);
    assert!(ex.local().try_spawn_detached(async {}).is_ok());
    ex.run_nowait(10).unwrap();
    assert_eq!(ex.metrics().completed, 2);
    assert!(spawner.task_bytes() > 0);
    drop(ex);
    assert!(spawner.spawn_detached(async {}).is_err());
    assert!(spawner.spawn_send(async { 5 }).is_err());
    spawner.notify();
}

#[test]
fn a_future_that_is_refused_stays_where_it_is() {
    let ex = executor();
    ex.shutdown().unwrap();
    let mut future = Some(core::future::ready(5));
    let mut handle = ex.local().spawn_from(&mut future);
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Err(e)) = Pin::new(&mut handle).poll(&mut cx) else { panic!("it was refused") };
    assert!(e.is_cancelled());
    assert!(ex.local().spawn_detached_from(&mut future).is_none());
    assert_eq!(future.take().map(core::future::Ready::into_inner), Some(5));
}
