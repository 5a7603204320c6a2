//! Bursts of tasks with a little work each: what sharing among workers costs, and brings.

use crate::case::parts;
use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use crate::work::{Latch, burn};

/// Tasks of a burst in [`fork_join`].
pub(crate) const FORKS: u64 = 64;
/// Tasks that each task of a [`fan_out`] spawns; as many are spawned first.
pub(crate) const FAN: u64 = 32;

/// Spawns 64 tasks of about a microsecond, awaits them, and again.
pub(crate) async fn fork_join<E: Engine>(plan: Plan) -> Outcome {
    let mut handles = Vec::with_capacity(FORKS as usize);
    let mut done = 0;
    let mut span = Span::begin();
    for phase in [plan.warmup, plan.ops] {
        (done, span) = (0, Span::begin());
        for part in parts(phase, FORKS) {
            let task = || async {
                burn();
                1u64
            };
            handles.extend((0..part).map(|_| E::spawn(task())));
            for handle in handles.drain(..) {
                done += handle.await;
            }
        }
    }
    span.end(done)
}

/// One task spawns 32 that each spawn 32 with about a microsecond of work; nobody joins.
pub(crate) async fn fan_out<E: Engine>(plan: Plan) -> Outcome {
    let latch = Latch::leak();
    fans::<E>(plan.warmup, latch).await;
    let span = Span::begin();
    let done = fans::<E>(plan.ops, latch).await;
    span.end(done)
}

async fn fans<E: Engine>(n: u64, latch: &'static Latch) -> u64 {
    let mut done = 0;
    for part in parts(n, FAN * FAN) {
        latch.arm(part);
        for leaves in parts(part, FAN) {
            E::spawn_detached(async move {
                for _ in 0..leaves {
                    E::spawn_detached(async {
                        burn();
                        latch.hit();
                    });
                }
            });
        }
        latch.wait().await;
        done += part - latch.left();
    }
    done
}
