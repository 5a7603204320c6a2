//! Blocking jobs that borrow from the thread that waits for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ouzel::{BlockingConfig, Runtime, blocking_scope};
use ouzel_tests::{Setup, on_each, watchdog};

fn runtime(threads: usize) -> Runtime {
    let blocking =
        BlockingConfig { core_threads: threads, max_threads: threads, ..BlockingConfig::default() };
    Runtime::builder().worker_threads(1).blocking(blocking).build().unwrap()
}

#[test]
fn jobs_borrow_what_outlives_the_scope() {
    fn borrows(setup: Setup) {
        setup.run(async {
            let words: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
            let mut lengths = vec![0; words.len()];
            let said = blocking_scope(|scope| {
                for (word, length) in words.iter().zip(&mut lengths) {
                    scope.spawn(|| *length = word.len());
                }
                "done"
            });
            assert_eq!((said, lengths.iter().sum::<usize>()), ("done", 2890));
        });
    }
    on_each(borrows);
}

#[test]
fn jobs_start_jobs() {
    watchdog("jobs of jobs", || {
        let count = AtomicUsize::new(0);
        runtime(2).blocking_scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        scope.spawn(|| {
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 100);
    });
}

/// The pool's one thread is busy until the scope is over.
#[test]
fn a_scope_ends_without_the_pools_help() {
    watchdog("a busy pool", || {
        let runtime = runtime(1);
        let (go_on, wait) = mpsc::channel::<()>();
        let busy = runtime.spawn_blocking(move || wait.recv());
        let mut done = [false; 50];
        runtime.blocking_scope(|scope| done.iter_mut().for_each(|done| scope.spawn(|| *done = true)));
        assert!(done.iter().all(|done| *done));
        go_on.send(()).unwrap();
        runtime.block_on(busy).unwrap().unwrap();
    });
}

#[test]
fn a_panic_waits_for_the_other_jobs() {
    watchdog("a panic", || {
        let runtime = runtime(2);
        for in_job in [true, false] {
            let count = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                runtime.blocking_scope(|scope| {
                    for n in 0..20 {
                        let count = &count;
                        scope.spawn(move || {
                            std::thread::sleep(Duration::from_millis(1));
                            count.fetch_add(1, Ordering::Relaxed);
                            assert!(!in_job || n % 7 != 3, "planted");
                        });
                    }
                    assert!(in_job, "planted");
                });
            }));
            let said = result.unwrap_err();
            assert_eq!(said.downcast_ref::<&str>(), Some(&"planted"));
            assert_eq!(count.load(Ordering::Relaxed), 20);
        }
        runtime.blocking_scope(|scope| scope.spawn(|| ()));
    });
}
