//! Spawning, joining, yielding and handing over: what a scheduler costs without any I/O.

use crate::case::parts;
use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use crate::work::{Baton, Latch, repeat, yield_now};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Tasks alive at once in [`spawn_join`].
const JOINED: u64 = 100_000;
/// Tasks of a burst in [`spawn_detached`], links of a chain in [`chained_spawn`].
pub(crate) const BURST: u64 = 1_000;
/// Bytes that a task of [`spawn_large`] holds.
const LARGE: usize = 1024;
/// Tasks of [`yield_many`].
const YIELDERS: u64 = 1_000;

/// Spawns up to 100,000 tasks, awaits them all, and again.
pub(crate) async fn spawn_join<E: Engine>(plan: Plan) -> Outcome {
    let mut handles = Vec::with_capacity(JOINED.min(plan.ops.max(plan.warmup)) as usize);
    let mut done = 0;
    let mut span = Span::begin();
    for phase in [plan.warmup, plan.ops] {
        (done, span) = (0, Span::begin());
        for part in parts(phase, JOINED) {
            handles.extend((0..part).map(|_| E::spawn(async { 1u64 })));
            for handle in handles.drain(..) {
                done += handle.await;
            }
        }
    }
    span.end(done)
}

/// Spawns bursts of 1,000 tasks, each of as many bytes as one that serves a connection may have, and awaits them.
pub(crate) async fn spawn_large<E: Engine>(plan: Plan) -> Outcome {
    let mut handles = Vec::with_capacity(BURST as usize);
    let mut done = 0;
    let mut span = Span::begin();
    for phase in [plan.warmup, plan.ops] {
        (done, span) = (0, Span::begin());
        for part in parts(phase, BURST) {
            handles.extend((0..part).map(|i| {
                let held = black_box([i as u8; LARGE]);
                E::spawn(async move { u64::from(black_box(&held)[LARGE - 1] == i as u8) })
            }));
            for handle in handles.drain(..) {
                done += handle.await;
            }
        }
    }
    span.end(done)
}

/// Spawns bursts of 1,000 tasks nobody joins.
pub(crate) async fn spawn_detached<E: Engine>(plan: Plan) -> Outcome {
    let latch = Latch::leak();
    bursts::<E>(plan.warmup, latch).await;
    let span = Span::begin();
    let done = bursts::<E>(plan.ops, latch).await;
    span.end(done)
}

async fn bursts<E: Engine>(n: u64, latch: &'static Latch) -> u64 {
    let mut done = 0;
    for part in parts(n, BURST) {
        latch.arm(part);
        for _ in 0..part {
            E::spawn_detached(at_once(|| latch.hit()));
        }
        latch.wait().await;
        done += part - latch.left();
    }
    done
}

/// Each task spawns the next and ends; chains of 1,000.
pub(crate) async fn chained_spawn<E: Engine>(plan: Plan) -> Outcome {
    let latch = Latch::leak();
    chains::<E>(plan.warmup, latch).await;
    let span = Span::begin();
    let done = chains::<E>(plan.ops, latch).await;
    span.end(done)
}

async fn chains<E: Engine>(n: u64, latch: &'static Latch) -> u64 {
    let mut done = 0;
    for part in parts(n, BURST) {
        latch.arm(part);
        link::<E>(part, latch);
        latch.wait().await;
        done += part - latch.left();
    }
    done
}

/// The next link of a chain, of which so many are `left`; the last one tells the latch for all of them, so that a link
/// costs no more than a task.
fn link<E: Engine>(left: u64, latch: &'static Latch) {
    E::spawn_detached(at_once(move || {
        if left > 1 {
            link::<E>(left - 1, latch);
        } else {
            latch.hit_times(latch.left());
        }
    }));
}

/// A task that calls `f` and is over: an `async` block without the state that says whether it was polled.
fn at_once(f: impl Fn() + Send) -> impl Future<Output = ()> + Send {
    poll_fn(move |_| {
        f();
        Poll::Ready(())
    })
}

/// A thousand tasks that wake themselves and are pending.
pub(crate) async fn self_wake<E: Engine>(plan: Plan) -> Outcome {
    requeues::<E, _, _>(YIELDERS, plan, yield_now).await
}

/// One task that yields.
pub(crate) async fn yield_one<E: Engine>(plan: Plan) -> Outcome {
    requeues::<E, _, _>(1, plan, E::yield_now).await
}

/// A thousand tasks that yield.
pub(crate) async fn yield_many<E: Engine>(plan: Plan) -> Outcome {
    requeues::<E, _, _>(YIELDERS, plan, E::yield_now).await
}

async fn requeues<E: Engine, F, Y>(tasks: u64, plan: Plan, pause: F) -> Outcome
where
    F: Fn() -> Y + Copy + Send + Unpin + 'static,
    Y: Future<Output = ()> + Send + 'static,
{
    requeue_all::<E, F, Y>(tasks, plan.warmup, pause).await;
    let span = Span::begin();
    let done = requeue_all::<E, F, Y>(tasks, plan.ops, pause).await;
    span.end(done)
}

async fn requeue_all<E: Engine, F, Y>(tasks: u64, n: u64, pause: F) -> u64
where
    F: Fn() -> Y + Copy + Send + Unpin + 'static,
    Y: Future<Output = ()> + Send + 'static,
{
    let handles: Vec<_> = (0..tasks)
        .map(|i| {
            let share = n / tasks + u64::from(i < n % tasks);
            E::spawn(repeat(share, pause))
        })
        .collect();
    let mut done = 0;
    for handle in handles {
        done += handle.await;
    }
    done
}

/// Two tasks that wake each other in turn. An operation is there and back.
pub(crate) async fn ping_pong<E: Engine>(plan: Plan) -> Outcome {
    rally::<E>(plan.warmup).await;
    let span = Span::begin();
    let done = rally::<E>(plan.ops).await;
    span.end(done)
}

async fn rally<E: Engine>(n: u64) -> u64 {
    if n == 0 {
        return 0;
    }
    let table: &'static [Baton; 2] = Box::leak(Box::default());
    let [there, back] =
        [1, 0].map(|own| E::spawn(Player { own: &table[own], other: &table[1 - own], left: n }));
    // Begins it.
    table[0].give();
    back.await;
    n - there.await
}

/// Waits for its own baton and gives the other one, so many times. Written by hand: an `async` block's loop costs as much as
/// what is in it.
struct Player {
    own: &'static Baton,
    other: &'static Baton,
    /// One at the least.
    left: u64,
}

impl Future for Player {
    type Output = u64;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        if self.own.poll_take(cx).is_pending() {
            return Poll::Pending;
        }
        self.left -= 1;
        self.other.give();
        if self.left == 0 {
            return Poll::Ready(0);
        }
        if self.own.poll_awaited(cx).is_pending() { Poll::Pending } else { self.go_on(cx) }
    }
}

impl Player {
    /// It was back before this player had let go of it.
    #[cold]
    #[inline(never)]
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        loop {
            self.left -= 1;
            self.other.give();
            if self.left == 0 {
                return Poll::Ready(0);
            }
            if self.own.poll_take(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
