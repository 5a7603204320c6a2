//! The cases `rayon` can run: those that only spawn.
//!
//! It runs closures, so a root that waited as a future does would block one of its threads. Bursts are
//! scopes instead, which work while they wait.

use super::bursts::{FAN, FORKS};
use super::catalogue::Id;
use super::parts::parts;
use super::tasks::BURST;
use crate::measure::{Outcome, Plan, Span};
use crate::work::burn;
use rayon::Scope;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs the case if it is one of those.
pub(crate) fn run(id: Id, plan: Plan) -> Option<Outcome> {
    let run: fn(u64, &AtomicU64) = match id {
        Id::SpawnDetached => |n, count| bursts(n, BURST, count, || ()),
        Id::ForkJoin => |n, count| bursts(n, FORKS, count, burn),
        Id::ChainedSpawn => {
            |n, count| parts(n, BURST).for_each(|part| rayon::scope(|s| link(s, part, 0, count)))
        }
        Id::FanOut => fans,
        _ => return None,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(plan.workers).build().expect("a pool");
    pool.install(|| {
        let count = AtomicU64::new(0);
        run(plan.warmup, &count);
        count.store(0, Ordering::Relaxed);
        let span = Span::begin();
        run(plan.ops, &count);
        Some(span.end(count.load(Ordering::Relaxed)))
    })
}

fn bursts(n: u64, size: u64, count: &AtomicU64, work: fn()) {
    for part in parts(n, size) {
        rayon::scope(|s| {
            for _ in 0..part {
                s.spawn(|_| {
                    work();
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
    }
}

fn link<'s>(scope: &Scope<'s>, left: u64, done: u64, count: &'s AtomicU64) {
    scope.spawn(move |scope| {
        if left > 1 {
            link(scope, left - 1, done + 1, count);
        } else {
            count.fetch_add(done + 1, Ordering::Relaxed);
        }
    });
}

fn fans(n: u64, count: &AtomicU64) {
    for part in parts(n, FAN * FAN) {
        rayon::scope(|s| {
            for leaves in parts(part, FAN) {
                s.spawn(move |s| {
                    for _ in 0..leaves {
                        s.spawn(|_| {
                            burn();
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
    }
}
