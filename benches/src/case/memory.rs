//! What a task costs in memory, and how often it asks for some.

use crate::case::parts;
use crate::engine::{Engine, Inject};
use crate::heap::Heap;
use crate::measure::{Outcome, Plan, Span};
use crate::work::Latch;
use atomic_waker::AtomicWaker;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Tasks spawned before the next ones are: what is measured is tasks at rest and not a long queue.
const BATCH: u64 = 1_000;

/// Where parked tasks have their wakers: outside of them, and there before the first.
struct Lot {
    latch: Latch,
    wakers: Vec<AtomicWaker>,
}

/// A future of so many words and one more that waits for ever. Something has to be able to wake it, or an
/// engine that counts wakers may drop it.
struct Parked<const WORDS: usize> {
    lot: &'static Lot,
    /// The first word is the place in the lot.
    words: [u64; WORDS],
}

impl<const WORDS: usize> Future for Parked<WORDS> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.lot.wakers[self.words[0] as usize].register(cx.waker());
        self.lot.latch.hit();
        Poll::Pending
    }
}

const _: () = assert!(size_of::<Parked<1>>() == 16 && size_of::<Parked<15>>() == 128);

/// Parks tasks without a warm-up, which would leave memory behind for them to use; `bytes` is asked before
/// and after. In bytes a task.
async fn park<E: Engine, const WORDS: usize>(plan: Plan, bytes: impl Fn() -> u64) -> Outcome {
    let wakers = (0..plan.ops).map(|_| AtomicWaker::new()).collect();
    let lot: &'static Lot = Box::leak(Box::new(Lot { latch: Latch::default(), wakers }));
    let before = bytes();
    let span = Span::begin();
    let mut done = 0;
    for part in parts(plan.ops, BATCH) {
        lot.latch.arm(part);
        for place in done..done + part {
            E::spawn_detached(Parked { lot, words: [place; WORDS] });
        }
        lot.latch.wait().await;
        done += part - lot.latch.left();
    }
    let outcome = span.end(done);
    outcome.with_figure(bytes().saturating_sub(before) as f64 / done.max(1) as f64)
}

/// Bytes of the heap, or mapped by the engine itself, for each parked task. One word of its future is the lot's
/// address.
pub(crate) async fn task_bytes<E: Engine, const WORDS: usize>(plan: Plan, injector: E::Injector) -> Outcome {
    park::<E, WORDS>(plan, || Heap::now().live_bytes + injector.mapped()).await
}

/// Resident memory for each parked task.
pub(crate) async fn task_rss<E: Engine, const WORDS: usize>(plan: Plan) -> Outcome {
    park::<E, WORDS>(plan, resident).await
}

/// `VmRSS` in bytes; zero on a system without `/proc`.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Heap allocations for each task, spawned in bursts by a task and awaited. The warm-up is as long as what is
/// measured: how many tasks are alive at once, and so how much memory they take, varies with the schedule.
pub(crate) async fn spawn_mallocs<E: Engine>(plan: Plan) -> Outcome {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let (mut done, mut before) = (0, 0);
    let mut span = Span::begin();
    for phase in [plan.warmup.max(plan.ops), plan.ops] {
        (done, before, span) = (0, Heap::now().allocations, Span::begin());
        for part in parts(phase, BATCH) {
            handles.extend((0..part).map(|_| E::spawn(async { 1u64 })));
            for handle in handles.drain(..) {
                done += handle.await;
            }
        }
    }
    let made = Heap::now().allocations - before;
    span.end(done).with_figure(made as f64 / done.max(1) as f64)
}

/// Heap allocations for each task, spawned in bursts by an outside thread.
pub(crate) async fn remote_mallocs<E: Engine>(plan: Plan, injector: E::Injector) -> Outcome {
    let latch = Latch::leak();
    let (order, orders) = std::sync::mpsc::sync_channel::<(u64, bool)>(0);
    let (whole, wholes) = std::sync::mpsc::sync_channel::<()>(0);
    let spawner = std::thread::spawn(move || {
        for (burst, held) in orders {
            for _ in 0..burst {
                injector.inject(async { latch.hit() });
            }
            if held {
                whole.send(()).expect("it waits for this");
            }
        }
    });
    // How many of a burst are on their way at once varies with the schedule. So whatever has to be as long as all of one is
    // that first: this keeps the thread until the whole burst is there; twice two times, for queues that take turns.
    for _ in 0..4 {
        latch.arm(BATCH);
        order.send((BATCH, true)).expect("the thread ends after this");
        wholes.recv().expect("it says so after each");
        latch.wait().await;
    }
    let (mut done, mut before) = (0, 0);
    let mut span = Span::begin();
    for phase in [plan.warmup.max(plan.ops), plan.ops] {
        (done, before, span) = (0, Heap::now().allocations, Span::begin());
        for part in parts(phase, BATCH) {
            latch.arm(part);
            order.send((part, false)).expect("the thread ends after this");
            latch.wait().await;
            done += part - latch.left();
        }
    }
    let made = Heap::now().allocations - before;
    let outcome = span.end(done).with_figure(made as f64 / done.max(1) as f64);
    drop(order);
    spawner.join().expect("it only spawns");
    outcome
}
