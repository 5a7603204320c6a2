//! Timers: made and cancelled, slept through, and how late they are.

use crate::case::parts;
use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use crate::work::{Latch, yield_now};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Timers between two yields: runtimes that limit what a task does in one poll allow this many.
const PER_POLL: u64 = 32;

/// What [`timers_cancel`] does not wait for.
const FAR: Duration = Duration::from_secs(60);

/// Makes a timer of a minute, polls it once, drops it.
pub(crate) async fn timers_cancel<E: Engine>(plan: Plan) -> Outcome {
    cancel::<E>(plan.warmup).await;
    let span = Span::begin();
    let done = cancel::<E>(plan.ops).await;
    span.end(done)
}

async fn cancel<E: Engine>(n: u64) -> u64 {
    let mut pending = 0;
    let mut made = 0;
    while made < n {
        let until = n.min(made + PER_POLL);
        poll_fn(|cx| {
            for _ in made..until {
                let sleep = pin!(E::sleep(FAR));
                pending += u64::from(sleep.poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        made = until;
        yield_now().await;
    }
    pending
}

/// A small generator of its own, so that every engine sleeps for the same times.
struct Times(u64);

impl Times {
    /// The next time of at least `from` and less than `to`.
    fn next(&mut self, from: Duration, to: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (self.0 >> 33) as f64 / f64::from(1u32 << 31);
        from + (to - from).mul_f64(share)
    }
}

/// Tasks that all sleep at once, for 50 to 550 ms. In CPU nanoseconds a task: spawn, sleep, wake.
pub(crate) async fn timers_sleeping<E: Engine>(plan: Plan) -> Outcome {
    let latch = Latch::leak();
    let mut times = Times(1);
    let mut done = 0;
    let mut span = Span::begin();
    // A warm-up of half a second for each engine would bring nothing but waiting.
    for (phase, from, to) in [(plan.warmup, 1, 20), (plan.ops, 50, 550)] {
        (done, span) = (0, Span::begin());
        latch.arm(phase);
        for _ in 0..phase {
            E::spawn_sleeper(times.next(Duration::from_millis(from), Duration::from_millis(to)), || {
                latch.hit()
            });
        }
        latch.wait().await;
        done += phase - latch.left();
    }
    let outcome = span.end(done);
    outcome.with_figure(outcome.cpu_ns())
}

/// Tasks of a round of [`timer_lateness`].
const ROUND: u64 = 50;

/// Rounds of 50 tasks that sleep for 1 to 20 ms on an otherwise idle runtime. The figure is the median of how
/// much later than asked they went on, in microseconds.
pub(crate) async fn timer_lateness<E: Engine>(plan: Plan) -> Outcome {
    let latch = Latch::leak();
    let lateness: &'static Mutex<Vec<Duration>> = Box::leak(Box::default());
    lateness.lock().expect("nobody panics").reserve(plan.ops as usize);
    let mut times = Times(1);
    let mut span = Span::begin();
    for phase in [plan.warmup.min(ROUND), plan.ops] {
        lateness.lock().expect("nobody panics").clear();
        span = Span::begin();
        for part in parts(phase, ROUND) {
            latch.arm(part);
            for _ in 0..part {
                let time = times.next(Duration::from_millis(1), Duration::from_millis(20));
                let due = Instant::now() + time;
                E::spawn_sleeper(time, move || {
                    let late = Instant::now().saturating_duration_since(due);
                    lateness.lock().expect("nobody panics").push(late);
                    latch.hit();
                });
            }
            latch.wait().await;
        }
    }
    let mut all = std::mem::take(&mut *lateness.lock().expect("nobody panics"));
    all.sort_unstable();
    let median = all.get(all.len() / 2).copied().unwrap_or_default();
    span.end(all.len() as u64).with_figure(median.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spread_over_their_range() {
        let (from, to) = (Duration::from_millis(10), Duration::from_millis(20));
        let mut times = Times(1);
        let all: Vec<_> = (0..1000).map(|_| times.next(from, to)).collect();
        assert!(all.iter().all(|t| (from..to).contains(t)));
        let low = all.iter().filter(|t| **t < Duration::from_millis(15)).count();
        assert!((400..600).contains(&low), "{low} of 1000 in the lower half");
    }
}
