//! Small files: opened, read and closed, many at once.

use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use crate::work::files::{Files, Queue};

/// Files there are.
const FILES: usize = 2_700;
/// Files open at once.
const READERS: u64 = 64;

/// Reads 4 KiB files, 64 at once, and looks whether they hold what was written. In microseconds a file.
pub(crate) async fn small_files<E: Engine>(plan: Plan) -> Outcome {
    let count = FILES.min(plan.ops as usize);
    let files: &'static Files = Box::leak(Box::new(Files::write(count).expect("room for small files")));
    let queue = Queue::leak(files);
    queue.run(plan.warmup, READERS, E::spawn_reader).await;
    let span = Span::begin();
    let right = queue.run(plan.ops, READERS, E::spawn_reader).await;
    let outcome = span.end(right);
    queue.remove_files();
    outcome.with_figure(outcome.wall.as_secs_f64() * 1e6 / right.max(1) as f64)
}
