//! Sleeps in one thread, their driver in another.

use super::super::{Timed, Timers};
use super::*;

/// Timers with their runner; its clock stands at 0.
fn timed<const N: usize>() -> (&'static Timers<N>, Runner<Timed<Sleeper>>) {
    let bed = Bed::new();
    let executor = leak(Executor::new(bed));
    let timers: &'static Timers<N> = leak(Timers::new(executor));
    (timers, executor.runner(timers.driver(Sleeper(bed)).unwrap()).unwrap())
}

const DUE: Deadline = Deadline(Nanos(0));
const NEVER: Deadline = Deadline(Nanos(1 << 40));

#[test]
fn loom_fixed_a_sleep_is_woken() {
    model("loom_fixed_a_sleep_is_woken", Some(2), || {
        let (timers, mut runner) = timed::<1>();
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&over);
        let executor = runner.executor();
        let sleeping = thread::spawn(move || {
            loom::future::block_on(timers.sleep_until(DUE).unwrap());
            done.store(true, Ordering::Relaxed);
            executor.unpark();
        });
        // Relaxed: the token brings it.
        while !over.load(Ordering::Relaxed) {
            runner.run_once(None).unwrap();
        }
        sleeping.join().unwrap();
        assert!(timers.sleep_until(NEVER).is_some(), "a sleep that ended keeps its slot");
    });
}

#[test]
fn loom_fixed_a_sleep_is_dropped_while_it_fires() {
    model("loom_fixed_a_sleep_is_dropped_while_it_fires", None, || {
        let (timers, mut runner) = timed::<1>();
        let sleeping = thread::spawn(move || {
            drop(timers.sleep_until(DUE).unwrap());
            // Another one, if the slot has come back.
            timers.sleep_until(DUE)
        });
        let driver = runner.driver();
        driver.poll().unwrap();
        driver.poll().unwrap();
        let second = sleeping.join().unwrap();
        driver.poll().unwrap();
        if let Some(second) = second {
            loom::future::block_on(second);
        }
        driver.poll().unwrap();
        assert!(timers.sleep_until(NEVER).is_some(), "the slot was lost");
    });
}

#[test]
fn loom_fixed_two_sleeps_for_one_slot() {
    model("loom_fixed_two_sleeps_for_one_slot", Some(3), || {
        let (timers, mut runner) = timed::<1>();
        let take = move || {
            thread::spawn(move || {
                let sleep = timers.sleep_until(NEVER);
                let won = sleep.is_some();
                drop(sleep);
                won
            })
        };
        let threads = [take(), take()];
        runner.driver().poll().unwrap();
        let won = threads.map(|t| t.join().unwrap());
        assert!(won.contains(&true), "an unused slot was refused to both");
        runner.driver().poll().unwrap();
        assert!(timers.sleep_until(NEVER).is_some(), "the slot was lost");
    });
}
