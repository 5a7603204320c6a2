//! Results in the order of what they were made of, however long each takes.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ouzel::stream::ordered;
use ouzel::{spawn_blocking, spawn_local, timeout};
use ouzel_tests::{Setup, on_each, on_each_driver};

#[test]
fn results_come_in_order_and_within_the_limit() {
    fn order(setup: Setup) {
        setup.run(async {
            let under_way = Arc::new(AtomicUsize::new(0));
            let most = Arc::new(AtomicUsize::new(0));
            let mut stream = ordered(0..200u64, 7, |n| {
                let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
                most.fetch_max(under_way.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                ouzel::spawn(async move {
                    ouzel::sleep(Duration::from_micros(n * 37 % 300)).await;
                    n
                })
            });
            for n in 0..200 {
                assert_eq!(stream.next().await.unwrap().unwrap(), n);
                under_way.fetch_sub(1, Ordering::Relaxed);
            }
            assert!(stream.next().await.is_none() && stream.next().await.is_none());
            assert_eq!(most.load(Ordering::Relaxed), 7);
        });
    }
    on_each_driver(1, order);
    on_each_driver(2, order);
}

#[test]
fn local_tasks_and_blocking_jobs_are_started_too() {
    fn both(setup: Setup) {
        setup.run(async {
            let mut jobs = ordered(0..50, 4, |n| spawn_blocking(move || n));
            for n in 0..50 {
                assert_eq!(jobs.next().await.unwrap().unwrap(), n);
            }
            if setup.workers == 0 {
                let mut tasks = ordered(0..50, 4, |n| spawn_local(async move { n }));
                for n in 0..50 {
                    assert_eq!(tasks.next().await.unwrap().unwrap(), n);
                }
            }
        });
    }
    on_each(both);
}

#[test]
fn a_wait_given_up_loses_nothing() {
    fn given_up(setup: Setup) {
        setup.run(async {
            let mut stream = ordered(0..3, 2, |n| {
                ouzel::spawn(async move {
                    ouzel::sleep(Duration::from_millis(20)).await;
                    n
                })
            });
            let mut results = Vec::new();
            while results.len() < 3 {
                if let Ok(Some(n)) = timeout(Duration::from_millis(1), stream.next()).await {
                    results.push(n.unwrap());
                }
            }
            assert_eq!(results, [0, 1, 2]);
        });
    }
    on_each_driver(1, given_up);
}

/// Counts itself down when it is dropped.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_dropped_stream_ends_what_it_has_started() {
    fn dropped(setup: Setup) {
        setup.run(async {
            let alive = Arc::new(AtomicUsize::new(0));
            let mut stream = ordered(0..100, 10, |n| {
                alive.fetch_add(1, Ordering::Relaxed);
                let alive = Alive(Arc::clone(&alive));
                ouzel::spawn(async move {
                    let _alive = alive;
                    if n > 0 {
                        pending::<()>().await;
                    }
                })
            });
            stream.next().await.unwrap().unwrap();
            assert_eq!(stream.in_flight(), 9);
            drop(stream);
            while alive.load(Ordering::Relaxed) > 0 {
                ouzel::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    on_each_driver(2, dropped);
}

#[test]
fn a_panic_is_one_result() {
    fn panics(setup: Setup) {
        setup.run(async {
            let mut stream = ordered(0..3, 3, |n| ouzel::spawn(async move { assert!(n != 1, "planted") }));
            let mut good = Vec::new();
            while let Some(result) = stream.next().await {
                good.push(result.is_ok());
            }
            assert_eq!(good, [true, false, true]);
        });
    }
    on_each_driver(1, panics);
}

#[test]
fn items_are_asked_for_when_there_is_room() {
    fn asked(setup: Setup) {
        setup.run(async {
            let asked = Rc::new(Cell::new(0));
            let items = (0..100).inspect(|_| asked.set(asked.get() + 1));
            let mut stream = ordered(items, 3, |n| ouzel::spawn(async move { n }));
            assert_eq!(asked.get(), 0, "nothing before somebody waits");
            stream.next().await.unwrap().unwrap();
            assert_eq!(asked.get(), 3);
            stream.set_limit(5);
            stream.next().await.unwrap().unwrap();
            assert_eq!(asked.get(), 6, "one handed out, and five under way when the next was waited for");
        });
    }
    on_each_driver(1, asked);
}
