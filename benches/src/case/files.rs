//! Small files: opened, read and closed, many at once.

#[cfg(feature = "peers")]
use super::catalogue::Id;
use crate::engine::Engine;
use crate::measure::{Outcome, Plan, Span};
use crate::work::files::{Files, Queue};
#[cfg(feature = "peers")]
use std::{io, path::Path};

/// Files there are.
const FILES: usize = 2_700;
/// Files open at once.
const READERS: u64 = 64;

/// Reads 4 KiB files, 64 at once, and looks whether they hold what was written. In microseconds a file.
pub(crate) async fn small_files<E: Engine>(plan: Plan) -> Outcome {
    measured(plan, READERS, E::spawn_reader).await
}

async fn measured(plan: Plan, readers: u64, spawn: impl Fn(&'static Queue)) -> Outcome {
    let count = FILES.min(plan.ops as usize);
    let files: &'static Files = Box::leak(Box::new(Files::write(count).expect("room for small files")));
    let queue = Queue::leak(files);
    queue.run(plan.warmup, readers, &spawn).await;
    let span = Span::begin();
    let right = queue.run(plan.ops, readers, &spawn).await;
    let outcome = span.end(right);
    queue.remove_files();
    outcome.with_figure(outcome.wall.as_secs_f64() * 1e6 / right.max(1) as f64)
}

/// `bare-threads`: what the four calls of a file cost alone, by a thread for each worker that makes them one file after
/// the other. Nothing that reads whole files, and cannot know their sizes, can come below it with as many threads.
#[cfg(feature = "peers")]
pub(crate) fn by_threads(id: Id, plan: Plan) -> Option<Outcome> {
    let spawn = |queue: &'static Queue| {
        std::thread::spawn(|| queue.read_all_by(read));
    };
    let Id::SmallFiles = id else { return None };
    Some(smol::block_on(measured(plan, plan.workers as u64, spawn)))
}

#[cfg(feature = "peers")]
fn read(path: &Path, buf: &mut [u8]) -> io::Result<usize> {
    let file = rustix::fs::open(path, rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    let size = rustix::fs::fstat(&file)?.st_size as usize;
    let n = rustix::io::read(&file, &mut buf[..size])?;
    Ok(n)
}
