//! Timers: made and cancelled.

use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use crate::work::yield_now;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Timers between two yields: runtimes that limit what a task does in one poll allow this many.
const PER_POLL: u64 = 32;

/// Makes a timer of a minute or more, polls it once, drops it.
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
            for i in made..until {
                let sleep = pin!(E::sleep(Duration::from_millis(60_000 + i % 1024)));
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
