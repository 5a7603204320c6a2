//! A task made runnable by one whose poll then goes on for long.

use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use crate::work::{Baton, Latch};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One task wakes another and keeps its thread for `ms` milliseconds; another worker could run the woken one. The figure
/// is the median time from the wake to that, in microseconds.
pub(crate) async fn behind_long_poll<E: Engine>(plan: Plan, ms: u64) -> Outcome {
    let poll = Duration::from_millis(ms);
    let times = plan.warmup.min(10) + plan.ops;
    let (latch, baton) = (Latch::leak(), Box::leak(Box::<Baton>::default()) as &Baton);
    let given: &'static Mutex<Option<Instant>> = Box::leak(Box::default());
    let delays: &'static Mutex<Vec<Duration>> = Box::leak(Box::default());
    E::spawn_detached(async move {
        for _ in 0..times {
            baton.take().await;
            let given = given.lock().expect("nobody panics").take().expect("it was given");
            delays.lock().expect("nobody panics").push(given.elapsed());
            latch.hit();
        }
    });
    let mut span = Span::begin();
    for i in 0..times {
        if i == times - plan.ops {
            span = Span::begin();
        }
        latch.arm(2);
        E::spawn_detached(async move {
            let now = Instant::now();
            *given.lock().expect("nobody panics") = Some(now);
            baton.give();
            while now.elapsed() < poll {
                std::hint::spin_loop();
            }
            latch.hit();
        });
        latch.wait().await;
    }
    let mut all = std::mem::take(&mut *delays.lock().expect("nobody panics"));
    let mut measured = all.split_off((times - plan.ops) as usize);
    measured.sort_unstable();
    let median = measured.get(measured.len() / 2).copied().unwrap_or_default();
    span.end(measured.len() as u64).with_figure(median.as_secs_f64() * 1e6)
}
