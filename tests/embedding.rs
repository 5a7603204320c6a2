//! The core inside a loop that somebody else owns: a hand-written epoll loop, through the core's public traits
//! and through the facade. Threads outside wake a hundred thousand tasks.
//!
//! | promise | how it is held to it |
//! |---|---|
//! | no wake-up is lost | every task passes every gate; a lost one would hang, which the watchdog ends |
//! | no busy loop | polls and turns are counted: no more polls than starts and wake-ups, no more idle turns than bells |
//!
//! The same inside a task of another runtime: `benches/tests/embedding.rs`.

#[path = "embedding/crowd.rs"]
mod crowd;
#[path = "embedding/epoll.rs"]
mod epoll;

use std::sync::Arc;
use std::time::Duration;

use crowd::{Crowd, Then, Turns};
use epoll::{Bell, Epoll};
use ouzel_core::local::LocalExecutor;
use ouzel_core::park::ParkWord;
use ouzel_core::sched::{Seat, Shared, Worker};
use ouzel_core::slab::Pages;
use ouzel_tests::{Setup, drivers, watchdog};

const TASKS: usize = 100_000;
/// Polls a turn may make.
const POLLS: u32 = 256;

/// The executor with the loop's driver, and how the loop is woken.
fn executor() -> (LocalExecutor<Epoll>, Arc<Bell>) {
    let epoll = Epoll::new().unwrap();
    let bell = epoll.bell();
    (LocalExecutor::new(epoll, Arc::new(ParkWord::new()), Arc::clone(&bell) as _), bell)
}

#[test]
fn an_epoll_loop_drives_the_core_turn_by_turn() {
    watchdog("turn by turn", || {
        let (ex, bell) = executor();
        let (crowd, threads) = Crowd::gather(TASKS, |task| ex.spawn(task).detach());
        let mut turns = Turns::default();
        loop {
            let tick = ex.run_nowait(POLLS).unwrap();
            match turns.count(tick.polled, tick.more, ex.live_tasks()) {
                Then::End => break,
                Then::Again => {}
                Then::Wait => {
                    if ex.begin_wait() {
                        turns.waits += 1;
                        ex.with_driver(|epoll| epoll.wait(None)).unwrap();
                    }
                    ex.end_wait();
                }
            }
        }
        threads.into_iter().for_each(|t| t.join().unwrap());
        crowd.assert_done(ex.metrics().polls);
        turns.assert_not_busy(bell.rung());
    });
}

#[test]
fn an_epoll_loop_is_where_the_core_sleeps() {
    watchdog("block_on", || {
        let (ex, bell) = executor();
        let mut tasks = Vec::new();
        let (crowd, threads) = Crowd::gather(TASKS, |task| tasks.push(ex.spawn(task)));
        ex.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        threads.into_iter().for_each(|t| t.join().unwrap());
        let metrics = ex.metrics();
        // The root is polled once to begin with, and at most once for each task that it joins.
        crowd.assert_done_beside(metrics.polls, 1 + TASKS as u64);
        let waits = ex.with_driver(|epoll| epoll.waits());
        println!("{waits} waits, {} parks, {} bells", metrics.parks, bell.rung());
        assert_eq!(waits, metrics.parks, "every sleep is one wait");
        // A sleep ends by a bell, and each bell ends at most two: the one it was rung for, or the next.
        assert!(waits <= 2 * bell.rung() + 1, "{waits} sleeps, {} bells", bell.rung());
    });
}

#[test]
fn two_epoll_loops_are_workers_of_one_scheduler() {
    watchdog("workers", || {
        let (seats, seated) = std::sync::mpsc::channel();
        let threads: Vec<_> = (0..2)
            .map(|index| {
                let seats = seats.clone();
                std::thread::spawn(move || {
                    let epoll = Epoll::new().unwrap();
                    let seat = Seat { park: Arc::new(ParkWord::new()), unpark: epoll.bell() };
                    let (shared, begin) = std::sync::mpsc::channel::<Arc<Shared>>();
                    seats.send((index, seat, epoll.bell(), shared)).unwrap();
                    Worker::new(begin.recv().unwrap(), index, epoll).run().waits()
                })
            })
            .collect();
        let mut seated: Vec<_> = seated.iter().take(2).collect();
        seated.sort_by_key(|(index, ..)| *index);
        let shared = Shared::new(seated.iter().map(|(_, seat, ..)| seat.clone()), None, Pages::HEAP);
        for (.., begin) in &seated {
            begin.send(Arc::clone(&shared)).unwrap();
        }
        let (crowd, outside) = Crowd::gather(TASKS, |task| shared.spawn_detached(task).ok().unwrap());
        crowd.wait_until_done();
        outside.into_iter().for_each(|t| t.join().unwrap());
        shared.close();
        let waits: u64 = threads.into_iter().map(|t| t.join().unwrap()).sum();
        let metrics = shared.metrics();
        crowd.assert_done(metrics.polls);
        println!("{waits} waits, {} parks", metrics.parks);
        // Beside its parks, each worker waits a few times for the shutdown to end.
        assert!(waits <= metrics.parks + 8, "{waits} waits, {} parks", metrics.parks);
    });
}

/// The facade's runtime, whose own driver (io_uring, epoll or poll) shows on one descriptor.
#[test]
fn an_epoll_loop_drives_the_facade_by_its_descriptor() {
    for driver in drivers() {
        watchdog(driver.name(), move || {
            let runtime = Setup { driver, workers: 0 }.local();
            let mut epoll = Epoll::new().unwrap();
            let Some(fd) = runtime.backend_fd() else {
                println!("{driver} has no descriptor to wait on");
                return;
            };
            epoll.watch(fd).unwrap();
            drop(runtime.spawn(async { ouzel::sleep(Duration::from_millis(1)).await }));
            let (crowd, threads) = Crowd::gather(TASKS, |task| drop(runtime.spawn(task)));
            let mut turns = Turns::default();
            loop {
                let tick = runtime.run_nowait(POLLS).unwrap();
                match turns.count(tick.polled, tick.more, runtime.live_tasks()) {
                    Then::End => break,
                    Then::Wait if !runtime.before_wait() => {
                        turns.waits += 1;
                        epoll.wait(runtime.next_timeout()).unwrap();
                    }
                    Then::Again | Then::Wait => {}
                }
            }
            threads.into_iter().for_each(|t| t.join().unwrap());
            // The sleep: one poll to begin it, one when it is over.
            crowd.assert_done_beside(runtime.metrics().polls, 2);
            turns.assert_mostly_of_use();
        });
    }
}
