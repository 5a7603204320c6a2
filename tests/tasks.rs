//! Tasks as a user sees them: join, abort, panic, detach, wake-ups from everywhere.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ouzel::net::TcpListener;
use ouzel::time::sleep;
use ouzel::{Driver, Runtime, spawn, spawn_blocking, yield_now};
use ouzel_tests::{DropCount, DropGuard, Setup, on_each, on_each_driver, until, watchdog};

fn runtime(workers: usize) -> Runtime {
    Setup { driver: Driver::Auto, workers }.shared()
}

#[test]
fn a_join_gives_the_output_across_workers() {
    on_each_driver(2, |setup| {
        setup.run(async {
            let tasks: Vec<_> = (0..1000u64).map(|i| spawn(async move { i * i })).collect();
            for (i, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), (i * i) as u64);
            }
        });
    });
}

#[test]
fn a_join_really_waits() {
    on_each(|setup| {
        setup.run(async move {
            let task = setup.spawn(async {
                sleep(Duration::from_millis(10)).await;
                "late"
            });
            assert_eq!(task.await.unwrap(), "late");
        });
    });
}

#[test]
fn outputs_and_futures_of_any_size_arrive_whole() {
    watchdog("sizes", || {
        runtime(2).block_on(async {
            let big = [7u64; 2000];
            let sum = spawn(async move {
                yield_now().await;
                let mut copy = big;
                copy[1999] = 8;
                copy
            });
            let got = sum.await.unwrap();
            assert_eq!((got[0], got[1999]), (7, 8));
            #[repr(align(128))]
            struct Aligned(u8);
            let aligned = spawn(async { Aligned(3) }).await.unwrap();
            assert_eq!((&raw const aligned as usize % 128, aligned.0), (0, 3));
            spawn(async {}).await.unwrap();
        });
    });
}

