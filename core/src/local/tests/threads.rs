//! Other threads: waking, spawning, aborting, dropping.

use core::cell::Cell;
use core::future::{Future, pending, poll_fn};
use core::mem;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::boxed::Box;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use super::executor;
use crate::local::LocalSpawner;
use crate::sync::{AtomicBool, AtomicUsize, Lock, Ordering};
use crate::task::WakeResult;

/// Waits until some other thread has set the flag and woken.
#[derive(Clone, Default)]
struct Event(Arc<(AtomicBool, Lock<Option<Waker>>)>);

impl Event {
    fn set(&self) {
        self.0.0.store(true, Ordering::Release);
        if let Some(waker) = self.0.1.lock().take() {
            waker.wake();
        }
    }

    fn wait(&self) -> impl Future<Output = ()> + use<> {
        let event = self.clone();
        poll_fn(move |cx| {
            *event.0.1.lock() = Some(cx.waker().clone());
            if event.0.0.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

#[test]
fn it_really_sleeps_until_another_thread_wakes_it() {
    let ex = executor();
    let event = Event::default();
    let remote = event.clone();
    let before = Instant::now();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        remote.set();
    });
    let task = ex.spawn(event.wait());
    ex.block_on(task).unwrap();
    assert!(before.elapsed() >= Duration::from_millis(30));
    assert!(ex.metrics().polls < 12, "it polled instead of sleeping");
    assert_eq!(ex.metrics().remote_wakes, 1);
    thread.join().unwrap();
}

#[test]
fn the_root_is_woken_from_another_thread_too() {
    let ex = executor();
    for _ in 0..200 {
        let event = Event::default();
        let remote = event.clone();
        let thread = thread::spawn(move || remote.set());
        ex.block_on(event.wait());
        thread.join().unwrap();
    }
    assert_eq!(ex.live_tasks(), 0);
}

#[test]
fn other_threads_spawn_wait_and_abort() {
    let ex = executor();
    let spawner = ex.spawner();
    let stop = Event::default();
    let remote = stop.clone();
    let thread = thread::spawn(move || {
        let outer = executor();
        let task = spawner.spawn_send(async { thread::current().id() }).ok().unwrap();
        assert_ne!(outer.block_on(task).unwrap(), thread::current().id());
        let task = spawner.spawn_send(async { panic!("elsewhere") }).ok().unwrap();
        assert!(outer.block_on(task).unwrap_err().is_panic());
        let task = spawner.spawn_send(pending::<()>()).ok().unwrap();
        assert!(!task.is_finished());
        task.abort();
        assert!(outer.block_on(task).unwrap_err().is_cancelled());
        let left = spawner.spawn_send(pending::<()>()).ok().unwrap();
        remote.set();
        assert!(outer.block_on(left).unwrap_err().is_cancelled());
        // By now the other executor refuses.
        assert!(spawner.spawn_send(async {}).is_err());
    });
    ex.block_on(stop.wait());
    drop(ex);
    thread.join().unwrap();
}

#[test]
fn weak_ids_wake_and_abort_from_other_threads() {
    let ex = executor();
    let polls = Rc::new(Cell::new(0));
    let count = Rc::clone(&polls);
    let mut task = ex.spawn(poll_fn(move |_| {
        count.set(count.get() + 1);
        if count.get() < 3 { Poll::Pending } else { Poll::Ready(()) }
    }));
    let id = task.id().unwrap();
    let spawner = ex.spawner();
    ex.run_nowait(10).unwrap();
    assert_eq!(polls.get(), 1);
    let remote = spawner.clone();
    thread::spawn(move || remote.wake(id)).join().unwrap();
    ex.run_once(None).unwrap();
    assert_eq!(polls.get(), 2);
    ex.local().wake(id);
    ex.block_on(&mut task).unwrap();
    drop(task);
    let stale = thread::spawn(move || {
        let stale = spawner.wake(id);
        (stale, spawner)
    });
    let (stale, spawner) = stale.join().unwrap();
    assert_eq!(stale, WakeResult::Stale);
    let mut task = ex.spawn(pending::<()>());
    let id = task.id().unwrap();
    ex.run_nowait(10).unwrap();
    thread::spawn(move || assert!(spawner.abort(id))).join().unwrap();
    assert!(ex.block_on(&mut task).unwrap_err().is_cancelled());
}

#[test]
fn many_threads_wake_and_drop_while_tasks_come_and_go() {
    let ex = executor();
    let (send, receive) = std::sync::mpsc::channel::<Waker>();
    let receive = Arc::new(Lock::new(receive));
    let woken = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|i| {
            let (receive, woken) = (Arc::clone(&receive), Arc::clone(&woken));
            thread::spawn(move || {
                loop {
                    let Ok(waker) = receive.lock().recv() else { return };
                    let n = woken.fetch_add(1, Ordering::Relaxed);
                    match (n + i) % 4 {
                        0 => waker.wake(),
                        1 => {
                            let clone = waker.clone();
                            waker.wake_by_ref();
                            drop(waker);
                            drop(clone);
                        }
                        2 => {
                            let clone = waker.clone();
                            drop(waker);
                            clone.wake();
                        }
                        _ => {
                            waker.wake_by_ref();
                            drop(waker.clone());
                        }
                    }
                }
            })
        })
        .collect();
    for round in 0..200 {
        let tasks: Vec<_> = (0..20)
            .map(|i| {
                let send = send.clone();
                let mut left = (round + i) % 5;
                ex.spawn(poll_fn(move |cx| {
                    if left == 0 {
                        return Poll::Ready(());
                    }
                    left -= 1;
                    send.send(cx.waker().clone()).unwrap();
                    Poll::Pending
                }))
            })
            .collect();
        ex.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
    drop(send);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ex.live_tasks(), 0);
}

#[test]
fn a_task_whose_wakers_were_cloned_elsewhere_and_dropped_here_is_still_woken() {
    let ex = executor();
    let slot = Rc::new(Cell::new(None));
    let mine = Rc::clone(&slot);
    let event = Event::default();
    let mut wait = Box::pin(event.wait());
    let mut sent = false;
    let mut task = ex.spawn(poll_fn(move |cx| {
        if !mem::replace(&mut sent, true) {
            mine.set(Some(cx.waker().clone()));
        }
        wait.as_mut().poll(cx)
    }));
    ex.run_nowait(1).unwrap();
    let waker = slot.take().unwrap();
    let clones = thread::spawn(move || [waker.clone(), waker.clone(), waker.clone(), waker]).join().unwrap();
    drop(clones);
    let remote = event.clone();
    let thread = thread::spawn(move || remote.set());
    ex.block_on(&mut task).unwrap();
    thread.join().unwrap();
}

#[test]
fn what_was_sent_and_never_taken_in_is_dropped_with_the_executor() {
    struct Bomb(Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("in a drop");
        }
    }
    let ex = executor();
    let drops = Arc::new(AtomicUsize::new(0));
    let (first, second) = (Bomb(Arc::clone(&drops)), Bomb(Arc::clone(&drops)));
    let handle = ex.spawner().spawn_send(async move { drop(first) }).ok().unwrap();
    ex.spawner().spawn_detached(async move { drop(second) }).ok().unwrap();
    drop(ex);
    assert_eq!(drops.load(Ordering::Relaxed), 2, "each once, and no panic came out");
    assert!(executor().block_on(handle).unwrap_err().is_cancelled());
}

