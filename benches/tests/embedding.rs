//! The core inside a task of another runtime, tokio's: through the core's public traits, and as the facade on
//! tokio's own epoll. Threads outside wake a hundred thousand tasks, as in `tests/embedding.rs`, which also says
//! what is counted and why. `cargo xtask embedding` runs it: peers are built for that and for `bench` alone.

#[path = "../../tests/embedding/crowd.rs"]
mod crowd;

use std::future::poll_fn;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Instant;

use atomic_waker::AtomicWaker;
use crowd::{Crowd, Then, Turns};
use ouzel_core::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use ouzel_core::local::LocalExecutor;
use ouzel_core::park::ParkWord;
use tokio::io::unix::AsyncFd;
use tokio::task::{LocalSet, yield_now};

const TASKS: usize = 100_000;
/// Polls a turn may make before the host lets its own runtime's other tasks on.
const POLLS: u32 = 256;

/// Wakes the host's task. It is all that the core needs to be woken by.
#[derive(Default)]
struct Bell {
    host: AtomicWaker,
    ringing: AtomicBool,
    rung: AtomicU64,
}

impl Unpark for Bell {
    fn unpark(&self) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        self.ringing.store(true, Ordering::Release);
        self.host.wake();
    }
}

impl Bell {
    /// Until somebody rings.
    async fn heard(&self) {
        poll_fn(|cx| {
            self.host.register(cx.waker());
            if self.ringing.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A clock; the host sleeps for it.
struct Clock(Instant);

impl Driver for Clock {
    fn now(&mut self) -> Nanos {
        Nanos(0) + self.0.elapsed()
    }

    fn park(&mut self, _: Option<Deadline>) -> Result<(), Errno> {
        unreachable!("the host never calls what would block its thread")
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

/// Runs `host` as a task of tokio, beside one that counts how often it gets its turn.
fn in_a_task(host: impl Future<Output = ()> + 'static) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let others = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = std::rc::Rc::clone(&others);
    LocalSet::new().block_on(&runtime, async move {
        let other = tokio::task::spawn_local(async move {
            loop {
                counted.set(counted.get() + 1);
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        tokio::task::spawn_local(host).await.unwrap();
        other.abort();
    });
    others.get()
}

#[test]
fn a_task_of_tokio_drives_the_core() {
    let others = in_a_task(async {
        let bell = Arc::new(Bell::default());
        let clock = Clock(Instant::now());
        let ex = LocalExecutor::new(clock, Arc::new(ParkWord::new()), Arc::clone(&bell) as _);
        let (crowd, threads) = Crowd::gather(TASKS, |task| ex.spawn(task).detach());
        let mut turns = Turns::default();
        loop {
            let tick = ex.run_nowait(POLLS).unwrap();
            match turns.count(tick.polled, tick.more, ex.live_tasks()) {
                Then::End => break,
                Then::Again => yield_now().await,
                Then::Wait if ex.begin_wait() => {
                    turns.waits += 1;
                    bell.heard().await;
                }
                Then::Wait => {}
            }
        }
        threads.into_iter().for_each(|t| t.join().unwrap());
        crowd.assert_done(ex.metrics().polls);
        turns.assert_not_busy(bell.rung.load(Ordering::Relaxed));
    });
    assert!(others > 0, "the runtime's other task had no turn");
}

#[test]
fn a_task_of_tokio_drives_the_facade_by_its_descriptor() {
    for driver in [ouzel::Driver::Uring, ouzel::Driver::Epoll, ouzel::Driver::Poll] {
        let runtime = match ouzel::LocalRuntime::builder().driver(driver).build_local() {
            Ok(runtime) => runtime,
            Err(e) => {
                println!("skipped: driver {driver} is not to be had here: {e}");
                continue;
            }
        };
        in_a_task(async move {
            let fd = runtime.backend_fd().expect("on Linux every driver has one");
            // SAFETY: the runtime keeps it open, and outlives this.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            // SAFETY: as above: it stays open and the same for as long as it is registered.
            let fd = unsafe { AsyncFd::register(fd) }.unwrap();
            let (crowd, threads) = Crowd::gather(TASKS, |task| drop(runtime.spawn(task)));
            let mut turns = Turns::default();
            loop {
                let tick = runtime.run_nowait(POLLS).unwrap();
                match turns.count(tick.polled, tick.more, runtime.live_tasks()) {
                    Then::End => break,
                    Then::Again => yield_now().await,
                    Then::Wait if !runtime.before_wait() => {
                        turns.waits += 1;
                        // There is no timer in it, or `next_timeout` would bound this wait; a task that has become
                        // ready since the line above makes it zero, and shows on the descriptor.
                        assert!(runtime.next_timeout().is_none_or(|t| t.is_zero()));
                        fd.readable().await.unwrap().clear_ready();
                    }
                    Then::Wait => {}
                }
            }
            threads.into_iter().for_each(|t| t.join().unwrap());
            crowd.assert_done(runtime.metrics().polls);
            turns.assert_mostly_of_use();
        });
    }
}
