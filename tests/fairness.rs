//! Nobody starves: counted in polls, never in time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use ouzel::net::{TcpListener, TcpStream};
use ouzel::{Driver, spawn, yield_now};
use ouzel_tests::{Setup, on_each, on_each_driver, watchdog};

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

/// One of two tasks that wake each other for ever: each poll counts. At every 500th, the poll does not go on
/// until `inject` has, on another thread, put a task where the runtime takes it in; it notes the count.
struct Pair {
    polls: AtomicUsize,
    injected_at: AtomicUsize,
    stop: AtomicBool,
    wakers: [Mutex<Waker>; 2],
    asks: mpsc::Sender<()>,
    done: Mutex<mpsc::Receiver<()>>,
}

impl Pair {
    fn poll(&self, me: usize, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let polls = self.polls.fetch_add(1, Ordering::Relaxed) + 1;
        if polls.is_multiple_of(500) && self.injected_at.load(Ordering::Relaxed) == 0 {
            let answered = self.asks.send(()).is_ok() && self.done.lock().unwrap().recv().is_ok();
            if !answered {
                // Nobody asks any more: `stop` is about to be set.
                return Poll::Ready(());
            }
            self.injected_at.store(polls, Ordering::Relaxed);
        }
        self.wakers[me].lock().unwrap().clone_from(cx.waker());
        self.wakers[1 - me].lock().unwrap().wake_by_ref();
        if self.stop.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The most polls of the pair between a task's injection and its start, of `rounds`. `spawn` puts the pair on
/// the runtime's one thread, `inject` a task, from here.
fn worst_wait(rounds: usize, spawn: impl FnOnce(Arc<Pair>), inject: impl Fn(Probe)) -> usize {
    let ((asks, asked), (done, acknowledged)) = (mpsc::channel(), mpsc::channel());
    let pair = Arc::new(Pair {
        polls: AtomicUsize::new(0),
        injected_at: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        wakers: [Waker::noop().clone().into(), Waker::noop().clone().into()],
        asks,
        done: Mutex::new(acknowledged),
    });
    spawn(Arc::clone(&pair));
    let (waited, waits) = mpsc::channel();
    let mut worst = 0;
    for _ in 0..rounds {
        asked.recv().unwrap();
        inject(Probe { pair: Arc::clone(&pair), waited: waited.clone() });
        done.send(()).unwrap();
        worst = worst.max(waits.recv().unwrap());
    }
    pair.stop.store(true, Ordering::Relaxed);
    worst
}

/// The injected task: reports how many polls it had to wait.
struct Probe {
    pair: Arc<Pair>,
    waited: mpsc::Sender<usize>,
}

impl Probe {
    async fn run(self) {
        let injected_at = self.pair.injected_at.swap(0, Ordering::Relaxed);
        assert!(injected_at > 0, "the probe runs on the pair's thread, after the poll that waited for it");
        self.waited.send(self.pair.polls.load(Ordering::Relaxed) - injected_at).unwrap();
    }
}

#[test]
fn an_injected_task_starts_within_a_thousand_polls_of_a_ping_pong() {
    on_each_driver(1, |setup| {
        let runtime = setup.shared();
        let spawn = |pair: Arc<Pair>| {
            for me in 0..2 {
                let pair = Arc::clone(&pair);
                runtime.spawn_detached(std::future::poll_fn(move |cx| pair.poll(me, cx)));
            }
        };
        let worst = worst_wait(200, spawn, |probe| runtime.spawn_detached(probe.run()));
        println!("{setup:?}: {worst} polls at the most");
        assert!(worst <= 1000, "an injected task waited for {worst} polls of others");
    });
}

#[test]
fn a_task_sent_to_a_local_runtime_starts_within_a_thousand_polls_of_a_ping_pong() {
    on_each_driver(0, |setup| {
        let (handles, handle) = mpsc::channel();
        let (pairs, pair) = mpsc::channel::<Arc<Pair>>();
        let thread = std::thread::spawn(move || {
            let runtime = setup.local();
            handles.send(runtime.handle()).unwrap();
            let pair = pair.recv().unwrap();
            let other = Arc::clone(&pair);
            let other = runtime.spawn(std::future::poll_fn(move |cx| other.poll(1, cx)));
            runtime.block_on(std::future::poll_fn(move |cx| pair.poll(0, cx)));
            drop(other);
        });
        let handle = handle.recv().unwrap();
        let worst = worst_wait(
            200,
            |pair| pairs.send(pair).unwrap(),
            |probe| assert!(handle.spawn_send(probe.run()), "refused"),
        );
        thread.join().unwrap();
        println!("{setup:?}: {worst} polls at the most");
        assert!(worst <= 1000, "a task from outside waited for {worst} polls of others");
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
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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

/// What comes by other ways than a completion is seen although every look at the driver brings one: timers, what another thread
/// has done, tasks it has woken.
#[test]
fn timers_and_jobs_get_through_beside_a_connection_that_never_rests() {
    on_each(|setup| {
        setup.run(async move {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let echo = setup.spawn(async move {
                loop {
                    let (n, byte) = server.read(Vec::with_capacity(1)).await;
                    if n.unwrap() == 0 {
                        return;
                    }
                    server.write_all(byte).await.0.unwrap();
                }
            });
            let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&turns));
            let never_rests = setup.spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    client.write_all("x").await.0.unwrap();
                    assert_eq!(client.read(Vec::with_capacity(1)).await.0.unwrap(), 1);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            for _ in 0..10 {
                ouzel::time::sleep(Duration::from_millis(1)).await;
                ouzel::spawn_blocking(|| ()).await.unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            never_rests.await.unwrap();
            echo.await.unwrap();
            assert!(turns.load(Ordering::Relaxed) > 0, "nothing was beside it");
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
