//! In steady state a spawn allocates nothing: counted by the global allocator, over all threads.
//!
//! One test, so that nothing else in this process allocates meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use ouzel::{LocalHandle, LocalRuntime, Runtime, yield_now};
use ouzel_tests::counting::{Counting, allocations};
use ouzel_tests::{until, watchdog};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const OUTSIDE: usize = 4;
const ROUNDS: usize = 2000;
/// Tasks of one thread that are out at a time.
const OUT: usize = 50;

/// `ROUNDS` tasks joined one by one, then so many in groups, then detached ones; each adds one to `done`.
async fn spawn_each_way(done: &'static AtomicUsize) {
    let count = async || done.fetch_add(1, Ordering::Relaxed);
    for _ in 0..ROUNDS {
        ouzel::spawn(count()).await.unwrap();
    }
    for _ in 0..ROUNDS / OUT {
        let group: [_; OUT] = std::array::from_fn(|_| ouzel::spawn(count()));
        for task in group {
            task.await.unwrap();
        }
    }
    for _ in 0..ROUNDS / OUT {
        let last = [(); OUT]
            .map(|()| ouzel::spawn_detached(async { _ = done.fetch_add(1, Ordering::Relaxed) }))
            .len();
        assert_eq!(last, OUT);
        ouzel::spawn(yield_now()).await.unwrap();
    }
}

/// Allocations between the two calls that each of four threads outside makes to what it is given: all wait there
/// for each other.
fn between(run: impl Fn(usize, &dyn Fn()) + Send + Clone + 'static) -> usize {
    let barrier = Arc::new(Barrier::new(OUTSIDE + 1));
    let threads: Vec<_> = (0..OUTSIDE)
        .map(|index| {
            let (barrier, run) = (Arc::clone(&barrier), run.clone());
            let meet = move || {
                barrier.wait();
                barrier.wait();
            };
            thread::spawn(move || run(index, &meet))
        })
        .collect();
    barrier.wait();
    let before = allocations();
    barrier.wait();
    barrier.wait();
    let counted = allocations() - before;
    barrier.wait();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    counted
}

fn on_a_runtime() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let runtime = Arc::new(Runtime::builder().worker_threads(2).build().unwrap());
    // A call of `block_on` makes a few things of its own; spawns are counted inside.
    let counted = runtime
        .block_on(runtime.spawn(async {
            spawn_each_way(&DONE).await;
            let before = allocations();
            spawn_each_way(&DONE).await;
            allocations() - before
        }))
        .unwrap();
    println!("on a worker: {counted} allocations for {} spawns", 3 * ROUNDS);
    assert_eq!(counted, 0, "on a worker");
    until(|| DONE.load(Ordering::Relaxed) == 6 * ROUNDS);

    let counted = between(move |_, meet| {
        runtime.block_on(async {
            spawn_each_way(&DONE).await;
            meet();
            spawn_each_way(&DONE).await;
            meet();
        });
    });
    println!("from {OUTSIDE} threads outside: {counted} allocations for {} spawns", OUTSIDE * 3 * ROUNDS);
    assert_eq!(counted, 0, "from outside");
}

fn on_a_local_runtime() {
    static DONE: [AtomicUsize; OUTSIDE] = [const { AtomicUsize::new(0) }; OUTSIDE];
    static INBOX_FULL: AtomicBool = AtomicBool::new(false);
    let (handles, handle) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let owner = thread::spawn(move || {
        let runtime = LocalRuntime::new().unwrap();
        let spawn = async || {
            for _ in 0..ROUNDS / OUT {
                let group: [_; OUT] = std::array::from_fn(|n| ouzel::spawn_local(async move { n }));
                for (n, task) in group.into_iter().enumerate() {
                    assert_eq!(task.await.unwrap(), n);
                }
            }
        };
        let counted = runtime.block_on(async {
            spawn().await;
            let before = allocations();
            spawn().await;
            allocations() - before
        });
        println!("on a local runtime: {counted} allocations for {ROUNDS} spawns");
        assert_eq!(counted, 0, "on a local runtime");
        handles.send(runtime.handle()).unwrap();
        // What all threads have out at a time fits in both of the inbox's lists and in the run queue.
        for _ in 0..2 {
            until(|| INBOX_FULL.swap(false, Ordering::Relaxed));
            while runtime.run_nowait(u32::MAX).unwrap().more {}
        }
        while ended.try_recv().is_err() {
            runtime.run_once(None).unwrap();
        }
    });
    let handle: LocalHandle = handle.recv().unwrap();
    let sender = handle.clone();
    // Sends as many as one thread has out at a time.
    let send = move |index: usize| {
        for _ in 0..OUT {
            let count = async move { _ = DONE[index].fetch_add(1, Ordering::Relaxed) };
            assert!(sender.spawn_send(count), "refused");
        }
    };
    for round in 1..=2 {
        (0..OUTSIDE).for_each(&send);
        INBOX_FULL.store(true, Ordering::Relaxed);
        until(|| DONE.iter().all(|done| done.load(Ordering::Relaxed) == round * OUT));
    }
    let counted = between(move |index, meet| {
        for _ in 0..2 {
            for _ in 0..ROUNDS / OUT {
                let before = DONE[index].load(Ordering::Relaxed);
                send(index);
                until(|| DONE[index].load(Ordering::Relaxed) == before + OUT);
            }
            meet();
        }
    });
    println!(
        "to a local runtime from {OUTSIDE} threads: {counted} allocations for {} spawns",
        OUTSIDE * ROUNDS
    );
    assert_eq!(counted, 0, "to a local runtime");
    end.send(()).unwrap();
    handle.notify();
    owner.join().unwrap();
}

#[test]
fn a_spawn_allocates_nothing_in_steady_state() {
    watchdog("allocs", || {
        on_a_runtime();
        on_a_local_runtime();
    });
}
