//! Behaviour of the pool. Nothing here measures time; a watchdog ends what hangs.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::threads::Periods;
use super::*;

const LONG: Duration = Duration::from_secs(3600);

fn config(core_threads: usize, max_threads: usize) -> BlockingConfig {
    BlockingConfig { core_threads, max_threads, stall: Duration::from_millis(1), keep_alive: LONG }
}

/// Ends the process if `body` hangs.
fn watchdog(body: impl FnOnce()) {
    let (done, over) = mpsc::channel::<()>();
    let name = thread::current().name().map(String::from);
    thread::spawn(move || {
        if over.recv_timeout(Duration::from_secs(600)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name:?} hangs");
            std::process::abort();
        }
    });
    body();
    drop(done);
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A job that runs until the sender is used or dropped, and a way to know that it has begun.
fn blocker(pool: &BlockingPool) -> (mpsc::Sender<()>, BlockingHandle<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let handle = pool.spawn(move || {
        begin.send(()).unwrap();
        let _ = released.recv();
    });
    begun.recv().unwrap();
    (release, handle)
}

fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_job_gives_its_result() {
    watchdog(|| {
        let pool = BlockingPool::new(config(2, 4));
        assert_eq!(pool.metrics(), BlockingMetrics::default(), "no thread before the first job");
        let text = String::from("owned");
        assert_eq!(block_on(pool.spawn(move || text + " and back")).unwrap(), "owned and back");
        assert_eq!(pool.metrics().threads, 1);
        assert!(!pool.inner.lock().watching, "nothing waited, so nobody watches");
        assert!(pool.shutdown(None));
        assert_eq!(pool.metrics().completed, 1);
    });
}

#[test]
fn jobs_that_wait_for_the_next_one_make_the_pool_grow() {
    watchdog(|| {
        let pool = BlockingPool::new(config(2, 512));
        let (signals, waits): (Vec<_>, Vec<_>) = (0..=100).map(|_| mpsc::channel::<u32>()).unzip();
        let mut waits = waits.into_iter();
        let first = waits.next().unwrap();
        // Each job waits for the one that is queued behind it; the last one waits for nobody.
        let jobs: Vec<_> = signals
            .into_iter()
            .map(|signal| {
                let wait = waits.next();
                pool.spawn(move || {
                    let behind = wait.map_or(0, |wait| wait.recv().unwrap());
                    signal.send(behind + 1).unwrap();
                })
            })
            .collect();
        assert_eq!(first.recv().unwrap(), 101);
        jobs.into_iter().for_each(|job| block_on(job).unwrap());
        let metrics = pool.metrics();
        assert!(metrics.peak_threads == 101 && metrics.stalls >= 99, "{metrics:?}");
        assert!(pool.shutdown(None));
    });
}

#[test]
fn the_pool_never_grows_beyond_its_cap() {
    watchdog(|| {
        let pool = BlockingPool::new(config(1, 3));
        let release: Vec<_> = (0..3).map(|_| blocker(&pool)).collect();
        let queued = pool.spawn(|| 5);
        assert_eq!(pool.metrics().threads, 3);
        drop(release);
        assert_eq!(block_on(queued).unwrap(), 5);
        assert_eq!(pool.metrics().peak_threads, 3);
    });
}

#[test]
fn short_jobs_do_not_make_the_pool_grow() {
    watchdog(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // No period ends here, however slow the machine.
        let pool = BlockingPool::new(BlockingConfig { stall: LONG, ..BlockingConfig::default() });
        let ran = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..10_000)
            .map(|_| {
                let ran = Arc::clone(&ran);
                pool.spawn(move || ran.fetch_add(1, Ordering::Relaxed))
            })
            .collect();
        for job in jobs {
            block_on(job).unwrap();
        }
        assert_eq!(ran.load(Ordering::Relaxed), 10_000);
        let metrics = pool.metrics();
        assert!(metrics.peak_threads <= cores, "{metrics:?}");
    });
}

#[test]
fn a_long_queue_that_moves_is_no_stall() {
    let (stall, mut periods) = (Duration::from_millis(10), Periods::default());
    for took in [stall, stall * 2, stall * 100] {
        assert!(!periods.is_stall(false, took, stall));
        assert!(periods.is_stall(true, stall, stall));
    }
    watchdog(|| {
        let pool = BlockingPool::new(BlockingConfig { stall: LONG, ..config(1, 8) });
        let jobs: Vec<_> = (0..75).map(|_| pool.spawn(|| ())).collect();
        jobs.into_iter().for_each(|job| block_on(job).unwrap());
        assert!(pool.shutdown(None));
        assert_eq!(pool.inner.lock().progress, 2 * 75, "each began, and ended");
        assert_eq!(pool.metrics().peak_threads, 1);
    });
}

