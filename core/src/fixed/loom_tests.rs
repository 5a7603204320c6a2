//! Static tasks under every schedule: claims against late wakers and each other, wakes against sleep, sleeps against
//! the driver. What is static in a program is leaked here.

use core::future::{self, Future};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use std::boxed::Box;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::{Executor, Runner, TaskSpace};
use crate::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use crate::sync::{AtomicBool, AtomicUsize, Ordering, Unwatched, model, spin_loop};
use crate::task::Header;
use crate::task::place::InPlace;

mod time;

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Where a runner sleeps, without an end.
#[derive(Default)]
struct Bed(Mutex<bool>, Condvar);

impl Bed {
    fn new() -> &'static Bed {
        leak(Bed(Mutex::new(false), Condvar::new()))
    }
}

impl Unpark for Bed {
    fn unpark(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

struct Sleeper(&'static Bed);

impl Driver for Sleeper {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }

    fn park(&mut self, _: Option<Deadline>) -> Result<(), Errno> {
        let mut rung = self.0.0.lock().unwrap();
        while !*rung {
            rung = self.0.1.wait(rung).unwrap();
        }
        *rung = false;
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

fn executor() -> (&'static Executor, Runner<Sleeper>) {
    let bed = Bed::new();
    let executor = leak(Executor::new(bed));
    (executor, executor.runner(Sleeper(bed)).unwrap())
}

/// One turn that does not sleep.
fn turn(runner: &mut Runner<Sleeper>) -> usize {
    runner.executor().unpark();
    runner.run_once(None).unwrap()
}

/// Counts its drops, out of loom's sight.
struct Token(&'static Unwatched);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker of a task in `space` that has come to its end, and so its storage's last holder.
fn late_waker(
    executor: &'static Executor,
    runner: &mut Runner<Sleeper>,
    space: &'static TaskSpace<64>,
) -> Waker {
    let out: &'static std::sync::Mutex<Option<Waker>> = leak(std::sync::Mutex::new(None));
    let task = future::poll_fn(move |cx| {
        *out.lock().unwrap() = Some(cx.waker().clone());
        Poll::Ready(())
    });
    space.spawn_detached(executor, task).unwrap();
    assert_eq!(turn(runner), 1);
    out.lock().unwrap().take().unwrap()
}

/// Looks at the cell, as the holder of a reference may.
fn read_cell(waker: &Waker) {
    let cell: NonNull<Header> = NonNull::new(waker.data().cast_mut().cast()).unwrap();
    // SAFETY: the waker holds the cell.
    let _ = unsafe { cell.as_ref() }.vtable();
    // SAFETY: as above; it lies in a place.
    let _ = unsafe { <InPlace as crate::task::Home>::scheduler(cell) };
}

#[test]
fn loom_fixed_claim_against_late_wakers() {
    model("loom_fixed_claim_against_late_wakers", Some(2), || {
        let (executor, mut runner) = executor();
        let (space, runs, drops) = (leak(TaskSpace::new()), leak(Unwatched::new(0)), leak(Unwatched::new(0)));
        let late = late_waker(executor, &mut runner, space);
        let other = late.clone();
        let waking = thread::spawn(move || {
            read_cell(&late);
            late.wake();
        });
        let dropping = thread::spawn(move || {
            read_cell(&other);
            other.wake_by_ref();
            drop(other);
        });
        let token = Token(drops);
        let mut task = async move {
            let _held = token;
            runs.fetch_add(1, Ordering::SeqCst);
        };
        while let Err(busy) = space.spawn_detached(executor, task) {
            task = busy.0;
            spin_loop();
        }
        assert_eq!(turn(&mut runner), 1);
        waking.join().unwrap();
        dropping.join().unwrap();
        assert_eq!(turn(&mut runner), 0, "a late wake reached the next task");
        assert_eq!((runs.load(Ordering::SeqCst), drops.load(Ordering::SeqCst)), (1, 1));
    });
}

#[test]
fn loom_fixed_two_claims() {
    model("loom_fixed_two_claims", Some(3), || {
        let (executor, mut runner) = executor();
        let (space, drops) = (leak(TaskSpace::<64>::new()), leak(Unwatched::new(0)));
        let (won, runs) = (Arc::new(AtomicUsize::new(0)), leak(Unwatched::new(0)));
        let spawners: [_; 2] = core::array::from_fn(|_| {
            let won = Arc::clone(&won);
            thread::spawn(move || {
                let token = Token(drops);
                let task = async move {
                    let _held = token;
                    runs.fetch_add(1, Ordering::SeqCst);
                };
                if space.spawn_detached(executor, task).is_ok() {
                    won.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let early = turn(&mut runner);
        for spawner in spawners {
            spawner.join().unwrap();
        }
        let polls = early + turn(&mut runner);
        let won = won.load(Ordering::Relaxed);
        assert!(won >= 1, "storage that is free was refused to both");
        assert_eq!((polls, runs.load(Ordering::SeqCst)), (won, won));
        assert_eq!(drops.load(Ordering::SeqCst), 2, "each future is dropped once, here or by who lost");
    });
}

#[test]
fn loom_fixed_wakes_against_sleep() {
    model("loom_fixed_wakes_against_sleep", Some(1), || {
        let (executor, mut runner) = executor();
        let space = leak(TaskSpace::<64>::new());
        let seen = Arc::new(AtomicUsize::new(0));
        let (inside, out) = (Arc::clone(&seen), leak(std::sync::Mutex::new(None)));
        // Relaxed: the wake alone has to make it visible.
        let task = future::poll_fn(move |cx| {
            if inside.load(Ordering::Relaxed) == 2 {
                return Poll::Ready(());
            }
            let mut out = out.lock().unwrap();
            if out.is_none() {
                *out = Some(cx.waker().clone());
            }
            Poll::Pending
        });
        let handle = space.spawn(executor, task).unwrap();
        assert_eq!(turn(&mut runner), 1);
        let waker = out.lock().unwrap().take().unwrap();
        // No other waker is asked for.
        *out.lock().unwrap() = Some(Waker::noop().clone());
        let by_ref = waker.clone();
        let counts = Arc::clone(&seen);
        let waking = thread::spawn(move || {
            seen.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        });
        let other = thread::spawn(move || {
            counts.fetch_add(1, Ordering::Relaxed);
            by_ref.wake_by_ref();
            drop(by_ref);
        });
        runner.block_on(handle).unwrap().unwrap();
        waking.join().unwrap();
        other.join().unwrap();
        space.spawn_detached(executor, async {}).expect("nobody holds the storage");
        assert_eq!(turn(&mut runner), 1);
    });
}

#[test]
fn loom_fixed_root_wake_against_sleep() {
    model("loom_fixed_root_wake_against_sleep", None, || {
        let (executor, mut runner) = executor();
        let event = Arc::new(AtomicBool::new(false));
        let (seen, waker) = (Arc::clone(&event), executor.root_waker());
        let waking = thread::spawn(move || {
            event.store(true, Ordering::Relaxed);
            waker.wake_by_ref();
        });
        let root =
            future::poll_fn(|_| if seen.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending });
        runner.block_on(root).unwrap();
        waking.join().unwrap();
    });
}

#[test]
fn loom_fixed_abort_against_a_wake() {
    model("loom_fixed_abort_against_a_wake", Some(2), || {
        let (executor, mut runner) = executor();
        let (space, drops) = (leak(TaskSpace::<64>::new()), leak(Unwatched::new(0)));
        let (token, out) = (Token(drops), leak(std::sync::Mutex::new(None)));
        let mut token = Some(token);
        // Ready at its second poll.
        let task = future::poll_fn(move |cx| {
            let mut out = out.lock().unwrap();
            if out.is_some() {
                return Poll::Ready(token.take());
            }
            *out = Some(cx.waker().clone());
            Poll::Pending
        });
        let mut handle = space.spawn(executor, task).unwrap();
        assert_eq!(turn(&mut runner), 1);
        let (abort, waker) = (handle.abort_handle(), out.lock().unwrap().take().unwrap());
        *out.lock().unwrap() = Some(Waker::noop().clone());
        let aborting = thread::spawn(move || abort.abort());
        let waking = thread::spawn(move || waker.wake());
        let mut polls = turn(&mut runner);
        aborting.join().unwrap();
        waking.join().unwrap();
        polls += turn(&mut runner);
        assert_eq!(polls, 1, "the abort and the wake make one N between them");
        let Poll::Ready(result) = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("still pending");
        };
        drop((result, handle));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        space.spawn_detached(executor, async {}).expect("nobody holds the storage");
        assert_eq!(turn(&mut runner), 1);
    });
}

#[test]
fn loom_fixed_one_runner_after_another() {
    model("loom_fixed_one_runner_after_another", None, || {
        let (executor, mut runner) = executor();
        let (spaces, runs) =
            ([leak(TaskSpace::<64>::new()), leak(TaskSpace::new())], leak(Unwatched::new(0)));
        // Ready at its second poll: the first runner leaves it in its queue.
        let yields = || {
            future::poll_fn(|cx| {
                if runs.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
        };
        let once = future::poll_fn(|_| Poll::Ready(()));
        spaces[0].spawn_detached(executor, yields()).unwrap();
        let first = thread::spawn(move || {
            turn(&mut runner);
        });
        spaces[1].spawn_detached(executor, once).unwrap();
        // While the first is there, or after it.
        let early = executor.runner(Sleeper(Bed::new()));
        if let Some(mut next) = early {
            turn(&mut next);
        }
        first.join().unwrap();
        let mut last = executor.runner(Sleeper(Bed::new())).expect("both have gone");
        while turn(&mut last) > 0 {}
        assert_eq!(runs.load(Ordering::SeqCst), 2, "the task was lost with its runner");
    });
}
