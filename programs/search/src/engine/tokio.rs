//! Tokio, in three shapes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::job::{Job, Told};
use crate::reader::{Found, Reader};
use crate::scan::Progress;
use crate::window::WINDOW;

type All = io::Result<Vec<Told>>;

/// Jobs in the queue or under way, so that a large file at the front does not leave threads without work.
const AHEAD: usize = 128;

/// One hop a file, to a pool of at most `pool` threads.
pub(super) fn run(job: &Arc<Job>, threads: usize, pool: usize) -> All {
    let runtime = Builder::new_multi_thread().worker_threads(threads).max_blocking_threads(pool).build()?;
    runtime.block_on(async {
        let mut jobs = VecDeque::new();
        let mut all = Vec::new();
        for file in 0..job.files.len() {
            if jobs.len() >= AHEAD {
                all.extend(next(&mut jobs).await?);
            }
            let job = Arc::clone(job);
            jobs.push_back(tokio::task::spawn_blocking(move || job.search(file)));
        }
        while !jobs.is_empty() {
            all.extend(next(&mut jobs).await?);
        }
        Ok(all)
    })
}

/// A task a file, a semaphore of as many as there are threads, lines of a buffered `tokio::fs` file.
pub(super) fn run_by_lines(job: &Arc<Job>, threads: usize) -> All {
    let runtime = Builder::new_multi_thread().worker_threads(threads).build()?;
    runtime.block_on(async {
        let slots = Arc::new(Semaphore::new(threads));
        let start = |file| {
            let (job, slots) = (Arc::clone(job), Arc::clone(&slots));
            tokio::spawn(async move {
                let Ok(_permit) = slots.acquire().await else { return None };
                let mut reader = Reader::of_thread(WINDOW);
                let found = by_lines(&job, &mut reader, file).await;
                reader.keep();
                job.count(file, found)
            })
        };
        let mut tasks: VecDeque<_> = (0..job.files.len()).map(start).collect();
        let mut all = Vec::new();
        while !tasks.is_empty() {
            all.extend(next(&mut tasks).await?);
        }
        Ok(all)
    })
}

async fn next(jobs: &mut VecDeque<JoinHandle<Option<Told>>>) -> io::Result<Option<Told>> {
    match jobs.pop_front() {
        Some(job) => Ok(job.await?),
        None => Ok(None),
    }
}

/// Bytes of the buffer that the old report found best.
const BUFFER: usize = 128 * 1024;

async fn by_lines(job: &Job, reader: &mut Reader, file: usize) -> io::Result<Found> {
    let path = job.files[file].path();
    let file = tokio::fs::File::open(path).await?;
    let modified = file.metadata().await?.modified()?.into();
    let mut progress = Progress::new(&job.criteria, path, modified);
    let mut lines = BufReader::with_capacity(BUFFER, file);
    let (mut line, mut base) = (Vec::new(), 0);
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(Found { hits: progress.hits, modified, bytes: base });
        }
        let is_last = !line.ends_with(b"\n");
        reader.scanner.scan(&mut progress, &line, base, is_last);
        base += line.len() as u64;
    }
}