#[test]
fn a_watcher_that_was_not_run_in_time_blames_the_machine_a_few_times() {
    let (stall, mut periods) = (Duration::from_millis(10), Periods::default());
    let late = stall * 2 + Duration::from_nanos(1);
    for _ in 0..3 {
        for _ in 0..4 {
            assert!(!periods.is_stall(true, late, stall));
        }
        assert!(periods.is_stall(true, late, stall));
    }
    // Not in a row.
    for _ in 0..10 {
        assert!(!periods.is_stall(true, late, stall));
        assert!(!periods.is_stall(false, late, stall));
    }
}

#[test]
fn one_job_needs_one_thread() {
    watchdog(|| {
        let pool = BlockingPool::new(BlockingConfig { stall: LONG, ..config(1, 512) });
        for n in 0..100 {
            assert_eq!(block_on(pool.spawn(move || n)).unwrap(), n);
        }
        assert_eq!(pool.metrics().peak_threads, 1);
    });
}

#[test]
fn threads_beyond_the_core_end_when_idle() {
    watchdog(|| {
        let keep_alive = Duration::from_millis(5);
        let pool = BlockingPool::new(BlockingConfig { keep_alive, ..config(2, 8) });
        let held: Vec<_> = (0..8).map(|_| blocker(&pool)).collect();
        drop(held);
        until(|| pool.metrics().threads == 2 && pool.metrics().idle == 2);
        until(|| pool.inner.lock().handles.len() == 2 && !pool.inner.lock().watching);
        assert_eq!(pool.metrics().peak_threads, 8);
        assert_eq!(block_on(pool.spawn(|| 1)).unwrap(), 1, "it still works");
        assert!(pool.shutdown(None));
    });
}

#[test]
fn a_panic_reaches_the_handle_and_not_the_thread() {
    watchdog(|| {
        let pool = BlockingPool::new(config(1, 1));
        let error = block_on(pool.spawn(|| -> u8 { panic!("in a job") })).unwrap_err();
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "in a job");
        pool.runner().run(Box::new(|| panic!("in a job nobody waits for"))).unwrap();
        assert_eq!(block_on(pool.spawn(|| 2)).unwrap(), 2);
        assert_eq!(pool.metrics().peak_threads, 1);
    });
}

/// Panics when dropped, unless a panic is under way.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("in a destructor");
        }
    }
}

#[test]
fn panicking_destructors_leave_the_pool_whole() {
    watchdog(|| {
        let pool = BlockingPool::new(config(1, 1));
        // The handle goes first, or the result would be dropped here.
        let (release, _running) = blocker(&pool);
        drop(pool.spawn(|| Bomb));
        drop(release);
        let error = block_on(pool.spawn(|| -> u8 { std::panic::panic_any(Bomb) })).unwrap_err();
        // Not into the test: the payload is a bomb as well.
        std::mem::forget(error);
        pool.runner().run(Box::new(|| std::panic::panic_any(Bomb))).unwrap();
        let (release, _running) = blocker(&pool);
        let bomb = Bomb;
        let queued = pool.spawn(move || drop(bomb));
        assert!(queued.abort());
        assert!(block_on(queued).unwrap_err().is_cancelled());
        drop(release);
        assert_eq!(block_on(pool.spawn(|| 3)).unwrap(), 3);
    });
}

#[test]
fn shutdown_cancels_what_waits_and_waits_for_what_runs() {
    watchdog(|| {
        let pool = BlockingPool::new(config(1, 1));
        let (release, running) = blocker(&pool);
        let token = Arc::new(());
        let in_job = Arc::clone(&token);
        let queued = pool.spawn(move || drop(in_job));
        let silent = Arc::clone(&token);
        pool.runner().run(Box::new(move || drop(silent))).unwrap();
        assert_eq!(pool.metrics().queued, 2);

        assert!(!pool.shutdown(Some(Duration::ZERO)), "a job still runs");
        assert!(block_on(queued).unwrap_err().is_cancelled());
        assert_eq!(Arc::strong_count(&token), 1, "closures of cancelled jobs are dropped");
        assert!(!running.is_finished());

        assert!(block_on(pool.spawn(|| ())).unwrap_err().is_cancelled());
        let refused = pool.runner().run(Box::new(|| ())).unwrap_err();
        assert!(matches!(refused.why, Refusal::Closed));

        drop(release);
        assert!(pool.shutdown(None));
        block_on(running).unwrap();
        let metrics = pool.metrics();
        assert_eq!((metrics.threads, metrics.queued, metrics.completed), (0, 0, 1));
        assert!(pool.shutdown(Some(Duration::MAX)), "idempotent");
    });
}

