//! The blocking pool as a runtime has it.

use std::sync::mpsc;
use std::thread::available_parallelism;
use std::time::Duration;

use ouzel::{BlockingConfig, Runtime};
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
