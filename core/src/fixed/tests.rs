//! Tasks in statics on one thread and on several, and what happens to those who misuse them.

use core::future::{self, Future, Ready};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::boxed::Box;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::vec::Vec;

use super::{Executor, Runner, TaskSpace, TaskStorage, Timers, task_bytes};
use crate::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use crate::error::JoinError;
use crate::sync::{AtomicUsize, Ordering};

mod made;
mod threads;
mod time;

/// A driver without a clock of its own: it never waits, and nothing but a deadline may make it try.
#[derive(Debug, Default)]
struct Hand {
    now: Nanos,
    polls: usize,
}

impl Driver for Hand {
    fn now(&mut self) -> Nanos {
        self.now
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        let Deadline(end) = deadline.expect("asleep for ever: a wake was lost");
        self.now = self.now.max(end);
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        self.polls += 1;
        Ok(0)
    }
}

/// Nobody sleeps.
struct Nobody;

impl Unpark for Nobody {
    fn unpark(&self) {}
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls what is ready, and what that makes ready, until nothing is; returns how many polls that took.
fn settle<D: Driver>(runner: &mut Runner<D>) -> usize {
    let mut polls = 0;
    loop {
        // A token keeps this from sleeping.
        runner.executor().unpark();
        match runner.run_once(None).unwrap() {
            0 => return polls,
            n => polls += n,
        }
    }
}

/// Counts its drops.
struct Token(&'static AtomicUsize);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Never ready; keeps the waker of its last poll.
struct Forever {
    _token: Token,
    waker: &'static Mutex<Option<Waker>>,
}

impl Future for Forever {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn a_joined_task_gives_its_output_and_its_storage_back() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static STORAGE: TaskStorage<Ready<[u32; 4]>> = TaskStorage::new();
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    for i in 0..1000 {
        let handle = STORAGE.spawn(&EXECUTOR, future::ready([i; 4])).unwrap();
        assert_eq!(runner.block_on(handle).unwrap().unwrap(), [i; 4]);
    }
}

#[test]
fn storage_in_use_gives_the_future_back() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static STORAGE: TaskStorage<Ready<u32>> = TaskStorage::new();
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    let first = STORAGE.spawn(&EXECUTOR, future::ready(1)).unwrap();
    let busy = STORAGE.spawn(&EXECUTOR, future::ready(2)).unwrap_err();
    assert_eq!(std::format!("{busy}"), "the task's storage is in use");
    assert_eq!(settle(&mut runner), 1);
    assert!(first.is_finished());
    // Complete, but the output is still in it.
    let busy = STORAGE.spawn(&EXECUTOR, busy.0).unwrap_err();
    assert_eq!(runner.block_on(first).unwrap().unwrap(), 1);
    let second = STORAGE.spawn(&EXECUTOR, busy.0).unwrap();
    assert_eq!(runner.block_on(second).unwrap().unwrap(), 2);
}

#[test]
fn a_waker_keeps_the_storage_and_wakes_nobody_after_completion() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static SPACE: TaskSpace<64> = TaskSpace::new();
    static WAKER: Mutex<Option<Waker>> = Mutex::new(None);
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    let mut polls = 0;
    let task = future::poll_fn(move |cx| {
        *WAKER.lock().unwrap() = Some(cx.waker().clone());
        polls += 1;
        if polls == 2 { Poll::Ready(polls) } else { Poll::Pending }
    });
    let handle = SPACE.spawn(&EXECUTOR, task).unwrap();
    assert_eq!(settle(&mut runner), 1);
    WAKER.lock().unwrap().as_ref().unwrap().wake_by_ref();
    assert_eq!(settle(&mut runner), 1);
    assert_eq!(runner.block_on(handle).unwrap().unwrap(), 2);

    let late = WAKER.lock().unwrap().take().unwrap();
    let second = late.clone();
    late.wake_by_ref();
    late.wake();
    assert_eq!(settle(&mut runner), 0, "a completed task was polled");
    let busy = SPACE.spawn(&EXECUTOR, future::ready(3)).unwrap_err();
    drop(second);
    let handle = SPACE.spawn(&EXECUTOR, busy.0).expect("the last waker has gone");
    assert_eq!(runner.block_on(handle).unwrap().unwrap(), 3);
}

#[test]
fn a_dropped_handle_detaches_and_the_output_is_dropped_once() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static SPACE: TaskSpace<64> = TaskSpace::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    // Before it has run, after it has run, and never there.
    drop(SPACE.spawn(&EXECUTOR, async { Token(&DROPS) }).unwrap());
    assert_eq!(settle(&mut runner), 1);
    assert_eq!(DROPS.load(Ordering::SeqCst), 1);
    let handle = SPACE.spawn(&EXECUTOR, async { Token(&DROPS) }).unwrap();
    assert_eq!(settle(&mut runner), 1);
    assert_eq!(DROPS.load(Ordering::SeqCst), 1, "the handle may still want it");
    drop(handle);
    assert_eq!(DROPS.load(Ordering::SeqCst), 2);
    SPACE.spawn_detached(&EXECUTOR, async { Token(&DROPS) }).unwrap();
    assert_eq!(settle(&mut runner), 1);
    assert_eq!(DROPS.load(Ordering::SeqCst), 3);
}

