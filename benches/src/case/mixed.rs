//! Short polls and long ones on the same workers.

use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use std::time::{Duration, Instant};

const TASKS: u64 = 100;
const SHORT: Duration = Duration::from_micros(1);
const LONG: Duration = Duration::from_millis(1);
/// One poll of so many is long, another one in each task and round.
const EVERY: u64 = 100;

/// A hundred tasks take turns: each polls for 1 us, one time in a hundred for 1 ms, and yields. The figure is the
/// 99th percentile of the time from a yield to the next poll, in microseconds.
pub(crate) async fn mixed_delay<E: Engine>(plan: Plan) -> Outcome {
    let (warmup, rounds) = (plan.warmup.div_ceil(TASKS), plan.ops.div_ceil(TASKS));
    let mut delays = Vec::with_capacity((TASKS * rounds) as usize);
    let mut span = Span::begin();
    for rounds in [warmup, rounds] {
        delays.clear();
        span = Span::begin();
        let tasks: Vec<_> = (0..TASKS).map(|task| E::spawn(turns::<E>(task, rounds))).collect();
        for task in tasks {
            delays.extend(task.await);
        }
    }
    delays.sort_unstable();
    let p99 = delays.get(delays.len() * 99 / 100).copied().unwrap_or_default();
    span.end((delays.len() as u64).min(plan.ops)).with_figure(p99.as_secs_f64() * 1e6)
}

async fn turns<E: Engine>(task: u64, rounds: u64) -> Vec<Duration> {
    let mut delays = Vec::with_capacity(rounds as usize);
    for round in 0..rounds {
        // 7 and EVERY have no factor in common, so a round's long polls do not all fall into one task.
        let poll = if (task + 7 * round).is_multiple_of(EVERY) { LONG } else { SHORT };
        let begun = Instant::now();
        while begun.elapsed() < poll {
            std::hint::spin_loop();
        }
        let yielded = Instant::now();
        E::yield_now().await;
        delays.push(yielded.elapsed());
    }
    delays
}