#[test]
fn a_job_that_shuts_its_own_pool_down_does_not_wait_for_itself() {
    watchdog(|| {
        let pool = Arc::new(BlockingPool::new(config(2, 2)));
        let inner = Arc::clone(&pool);
        let said = pool.spawn(move || inner.shutdown(None));
        assert!(!block_on(said).unwrap());
        assert!(pool.shutdown(None));
    });
}

#[test]
fn a_dropped_pool_cancels_what_waits() {
    watchdog(|| {
        let pool = BlockingPool::new(config(1, 1));
        let (release, running) = blocker(&pool);
        let queued = pool.spawn(|| ());
        drop(pool);
        assert!(block_on(queued).unwrap_err().is_cancelled());
        drop(release);
        block_on(running).unwrap();
    });
}

#[test]
fn abort_removes_a_queued_job_and_leaves_a_running_one() {
    watchdog(|| {
        let pool = BlockingPool::new(config(1, 1));
        let (release, running) = blocker(&pool);
        let ran = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ran);
        let queued = pool.spawn(move || flag.store(true, Ordering::Relaxed));
        let after = pool.spawn(|| 9);
        assert_eq!(pool.metrics().queued, 2);
        assert!(queued.abort() && !queued.abort());
        assert_eq!((pool.metrics().queued, Arc::strong_count(&ran)), (1, 1));
        assert!(!running.abort());
        drop(release);
        assert!(block_on(queued).unwrap_err().is_cancelled());
        assert_eq!(block_on(after).unwrap(), 9);
        block_on(running).unwrap();
        assert!(!ran.load(Ordering::Relaxed));
    });
}

#[test]
fn a_dropped_handle_lets_its_job_run_and_lets_its_waker_go() {
    watchdog(|| {
        let pool = BlockingPool::new(config(1, 1));
        let (release, mut running) = blocker(&pool);
        let unpark = Arc::new(Unpark(thread::current()));
        let waker = Waker::from(Arc::clone(&unpark));
        assert!(pin!(&mut running).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&unpark), 2);
        drop(running);
        assert_eq!(Arc::strong_count(&unpark), 1);
        drop(release);
        until(|| pool.metrics().completed == 1);
    });
}

static REFUSE: AtomicBool = AtomicBool::new(false);

fn moody(builder: thread::Builder, body: Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>> {
    if REFUSE.load(Ordering::Relaxed) { Err(io::ErrorKind::WouldBlock.into()) } else { builder.spawn(body) }
}

#[test]
fn a_pool_that_gets_no_thread_gives_the_job_back_and_with_one_keeps_it() {
    watchdog(|| {
        REFUSE.store(true, Ordering::Relaxed);
        let pool = BlockingPool::with_start(config(2, 4), moody);
        let rejected = pool.try_spawn(|| 4).unwrap_err();
        assert!(matches!(rejected.why, Refusal::NoThread(_)));
        assert_eq!((rejected.job)(), 4, "the closure came back whole");
        assert!(block_on(pool.spawn(|| 4)).unwrap_err().is_cancelled());
        let rejected = pool.runner().run(Box::new(|| ())).unwrap_err();
        assert_eq!(io::Error::from(rejected).kind(), io::ErrorKind::WouldBlock);
        assert_eq!(pool.metrics(), BlockingMetrics::default());

        REFUSE.store(false, Ordering::Relaxed);
        let (release, running) = blocker(&pool);
        REFUSE.store(true, Ordering::Relaxed);
        let queued = pool.try_spawn(|| 5).unwrap();
        assert_eq!((pool.metrics().threads, pool.metrics().queued), (1, 1));
        // The one thread takes it when it is free.
        drop(release);
        assert_eq!(block_on(queued).unwrap(), 5);
        block_on(running).unwrap();

        REFUSE.store(false, Ordering::Relaxed);
        assert_eq!(block_on(pool.spawn(|| 6)).unwrap(), 6);
        assert!(pool.shutdown(None));
    });
}
