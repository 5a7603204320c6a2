//! The blocking pool as a runtime has it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle, available_parallelism};
use std::time::Duration;

use ouzel::{BlockingConfig, Driver, LocalRuntime, Runtime};
use ouzel_tests::{until, watchdog};

fn processors() -> u64 {
    available_parallelism().map_or(1, |n| n.get() as u64)
}

#[test]
fn a_hundred_jobs_that_each_wait_for_the_next_one_all_end() {
    watchdog("a chain of jobs", || {
        let runtime = Runtime::builder().worker_threads(1).build().unwrap();
        let (signals, waits): (Vec<_>, Vec<_>) = (0..=100).map(|_| mpsc::channel::<u32>()).unzip();
        let mut waits = waits.into_iter();
        let first = waits.next().unwrap();
        let jobs: Vec<_> = signals
            .into_iter()
            .map(|signal| {
                let wait = waits.next();
                runtime.spawn_blocking(move || {
                    let behind = wait.map_or(0, |wait| wait.recv().unwrap());
                    signal.send(behind + 1).unwrap();
                })
            })
            .collect();
        assert_eq!(first.recv().unwrap(), 101);
        runtime.block_on(async move {
            for job in jobs {
                job.await.unwrap();
            }
        });
        // A thread counts a job after it has told the job's handle.
        until(|| runtime.metrics().blocking_completed == 101);
        let metrics = runtime.metrics();
        assert!(metrics.blocking_peak_threads >= 101 && metrics.blocking_stalls > 0, "{metrics:?}");
    });
}

#[test]
fn ten_thousand_short_jobs_need_no_more_threads_than_processors() {
    watchdog("short jobs", || {
        // However busy the machine is with other things, nobody takes that for a stall.
        let patient = BlockingConfig { stall: Duration::from_secs(3600), ..BlockingConfig::default() };
        let runtime = Runtime::builder().worker_threads(1).blocking(patient).build().unwrap();
        let jobs: Vec<_> = (0..10_000u64).map(|n| runtime.spawn_blocking(move || n)).collect();
        let sum = runtime.block_on(async move {
            let mut sum = 0;
            for job in jobs {
                sum += job.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 10_000 * 9_999 / 2);
        until(|| runtime.metrics().blocking_completed == 10_000);
        let metrics = runtime.metrics();
        assert!(metrics.blocking_peak_threads <= processors(), "{metrics:?}");
        until(|| runtime.metrics().blocking_idle == runtime.metrics().blocking_threads);
    });
}

#[test]
fn a_local_runtime_has_one_too_and_threads_beyond_the_core_end() {
    watchdog("a local runtime's pool", || {
        let config = BlockingConfig {
            core_threads: 1,
            max_threads: 3,
            stall: Duration::from_millis(1),
            keep_alive: Duration::from_millis(5),
        };
        let runtime = Runtime::builder().blocking(config).build_local().unwrap();
        assert_eq!(runtime.metrics().blocking_peak_threads, 0, "none before it is used");
        let (release, released): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<()>()).unzip();
        let jobs: Vec<_> = released
            .into_iter()
            .map(|released| runtime.spawn_blocking(move || released.recv().unwrap_err()))
            .collect();
        until(|| runtime.metrics().blocking_threads == 3 && runtime.metrics().blocking_queued == 1);
        drop(release);
        runtime.block_on(async move {
            for job in jobs {
                job.await.unwrap();
            }
        });
        until(|| runtime.metrics().blocking_threads == 1);
        assert_eq!(runtime.metrics().blocking_peak_threads, 3);
    });
}

#[test]
fn a_job_that_is_not_taken_says_why_and_comes_back() {
    static NO_THREAD: AtomicBool = AtomicBool::new(true);
    fn start(builder: Builder, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        if NO_THREAD.load(Ordering::Relaxed) {
            Err(io::Error::from_raw_os_error(libc::EAGAIN))
        } else {
            builder.spawn(body)
        }
    }
    watchdog("jobs that are not taken", || {
        // The portable driver's files are jobs, too.
        let builder = LocalRuntime::builder().driver(Driver::Poll).start_blocking_threads(start);
        let local = builder.build_local().unwrap();
        let shared = Runtime::builder().worker_threads(1).start_blocking_threads(start).build().unwrap();
        let (why, job) = local.try_spawn_blocking(|| 3).unwrap_err();
        assert_eq!((why.raw_os_error(), job()), (Some(libc::EAGAIN), 3));
        let (why, job) = shared.handle().try_spawn_blocking(|| 4).unwrap_err();
        assert_eq!((why.raw_os_error(), job()), (Some(libc::EAGAIN), 4));
        let open = || local.block_on(ouzel::fs::File::open("/dev/null"));
        assert_eq!(open().unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        NO_THREAD.store(false, Ordering::Relaxed);
        open().unwrap();
        assert_eq!(
            local.block_on(local.try_spawn_blocking(|| 5).unwrap_or_else(|(e, _)| panic!("{e}"))).unwrap(),
            5
        );
        assert!(local.shutdown_blocking(None) && local.metrics().blocking_threads == 0);
        let (why, _) = local.try_spawn_blocking(|| 6).unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::Other);
        assert_eq!(open().unwrap_err().raw_os_error(), Some(libc::ECANCELED), "there is no pool any more");
    });
}

#[test]
fn the_end_of_the_pool_is_waited_for_as_long_as_asked() {
    watchdog("the pool's end", || {
        let runtime = LocalRuntime::new().unwrap();
        assert!(runtime.shutdown_blocking(None), "there is none");
        let runtime = LocalRuntime::new().unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel();
        let job = runtime.spawn_blocking(move || {
            begun.send(()).unwrap();
            may_end.recv().unwrap()
        });
        has_begun.recv().unwrap();
        assert!(!runtime.shutdown_blocking(Some(Duration::from_millis(5))));
        end.send(7).unwrap();
        assert!(runtime.shutdown_blocking(None));
        assert_eq!(runtime.block_on(job).unwrap(), 7);
    });
}