#[test]
fn an_aborted_task_is_dropped_by_the_runner_and_says_so() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static STORAGE: TaskStorage<Forever> = TaskStorage::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static WAKER: Mutex<Option<Waker>> = Mutex::new(None);
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    let handle = STORAGE.spawn(&EXECUTOR, Forever { _token: Token(&DROPS), waker: &WAKER }).unwrap();
    assert_eq!(settle(&mut runner), 1);
    let abort = handle.abort_handle();
    abort.abort();
    abort.abort();
    assert_eq!(DROPS.load(Ordering::SeqCst), 0, "not by the caller");
    assert!(matches!(runner.block_on(handle).unwrap(), Err(JoinError::Cancelled)));
    assert_eq!(DROPS.load(Ordering::SeqCst), 1);
    assert!(abort.is_finished());
    drop((abort, WAKER.lock().unwrap().take()));
    let handle = STORAGE.spawn(&EXECUTOR, Forever { _token: Token(&DROPS), waker: &WAKER }).unwrap();
    // Aborted before its first poll, and without anybody to hear of it.
    handle.abort();
    handle.detach();
    assert_eq!(settle(&mut runner), 1);
    assert_eq!(DROPS.load(Ordering::SeqCst), 2);
    assert!(WAKER.lock().unwrap().is_none(), "it was polled");
}

#[test]
fn there_is_one_runner_at_a_time_and_the_next_finds_what_is_left() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static A: TaskStorage<Ready<u32>> = TaskStorage::new();
    static YIELD: TaskSpace<{ task_bytes(yield_once) }> = TaskSpace::new();
    async fn yield_once() -> u32 {
        let mut polled = false;
        future::poll_fn(|cx| {
            if polled {
                return Poll::Ready(2);
            }
            polled = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    assert!(EXECUTOR.runner(Hand::default()).is_none());
    let mut handles =
        [A.spawn(&EXECUTOR, future::ready(1)).unwrap(), YIELD.spawn(&EXECUTOR, yield_once()).unwrap()];
    assert_eq!(runner.run_once(None).unwrap(), 2);
    assert!(poll(&mut handles[0]).is_ready());
    drop(runner);
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    assert_eq!(settle(&mut runner), 1, "the task that yielded was lost with its runner");
    assert!(matches!(poll(&mut handles[1]), Poll::Ready(Ok(2))));
}

#[test]
fn tasks_run_in_the_order_in_which_they_became_ready() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static SPACES: [TaskSpace<16>; 4] = [const { TaskSpace::new() }; 4];
    static ORDER: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    for i in [2, 0, 3, 1] {
        SPACES[i].spawn_detached(&EXECUTOR, async move { ORDER.lock().unwrap().push(i) }).unwrap();
    }
    assert_eq!(runner.run_once(None).unwrap(), 4);
    assert_eq!(*ORDER.lock().unwrap(), [2, 0, 3, 1]);
}

#[test]
fn a_busy_task_does_not_keep_the_driver_from_being_looked_at() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static SPACE: TaskSpace<16> = TaskSpace::new();
    let busy = future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    let handle = SPACE.spawn(&EXECUTOR, busy).unwrap();
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    for _ in 0..10 {
        assert_eq!(runner.run_once(None).unwrap(), 1);
    }
    assert_eq!(runner.driver().polls, 10);
    handle.abort();
    assert_eq!(settle(&mut runner), 1);
}

#[test]
fn a_task_may_spawn_into_the_storage_of_another() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static OUTER: TaskSpace<64> = TaskSpace::new();
    static INNER: TaskStorage<Ready<u32>> = TaskStorage::new();
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    let task = async {
        let mut sum = 0;
        for i in 0..3 {
            sum += INNER.spawn(&EXECUTOR, future::ready(i)).unwrap().await.unwrap();
        }
        sum
    };
    let handle = OUTER.spawn(&EXECUTOR, task).unwrap();
    assert_eq!(runner.block_on(handle).unwrap().unwrap(), 3);
}

#[cfg(feature = "std")]
#[test]
fn a_panic_ends_in_the_handle_and_the_storage_is_free_again() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static SPACE: TaskSpace<64> = TaskSpace::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let mut runner = EXECUTOR.runner(Hand::default()).unwrap();
    let token = Token(&DROPS);
    let handle: super::JoinHandle<()> = SPACE
        .spawn(&EXECUTOR, async move {
            let _held = token;
            panic!("on purpose");
        })
        .unwrap();
    let error = runner.block_on(handle).unwrap().unwrap_err();
    assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(DROPS.load(Ordering::SeqCst), 1);
    SPACE.spawn_detached(&EXECUTOR, async {}).unwrap();
    assert_eq!(settle(&mut runner), 1);
}

/// Without `std` nothing can catch a panic: the process must not go on. It is tried in a child.
#[cfg(not(feature = "std"))]
#[test]
fn a_panic_ends_the_program() {
    const CHILD: &str = "OUZEL_TEST_PANIC_CHILD";
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static SPACE: TaskSpace<64> = TaskSpace::new();
    if std::env::var_os(CHILD).is_some() {
        SPACE.spawn_detached(&EXECUTOR, async { panic!("on purpose") }).unwrap();
        let _ = std::panic::catch_unwind(|| EXECUTOR.runner(Hand::default()).unwrap().run_once(None));
        std::process::exit(0);
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "fixed::tests::a_panic_ends_the_program", "--nocapture"]).env(CHILD, "1");
    let output = child.output().unwrap();
    let errors = std::string::String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the program went on: {errors}");
    assert_eq!(output.status.code(), None, "it was to be ended by a signal: {errors}");
    assert!(errors.contains("a task panicked and nothing can catch it"), "{errors}");
}

#[test]
fn sizes_are_what_the_documents_say() {
    let words = size_of::<usize>();
    let header = if words == 8 { 48 } else { 32 };
    assert_eq!(size_of::<TaskSpace<0>>(), 2 * words + header);
    assert_eq!(task_bytes(async || [0u64; 4]), 32);
}
