//! Nobody starves: counted in polls, never in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use ouzel::net::{TcpListener, TcpStream};
use ouzel::{Driver, spawn, yield_now};
use ouzel_tests::{Setup, on_each, on_each_driver, until, watchdog};

/// Two tasks that wake each other for ever, and count.
fn ping_pong(runtime: &ouzel::Runtime, stop: &Arc<AtomicBool>) -> Arc<AtomicUsize> {
    let polls = Arc::new(AtomicUsize::new(0));
    let wakers: Arc<[std::sync::Mutex<Waker>; 2]> =
        Arc::new([Waker::noop().clone().into(), Waker::noop().clone().into()]);
    for me in 0..2 {
        let (polls, stop, wakers) = (Arc::clone(&polls), Arc::clone(stop), Arc::clone(&wakers));
        drop(runtime.spawn(std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            wakers[me].lock().unwrap().clone_from(cx.waker());
            wakers[1 - me].lock().unwrap().wake_by_ref();
            if stop.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })));
    }
    polls
}

#[test]
fn an_injected_task_runs_beside_a_ping_pong_that_never_ends() {
    on_each_driver(1, |setup| {
        let runtime = setup.shared();
        let stop = Arc::new(AtomicBool::new(false));
        let polls = ping_pong(&runtime, &stop);
        until(|| polls.load(Ordering::Relaxed) > 1000);
        for _ in 0..10 {
            let polls = Arc::clone(&polls);
            let before = polls.load(Ordering::Relaxed);
            let at = runtime.block_on(runtime.spawn(async move { polls.load(Ordering::Relaxed) })).unwrap();
            // The outside thread may be slow to push, so the count is a floor for a stuck queue, not a clock.
            assert!(at >= before);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_task_from_its_own_worker_runs_beside_a_ping_pong_within_a_bounded_number_of_polls() {
    watchdog("own worker", || {
        let runtime = Setup { driver: Driver::Auto, workers: 1 }.shared();
        let stop = Arc::new(AtomicBool::new(false));
        let polls = ping_pong(&runtime, &stop);
        let counted = Arc::clone(&polls);
        let worst = runtime.block_on(runtime.spawn(async move {
            let mut worst = 0;
            for _ in 0..100 {
                let before = counted.load(Ordering::Relaxed);
                let counted = Arc::clone(&counted);
                let at = spawn(async move { counted.load(Ordering::Relaxed) }).await.unwrap();
                worst = worst.max(at - before);
                yield_now().await;
            }
            worst
        }));
        stop.store(true, Ordering::Relaxed);
        let worst = worst.unwrap();
        assert!(worst <= 1000, "a task waited for {worst} polls of others");
    });
}

#[test]
fn a_task_whose_operations_are_always_ready_lets_others_run() {
    on_each(|setup| {
        setup.run(async move {
            // Writes to a pipe's worth of sockets complete at once; without a budget this task never yields.
            let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = Arc::clone(&stop);
            let busy = setup.spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    client.write("x").await.0.unwrap();
                    let (n, _) = server.read(Vec::with_capacity(64)).await;
                    n.unwrap();
                }
            });
            setup.spawn(async move { stop.store(true, Ordering::Relaxed) }).await.unwrap();
            busy.await.unwrap();
        });
    });
}

#[test]
fn a_long_poll_does_not_strand_the_tasks_it_spawned() {
    on_each_driver(2, |setup| {
        let runtime = setup.shared();
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        // The spawner keeps its worker busy until its children have run: they must get away to the other.
        let parent = runtime.spawn(async move {
            for _ in 0..8 {
                let count = Arc::clone(&count);
                spawn(async move { count.fetch_add(1, Ordering::Release) }).detach();
            }
            while count.load(Ordering::Acquire) < 8 {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        runtime.block_on(parent).unwrap();
        assert_eq!(done.load(Ordering::Acquire), 8);
    });
}

#[test]
fn a_single_task_behind_a_long_poll_is_rescued_too() {
    on_each_driver(2, |setup| {
        let runtime = setup.shared();
        let parent = runtime.spawn(async move {
            let ran = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&ran);
            spawn(async move { flag.store(true, Ordering::Release) }).detach();
            while !ran.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        runtime.block_on(parent).unwrap();
    });
}