#[test]
fn abort_ends_a_task_parked_in_io_in_a_timer_and_in_a_blocking_job() {
    on_each_driver(2, |setup| {
        let drops = DropCount::default();
        let seen = drops.clone();
        let release = Arc::new(AtomicBool::new(false));
        let held = Arc::clone(&release);
        setup.run(async move {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let guard = seen.guard();
            let in_io = spawn(async move {
                let _guard = guard;
                listener.accept().await.map(drop).ok();
            });
            let guard = seen.guard();
            let in_timer = spawn(async move {
                let _guard = guard;
                sleep(Duration::from_secs(3600)).await;
            });
            let guard = seen.guard();
            let in_blocking = spawn(async move {
                let _guard = guard;
                let job = spawn_blocking(move || {
                    while !held.load(Ordering::Acquire) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
                job.await.ok();
            });
            sleep(Duration::from_millis(20)).await;
            for task in [in_io, in_timer, in_blocking] {
                assert!(!task.is_finished());
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
            }
            assert_eq!(seen.get(), 3, "each future is dropped by the time its handle says cancelled");
            release.store(true, Ordering::Release);
        });
        assert_eq!(drops.get(), 3);
    });
}

#[test]
fn abort_after_the_end_changes_nothing() {
    watchdog("abort", || {
        runtime(1).block_on(async {
            let task = spawn(async { 5 });
            while !task.is_finished() {
                yield_now().await;
            }
            task.abort();
            assert_eq!(task.await.unwrap(), 5);
        });
    });
}

#[test]
fn a_panic_in_poll_reaches_the_joiner_alone() {
    on_each(|setup| {
        setup.run(async move {
            let bad = setup.spawn(async { panic!("on purpose") });
            let error: ouzel::JoinError = match bad.await {
                Err(e) => e,
                Ok(()) => unreachable!(),
            };
            assert!(error.is_panic());
            let payload = error.into_panic();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
            assert_eq!(setup.spawn(async { 1 }).await.unwrap(), 1, "the runtime goes on");
        });
    });
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

#[test]
fn a_panic_in_a_drop_does_not_take_the_worker_with_it() {
    on_each(|setup| {
        setup.run(async move {
            // The future's drop panics when it is cancelled, the output's when nobody wants it. (A handle
            // that is dropped after the end drops the output itself, and the panic is its thread's.)
            let detached = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&detached);
            let cancelled = setup.spawn(async {
                let _bomb = PanicsOnDrop;
                pending::<()>().await;
            });
            drop(cancelled);
            drop(setup.spawn(async move {
                while !flag.load(Ordering::Acquire) {
                    yield_now().await;
                }
                PanicsOnDrop
            }));
            detached.store(true, Ordering::Release);
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(setup.spawn(async { 2 }).await.unwrap(), 2);
        });
    });
}

#[test]
fn a_dropped_handle_detaches_and_the_task_runs_on() {
    on_each(|setup| {
        let ran = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ran);
        setup.run(async move {
            let inner = Arc::clone(&flag);
            drop(setup.spawn(async move {
                sleep(Duration::from_millis(2)).await;
                inner.store(true, Ordering::Release);
            }));
            while !flag.load(Ordering::Acquire) {
                sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(ran.load(Ordering::Acquire));
    });
}

/// Counts its polls and leaves its waker where the test can reach it.
struct Probe {
    polls: Arc<AtomicUsize>,
    waker: Arc<Mutex<Option<Waker>>>,
    until: usize,
    _guard: DropGuard,
}

impl Future for Probe {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let polls = self.polls.fetch_add(1, Ordering::SeqCst) + 1;
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        if polls >= self.until { Poll::Ready(polls) } else { Poll::Pending }
    }
}

#[test]
fn a_wake_from_an_outside_thread_is_never_lost() {
    on_each(|setup| {
        let drops = DropCount::default();
        let (polls, waker) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None::<Waker>)));
        let probe =
            Probe { polls: Arc::clone(&polls), waker: Arc::clone(&waker), until: 500, _guard: drops.guard() };
        let outside = std::thread::spawn(move || {
            loop {
                let seen = polls.load(Ordering::SeqCst);
                if seen >= 500 {
                    return;
                }
                // Each wake is sent only after the last one was answered: one lost and this hangs.
                let waker = waker.lock().unwrap().take();
                if let Some(waker) = waker {
                    waker.wake();
                    until(|| polls.load(Ordering::SeqCst) > seen);
                }
            }
        });
        let polled = setup.run(async move { setup.spawn(probe).await.unwrap() });
        assert_eq!(polled, 500);
        outside.join().unwrap();
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_wake_storm_from_four_threads_is_answered() {
    on_each_driver(2, |setup| {
        const TASKS: usize = 1000;
        let wakers: Arc<Vec<Mutex<Option<Waker>>>> = Arc::new((0..TASKS).map(|_| Mutex::new(None)).collect());
        let done = Arc::new(AtomicUsize::new(0));
        let polls: Arc<Vec<AtomicUsize>> = Arc::new((0..TASKS).map(|_| AtomicUsize::new(0)).collect());
        let storm: Vec<_> = (0..4)
            .map(|_| {
                let (wakers, done) = (Arc::clone(&wakers), Arc::clone(&done));
                std::thread::spawn(move || {
                    while done.load(Ordering::Acquire) < TASKS {
                        for slot in wakers.iter() {
                            let waker = slot.lock().unwrap().clone();
                            if let Some(waker) = waker {
                                waker.wake_by_ref();
                                waker.wake();
                            }
                        }
                    }
                })
            })
            .collect();
        setup.run(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|i| {
                    let (wakers, polls, done) = (Arc::clone(&wakers), Arc::clone(&polls), Arc::clone(&done));
                    spawn(poll_fn(move |cx| {
                        *wakers[i].lock().unwrap() = Some(cx.waker().clone());
                        if polls[i].fetch_add(1, Ordering::SeqCst) < 20 {
                            return Poll::Pending;
                        }
                        done.fetch_add(1, Ordering::Release);
                        Poll::Ready(())
                    }))
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        for thread in storm {
            thread.join().unwrap();
        }
        // Wakers that outlive their runtime: a wake of a finished task changes nothing.
        for slot in wakers.iter() {
            slot.lock().unwrap().take().expect("stored by the task").wake();
        }
    });
}

#[test]
fn spawns_from_outside_threads_all_run() {
    watchdog("outside spawns", || {
        let runtime = runtime(2);
        let ran = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (handle, ran) = (runtime.handle(), Arc::clone(&ran));
                scope.spawn(move || {
                    for _ in 0..5000 {
                        let ran = Arc::clone(&ran);
                        handle.spawn(async move { ran.fetch_add(1, Ordering::Relaxed) }).detach();
                    }
                });
            }
        });
        runtime.block_on(async {
            for _ in 0..1000 {
                let ran = Arc::clone(&ran);
                ouzel::spawn_detached(async move {
                    yield_now().await;
                    ran.fetch_add(1, Ordering::Relaxed)
                });
            }
        });
        until(|| ran.load(Ordering::Relaxed) == 21_000);
    });
}

#[test]
fn a_blocking_job_runs_beside_the_tasks_and_its_panic_reaches_the_joiner() {
    on_each(|setup| {
        setup.run(async {
            assert_eq!(spawn_blocking(|| 6 * 7).await.unwrap(), 42);
            let error = spawn_blocking(|| -> () { panic!("in a job") }).await.unwrap_err();
            assert!(error.is_panic());
        });
    });
}

#[test]
fn the_main_future_may_borrow_from_its_caller() {
    let text = String::from("borrowed");
    let length = runtime(1).block_on(async {
        yield_now().await;
        text.len()
    });
    assert_eq!(length, 8);
}

#[test]
fn every_worker_does_what_it_was_told_to_do_first_before_it_runs_tasks() {
    thread_local! {
        static IS_READY: Cell<bool> = const { Cell::new(false) };
    }
    watchdog("worker start", || {
        let (spawned, has_run) = std::sync::mpsc::channel();
        let first = move || {
            assert!(!IS_READY.replace(true), "once on each thread");
            let spawned = spawned.clone();
            spawn(async move { spawned.send(IS_READY.get()).unwrap() }).detach();
        };
        let runtime = Runtime::builder().worker_threads(3).on_worker_start(first).build().unwrap();
        let tasks: Vec<_> = (0..100).map(|_| runtime.spawn(async { IS_READY.get() })).collect();
        runtime.block_on(async {
            for task in tasks {
                assert!(task.await.unwrap());
            }
        });
        for _ in 0..3 {
            assert_eq!(has_run.recv_timeout(Duration::from_secs(20)), Ok(true));
        }
        drop(runtime);
        assert!(has_run.recv().is_err(), "it goes with the runtime");
    });
}
