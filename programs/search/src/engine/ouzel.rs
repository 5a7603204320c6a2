//! A task a file, on workers.
//!
//! What is in memory is read and searched on the spot, so as many files are open as there are workers, and as many
//! buffers are used. A read that has to wait leaves its worker to the next file: then up to [`DEPTH`] reads are in the
//! ring at once. Nothing has to find out which it is.

use std::io;
use std::io::ErrorKind::{Interrupted, WouldBlock};
use std::sync::Arc;

use ouzel::BlockingConfig;
use ouzel::buf::IoBuf;
use ouzel::fs::File;
use ouzel::stream::ordered;
use ouzel::sync::Semaphore;

use crate::job::Job;
use crate::reader::{Found, Reader};
use crate::scan::Progress;
use crate::window::Window;

/// Files open, and buffers, at the most.
const DEPTH: usize = 32;
/// Files whose task has begun, or has ended and waits for its turn to be taken.
const AHEAD: usize = 128;

/// What the tasks share.
struct Search {
    job: Arc<Job>,
    buffers: Semaphore,
    /// For a line longer than a buffer: one at a time, so that memory is bounded whatever the lines are like.
    long: Semaphore,
}

pub(super) fn run(job: &Arc<Job>, threads: usize) -> io::Result<Vec<io::Result<Found>>> {
    // For files that are no plain ones, hence hardly ever.
    let blocking = BlockingConfig { core_threads: 1, ..BlockingConfig::default() };
    let runtime = ouzel::Runtime::builder().worker_threads(threads.min(64)).blocking(blocking).build()?;
    let (buffers, long) = (Semaphore::new(DEPTH), Semaphore::new(1));
    let search = Arc::new(Search { job: Arc::clone(job), buffers, long });
    // On a worker, which starts its tasks without a word to another thread.
    let all = runtime.spawn(async move {
        let files = 0..search.job.files.len();
        let mut all = Vec::with_capacity(files.len());
        let mut found = ordered(files, AHEAD, |file| {
            let search = Arc::clone(&search);
            ouzel::spawn(async move { search.file(file).await })
        });
        while let Some(result) = found.next().await {
            all.push(result.unwrap_or_else(|e| Err(io::Error::other(e))));
        }
        all
    });
    runtime.block_on(all).map_err(io::Error::other)
}

impl Search {
    async fn file(&self, file: usize) -> io::Result<Found> {
        let _permit = self.buffers.acquire(1).await;
        let mut reader = Reader::of_thread();
        let found = self.search(&mut reader, file).await;
        reader.keep();
        self.job.count_one();
        found
    }

    async fn search(&self, reader: &mut Reader, file: usize) -> io::Result<Found> {
        let path = self.job.files[file].path();
        let file = match File::try_open(path) {
            Err(e) if e.kind() == WouldBlock => File::open(path).await,
            file => file,
        }?;
        let metadata = match file.try_metadata() {
            Err(e) if e.kind() == WouldBlock => file.metadata().await,
            metadata => metadata,
        }?;
        let modified = metadata.modified()?.into();
        let mut progress = Progress::new(&self.job.criteria, path, modified);
        let mut long = None;
        reader.window.begin();
        loop {
            if reader.window.is_full() {
                if long.is_none() {
                    long = Some(self.long.acquire(1).await);
                }
                reader.window.grow();
            }
            let offset = reader.window.offset();
            let result = match file.try_read_at(reader.window.room(), offset) {
                Err(e) if e.kind() == WouldBlock => read(&file, &mut reader.window).await,
                result => result,
            };
            let n = match result {
                Err(e) if e.kind() == Interrupted => continue,
                result => result?,
            };
            if reader.take(&mut progress, n, metadata.len()) {
                let bytes = reader.window.offset();
                // A long buffer is given back before the permit is.
                reader.window.begin();
                return Ok(Found { hits: progress.hits, modified, bytes });
            }
        }
    }
}

/// Waits for what comes next.
async fn read(file: &File, window: &mut Window) -> io::Result<usize> {
    let (buf, filled) = window.lend();
    let (result, part) = file.read_at(buf.slice(filled..), window.offset()).await;
    window.give_back(part.into_inner());
    result
}
