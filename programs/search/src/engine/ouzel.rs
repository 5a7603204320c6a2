//! Tasks that take file after file, as many as it needs.
//!
//! What is in memory is read and searched on the spot: a task then never waits, one for each worker does all the work, and as
//! many files are open and buffers used. A task whose read has to wait starts another one, which its worker goes on with; when
//! more can go on than there are workers, one ends. So up to [`DEPTH`] reads are in the ring at once if all have to wait, and
//! one or two buffers more are used if few have. Nothing has to find out beforehand which it is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::io::ErrorKind::{Interrupted, WouldBlock};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use ouzel::buf::IoBuf;
use ouzel::fs::File;
use ouzel::stream::ordered;
use ouzel::sync::Semaphore;
use ouzel::{BlockingConfig, Handle, JoinHandle, Runtime};

use crate::job::Job;
use crate::reader::{Found, Reader};
use crate::scan::Progress;
use crate::window::Window;

/// Tasks: files open, and buffers, at the most.
const DEPTH: usize = 32;

/// What the tasks share.
struct Search {
    job: Arc<Job>,
    /// Of each file.
    found: Mutex<Vec<io::Result<Found>>>,
    /// For a line longer than a buffer: as many at a time as there are workers, so that memory is bounded whatever the lines
    /// are like, and a task that does not wait for a read does not wait for this either.
    long: Semaphore,
    workers: usize,
    /// Tasks that do not wait for a read.
    running_count: AtomicUsize,
    /// All tasks.
    task_count: AtomicUsize,
}

/// Runtimes by their number of workers. They stay for the searches to come; the process's end takes them along. When one was
/// ended after a search, its threads, which gave their memory back, and the one that prints waited for each other: a
/// `munmap` excludes every other, and up to eighteen waits were seen.
static RUNTIMES: Mutex<BTreeMap<usize, Runtime>> = Mutex::new(BTreeMap::new());

/// The one with `threads` workers.
fn runtime(threads: usize) -> io::Result<Handle> {
    let mut runtimes = RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = match runtimes.entry(threads) {
        Entry::Occupied(there) => there.into_mut(),
        Entry::Vacant(place) => {
            // For files that are no plain ones, hence hardly ever.
            let blocking = BlockingConfig { core_threads: 1, ..BlockingConfig::default() };
            place.insert(Runtime::builder().worker_threads(threads).blocking(blocking).build()?)
        }
    };
    Ok(runtime.handle())
}

pub(super) fn run(job: &Arc<Job>, threads: usize) -> io::Result<Vec<io::Result<Found>>> {
    let threads = threads.min(64);
    let search = Arc::new(Search {
        job: Arc::clone(job),
        // Whoever reads a file puts something better in its place.
        found: Mutex::new(job.files.iter().map(|_| Err(Interrupted.into())).collect()),
        long: Semaphore::new(threads),
        workers: threads,
        running_count: AtomicUsize::new(0),
        task_count: AtomicUsize::new(0),
    });
    let (end, wait) = mpsc::channel();
    let handle = runtime(threads)?;
    // On a worker, which starts its tasks without a word to another thread. This thread waits for the end alone, for which it
    // needs no driver, and as soon as the workers are there, so that none of them has lain down yet.
    let root = handle.spawn(async move {
        let mut tasks = ordered(0..threads, threads, |_| start(&search));
        let mut ended = Ok(());
        while let Some(task) = tasks.next().await {
            ended = ended.and(task);
        }
        drop(tasks);
        let _ = end.send(ended.map(|()| search));
    });
    root.detach();
    let search = wait.recv().map_err(io::Error::other)?.map_err(io::Error::other)?;
    let search = Arc::into_inner(search).ok_or_else(|| io::Error::other("a task goes on"))?;
    Ok(search.found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Starts a task. It ends after those that it has started.
fn start(search: &Arc<Search>) -> JoinHandle<()> {
    search.task_count.fetch_add(1, Ordering::Relaxed);
    search.running_count.fetch_add(1, Ordering::Relaxed);
    let search = Arc::clone(search);
    ouzel::spawn(async move {
        let mut more = More { search: &search, tasks: Vec::new() };
        // In memory of its own, so that the cells of tasks are small: a worker readies many at the first.
        Box::pin(search.files(&mut more)).await;
        for task in more.tasks {
            task.await.expect("no task panics");
        }
    })
}

/// What a task has started.
struct More<'a> {
    search: &'a Arc<Search>,
    tasks: Vec<JoinHandle<()>>,
}

impl More<'_> {
    /// Waits for `future`; meanwhile another task goes on.
    async fn during<F: Future>(&mut self, future: F) -> F::Output {
        let search = self.search;
        let others = search.running_count.fetch_sub(1, Ordering::Relaxed) - 1;
        if others < search.workers && search.task_count.load(Ordering::Relaxed) < DEPTH.max(search.workers) {
            self.tasks.push(start(search));
        }
        let output = future.await;
        search.running_count.fetch_add(1, Ordering::Relaxed);
        output
    }
}

impl Search {
    /// Searches the next file, and the next, as long as there is one and not too many tasks are at it.
    async fn files(&self, more: &mut More<'_>) {
        let mut reader = Reader::of_thread();
        loop {
            let Some(file) = self.job.next() else {
                self.running_count.fetch_sub(1, Ordering::Relaxed);
                break;
            };
            let found = self.file(&mut reader, more, file).await;
            self.found.lock().unwrap_or_else(PoisonError::into_inner)[file] = found;
            self.job.count_one();
            if self.ends_one() {
                break;
            }
        }
        self.task_count.fetch_sub(1, Ordering::Relaxed);
        reader.keep();
    }

    /// Whether the task that asks is one too many, and therefore ends: it is not counted as running any more.
    fn ends_one(&self) -> bool {
        if self.running_count.load(Ordering::Relaxed) <= self.workers {
            return false;
        }
        // Others may have asked at the same time.
        let ends = self.running_count.fetch_sub(1, Ordering::Relaxed) > self.workers;
        self.running_count.fetch_add(usize::from(!ends), Ordering::Relaxed);
        ends
    }

    async fn file(&self, reader: &mut Reader, more: &mut More<'_>, file: usize) -> io::Result<Found> {
        let path = self.job.files[file].path();
        let file = match File::try_open(path) {
            Err(e) if e.kind() == WouldBlock => more.during(File::open(path)).await,
            file => file,
        }?;
        let metadata = match file.try_metadata() {
            Err(e) if e.kind() == WouldBlock => more.during(file.metadata()).await,
            metadata => metadata,
        }?;
        let modified = metadata.modified()?.into();
        let mut progress = Progress::new(&self.job.criteria, path, modified);
        let mut long = None;
        reader.window.begin();
        loop {
            if reader.window.is_full() {
                if long.is_none() {
                    long = self.long.try_acquire(1);
                }
                if long.is_none() {
                    long = Some(more.during(self.long.acquire(1)).await);
                }
                reader.window.grow();
            }
            let offset = reader.window.offset();
            let result = match file.try_read_at(reader.window.room(), offset) {
                Err(e) if e.kind() == WouldBlock => more.during(read(&file, &mut reader.window)).await,
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
