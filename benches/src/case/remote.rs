//! Work that comes from threads which are not the engine's.

use crate::case::parts;
use crate::engine::{Engine, Inject};
use crate::measure::{Outcome, Plan, Span};
use crate::work::{Baton, Latch};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

/// Tasks that [`wake_storm`] wakes at once.
const SLEEPERS: u64 = 10_000;

/// `threads` outside threads spawn tasks nobody joins. An operation is one task, spawned and run.
pub(crate) async fn inject<E: Engine>(plan: Plan, injector: E::Injector, threads: u64) -> Outcome {
    let latch = Latch::leak();
    storm::<E>(plan.warmup, &injector, threads, latch).await;
    let (span, done) = storm::<E>(plan.ops, &injector, threads, latch).await;
    span.end(done)
}

async fn storm<E: Engine>(
    n: u64,
    injector: &E::Injector,
    threads: u64,
    latch: &'static Latch,
) -> (Span, u64) {
    latch.arm(n);
    let start = Arc::new(Barrier::new(threads as usize + 1));
    for i in 0..threads {
        let share = n / threads + u64::from(i < n % threads);
        let (injector, start) = (injector.clone(), Arc::clone(&start));
        thread::spawn(move || {
            start.wait();
            for _ in 0..share {
                injector.inject(async { latch.hit() });
            }
        });
    }
    start.wait();
    let span = Span::begin();
    latch.wait().await;
    (span, n - latch.left())
}

/// One outside thread wakes 10,000 tasks that wait. An operation is one task, woken and run.
pub(crate) async fn wake_storm<E: Engine>(plan: Plan) -> Outcome {
    let tasks = SLEEPERS.min(plan.ops.max(plan.warmup));
    let latch = Latch::leak();
    let batons: &'static [Baton] = Box::leak((0..tasks).map(|_| Baton::default()).collect());
    // Storms are of all tasks but the last one of each phase, which is of the rest.
    let storms: Vec<u64> = parts(plan.warmup, tasks).chain(parts(plan.ops, tasks)).collect();
    for (i, baton) in batons.iter().enumerate() {
        let times = storms.iter().filter(|storm| (i as u64) < **storm).count();
        E::spawn_detached(async move {
            for _ in 0..times {
                baton.take().await;
                latch.hit();
            }
        });
    }
    let (order, orders) = mpsc::channel::<u64>();
    let waker = thread::spawn(move || {
        for storm in orders {
            batons[..storm as usize].iter().for_each(Baton::give);
        }
    });
    let warm_storms = parts(plan.warmup, tasks).count();
    let mut done = 0;
    let mut span = Span::begin();
    for (i, storm) in storms.iter().copied().enumerate() {
        if i == warm_storms {
            (done, span) = (0, Span::begin());
        }
        latch.arm(storm);
        order.send(storm).expect("the thread ends after this");
        latch.wait().await;
        done += storm - latch.left();
    }
    let outcome = span.end(done);
    drop(order);
    waker.join().expect("it only wakes");
    outcome
}