#[test]
fn what_is_sent_while_the_executor_shuts_down_comes_back() {
    struct Sends(LocalSpawner, Arc<AtomicUsize>);
    impl Drop for Sends {
        fn drop(&mut self) {
            let ran = Arc::clone(&self.1);
            let future = async move {
                ran.fetch_add(100, Ordering::Relaxed);
            };
            let Err(future) = self.0.spawn_detached(future) else { panic!("sent to nobody") };
            let Err(future) = self.0.spawn_send(future) else { panic!("sent to nobody") };
            executor().block_on(future);
        }
    }
    let ex = executor();
    let ran = Arc::new(AtomicUsize::new(0));
    let sends = Sends(ex.spawner(), Arc::clone(&ran));
    let task = ex.spawn(async move {
        let _sends = sends;
        pending::<()>().await;
    });
    let id = task.id().unwrap();
    ex.run_nowait(10).unwrap();
    let spawner = ex.spawner();
    ex.shutdown().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 100, "what came back is the future itself");
    assert!(!spawner.abort(id), "nobody is there to be asked");
}

#[test]
fn a_sent_task_is_aborted_where_it_waits_and_a_detached_one_runs_on() {
    let ex = executor();
    let dropped = Arc::new(AtomicUsize::new(0));
    let token = Arc::clone(&dropped);
    let handle = ex
        .spawner()
        .spawn_send(async move {
            let _token = token;
            pending::<()>().await;
        })
        .ok()
        .unwrap();
    ex.run_nowait(10).unwrap();
    assert_eq!(Arc::strong_count(&dropped), 2);
    let handle = thread::spawn(move || {
        handle.abort();
        handle
    });
    let handle = handle.join().unwrap();
    ex.run_nowait(10).unwrap();
    assert_eq!((Arc::strong_count(&dropped), handle.is_finished()), (1, true));
    assert!(ex.block_on(handle).unwrap_err().is_cancelled());
    let token = Arc::clone(&dropped);
    ex.spawner().spawn_send(async move { token.fetch_add(1, Ordering::Relaxed) }).ok().unwrap().detach();
    ex.run_nowait(10).unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}
