//! What `examples/c/cost.c` does, in Rust: the same things done many times, to be counted.
//!
//! ```text
//! cost CASE WARMUP TIMES
//! ```

use std::cell::Cell;
use std::future::Future;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ouzel::LocalRuntime;
use ouzel::op::raw::{self, Completion, RawOp, Request};
use ouzel::time::{now, sleep_until};

const TASKS: u64 = 16;

/// A task that yields: its future is written by hand, as the C function is.
struct SelfWake {
    left: u64,
    done: Rc<Cell<u64>>,
}

impl Future for SelfWake {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.done.set(self.done.get() + 1);
        self.left -= 1;
        if self.left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// One operation, awaited.
fn awaited(request: Request) -> impl Future<Output = Completion> {
    // SAFETY: what the requests here point at is static or lives as long as the program.
    let begun = unsafe { raw::submit((), |_, _| request) };
    let mut op: RawOp<()> = begun.expect("inside a task");
    std::future::poll_fn(move |cx| op.poll(cx).map(|(c, ())| c))
}

async fn nop(times: u64, done: Rc<Cell<u64>>) {
    for _ in 0..times {
        awaited(Request::Nop).await;
        done.set(done.get() + 1);
    }
}

async fn timer(times: u64, done: Rc<Cell<u64>>) {
    for _ in 0..times {
        sleep_until(now() + Duration::from_micros(100)).await;
        done.set(done.get() + 1);
    }
}

async fn timer_abandon(times: u64, done: Rc<Cell<u64>>) {
    for i in 0..times {
        let mut sleep = sleep_until(now() + Duration::from_secs(1));
        std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut sleep).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(sleep);
        done.set(done.get() + 1);
        if i % 64 == 63 {
            ouzel::yield_now().await;
        }
    }
}

async fn echo(times: u64, done: Rc<Cell<u64>>, fd: i32) {
    let byte: &'static mut u8 = Box::leak(Box::new(0));
    let byte = &raw mut *byte;
    for _ in 0..times {
        awaited(Request::Recv { fd, buf: byte, len: 1, flags: 0 }).await;
        awaited(Request::Send { fd, buf: byte, len: 1, flags: 0, lazy: false }).await;
        done.set(done.get() + 1);
    }
}

fn run(runtime: &LocalRuntime, case: &str, times: u64) -> Option<u64> {
    let done = Rc::new(Cell::new(0));
    let shared = || Rc::clone(&done);
    let spawned: Vec<_> = match case {
        "self_wake" => {
            // Boxed, since C's poll function is called through a pointer, too.
            let boxed = |_| Box::pin(SelfWake { left: times / TASKS, done: shared() });
            let task = |i| runtime.spawn(boxed(i) as Pin<Box<dyn Future<Output = ()>>>);
            (0..TASKS).map(task).collect()
        }
        "nop" => vec![runtime.spawn(nop(times, shared()))],
        "timer" => vec![runtime.spawn(timer(times, shared()))],
        "timer_abandon" => vec![runtime.spawn(timer_abandon(times, shared()))],
        "echo" => {
            let (a, b) = UnixStream::pair().expect("two sockets");
            std::io::Write::write_all(&mut &a, b"e").expect("room for a byte");
            let ends = [a, b].map(|end| {
                end.set_nonblocking(true).expect("a socket of ours");
                // Never closed: the driver would have to be told.
                end.into_raw_fd()
            });
            ends.map(|end| runtime.spawn(echo(times / 2, shared(), end))).into()
        }
        _ => return None,
    };
    while spawned.iter().any(|task| !task.is_finished()) {
        runtime.run_once(None).expect("a driver that works");
    }
    Some(done.get())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [case, warmup, times] = &args[..] else {
        eprintln!("usage: cost CASE WARMUP TIMES");
        return ExitCode::from(2);
    };
    let (Ok(warmup), Ok(times)) = (warmup.parse(), times.parse()) else { return ExitCode::from(2) };
    let runtime = LocalRuntime::new().expect("a driver");
    let warmed = run(&runtime, case, warmup);
    let Some(done) = warmed.and_then(|_| run(&runtime, case, times)) else {
        eprintln!("cost: no case {case}");
        return ExitCode::from(2);
    };
    println!("done {done}");
    ExitCode::SUCCESS
}
