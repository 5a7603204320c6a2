//! Shutdown: every future dropped exactly once, whatever it was waiting for.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use ouzel::time::sleep;
use ouzel::{Driver, spawn, spawn_blocking, yield_now};
use ouzel_tests::{DropCount, Setup, on_each, on_each_driver, watchdog};

#[test]
fn a_hundred_thousand_parked_tasks_are_dropped_once_each() {
    on_each(|setup| {
        let drops = DropCount::default();
        let seen = drops.clone();
        setup.run(async move {
            for _ in 0..100_000 {
                let guard = seen.guard();
                drop(setup.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                }));
            }
            assert_eq!(seen.get(), 0);
        });
        assert_eq!(drops.get(), 100_000);
    });
}

#[test]
fn tasks_in_every_state_are_dropped_once_each() {
    on_each_driver(2, |setup| {
        let drops = DropCount::default();
        let runtime = setup.shared();
        let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
        for i in 0..3000 {
            let (guard, wakers) = (drops.guard(), Arc::clone(&wakers));
            drop(runtime.spawn(async move {
                let _guard = guard;
                match i % 4 {
                    0 => pending::<()>().await,
                    1 => sleep(Duration::from_secs(1000)).await,
                    2 => loop {
                        yield_now().await;
                    },
                    _ => {
                        std::future::poll_fn(|cx| {
                            wakers.lock().unwrap().push(cx.waker().clone());
                            Poll::<()>::Pending
                        })
                        .await;
                    }
                }
            }));
        }
        // Wake-ups go on all through the shutdown.
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let waking = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                let some: Vec<Waker> = wakers.lock().unwrap().clone();
                for waker in some {
                    waker.wake();
                }
            }
        });
        std::thread::sleep(Duration::from_millis(20));
        runtime.shutdown_timeout(Duration::from_secs(300)).expect("everything ends");
        assert_eq!(drops.get(), 3000);
        stop.store(true, Ordering::Release);
        waking.join().unwrap();
    });
}

#[test]
fn a_second_shutdown_and_a_late_spawn_are_answered() {
    on_each_driver(2, |setup| {
        let runtime = setup.shared();
        let handle = runtime.handle();
        let waiting = runtime.spawn(pending::<()>());
        runtime.shutdown_timeout(Duration::from_secs(300)).unwrap();
        runtime.shutdown_timeout(Duration::from_secs(300)).unwrap();
        let mut cx = std::task::Context::from_waker(Waker::noop());
        let mut waiting = std::pin::pin!(waiting);
        assert!(matches!(waiting.as_mut().poll(&mut cx), Poll::Ready(Err(e)) if e.is_cancelled()));
        let drops = DropCount::default();
        let guard = drops.guard();
        let late = handle.spawn(async move {
            let _guard = guard;
        });
        assert_eq!(drops.get(), 1, "the refused future is dropped at once");
        let mut late = std::pin::pin!(late);
        assert!(matches!(late.as_mut().poll(&mut cx), Poll::Ready(Err(e)) if e.is_cancelled()));
    });
}

#[test]
fn a_spawn_from_a_destructor_during_shutdown_is_refused_not_lost() {
    struct Spawns(Setup, DropCount);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let guard = self.1.guard();
            drop(self.0.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
        }
    }
    on_each(|setup| {
        let drops = DropCount::default();
        let seen = drops.clone();
        setup.run(async move {
            for _ in 0..100 {
                let spawns = Spawns(setup, seen.clone());
                drop(setup.spawn(async move {
                    let _spawns = spawns;
                    pending::<()>().await;
                }));
            }
            yield_now().await;
        });
        assert_eq!(drops.get(), 100);
    });
}

#[test]
fn a_poll_that_does_not_end_makes_shutdown_time_out() {
    watchdog("timeout", || {
        let runtime = Setup { driver: Driver::Auto, workers: 1 }.shared();
        let (held, release) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (started, go) = (Arc::clone(&held), Arc::clone(&release));
        drop(runtime.spawn(async move {
            started.store(false, Ordering::Release);
            while !go.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
        ouzel_tests::until(|| !held.load(Ordering::Acquire));
        assert!(runtime.shutdown_timeout(Duration::from_millis(20)).is_err());
        release.store(true, Ordering::Release);
        runtime.shutdown_timeout(Duration::from_secs(300)).expect("now it can end");
    });
}

#[test]
fn shutdown_from_a_worker_is_an_error_and_the_drop_there_detaches() {
    watchdog("own worker", || {
        let runtime = Arc::new(Setup { driver: Driver::Auto, workers: 1 }.shared());
        let inner = Arc::clone(&runtime);
        let task = runtime.spawn(async move { inner.shutdown_timeout(Duration::from_secs(1)).is_err() });
        assert!(runtime.block_on(task).unwrap());
        // The last reference goes away on the worker itself.
        let handle = runtime.handle();
        drop(handle.spawn(async move { drop(runtime) }));
    });
}

#[test]
fn blocking_jobs_still_queued_are_dropped_and_running_ones_awaited() {
    watchdog("blocking", || {
        let drops = DropCount::default();
        let runtime = Setup { driver: Driver::Auto, workers: 1 }.shared();
        for _ in 0..100 {
            let guard = drops.guard();
            drop(runtime.spawn_blocking(move || {
                let _guard = guard;
                std::thread::sleep(Duration::from_millis(1));
            }));
        }
        runtime.shutdown_timeout(Duration::from_secs(300)).unwrap();
        assert_eq!(drops.get(), 100);
    });
}

#[test]
fn a_handle_awaited_across_shutdown_says_cancelled() {
    watchdog("joiner", || {
        let runtime = Setup { driver: Driver::Auto, workers: 2 }.shared();
        let inner = runtime.spawn(pending::<()>());
        let outer = Setup { driver: Driver::Auto, workers: 1 }.shared();
        let joiner = outer.spawn(async move { inner.await.unwrap_err().is_cancelled() });
        std::thread::sleep(Duration::from_millis(5));
        runtime.shutdown_timeout(Duration::from_secs(300)).unwrap();
        assert!(outer.block_on(joiner).unwrap());
        let job = outer.block_on(async { spawn_blocking(|| 3).await.unwrap() });
        assert_eq!(job, 3);
        outer.block_on(async { spawn(async {}).await.unwrap() });
    });
}
