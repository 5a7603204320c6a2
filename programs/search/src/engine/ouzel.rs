//! Tasks that take file after file, as many as it needs.
//!
//! What is in memory is read and searched on the spot: a task then never waits, one for each worker does all the work, and as
//! many files are open and buffers used. A task whose read has to wait starts another one, which its worker goes on with; when
//! more can go on than there are workers, one ends. So up to [`DEPTH`] reads are in the rings at once if all have to wait, and
//! one or two buffers more are used if few have. Nothing has to find out beforehand which it is.
//!
//! The thread that asks only waits. When it was one of those that search, on a runtime of its own, there was a thread less, and
//! twelve page faults of 408; but a search took 1.03 to 1.05 of the time in memory (five runs of 40 to 60 in turn), with no more CPU
//! time, and 1.10 on the disk (15). With each thread bound to its processor it took 0.998: one that is started, or woken, by another
//! that goes on running can begin on the same processor, and wait there beside an idle one.

use std::io;
use std::io::ErrorKind::{Interrupted, WouldBlock};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use ouzel::buf::IoBuf;
use ouzel::fs::File;
use ouzel::sync::Semaphore;
use ouzel::{BlockingConfig, Handle, Runtime};

use crate::job::{Job, Told};
use crate::reader::{Found, Reader};
use crate::scan::Progress;
use crate::window::{NARROW, WINDOW, Window};

/// Tasks: files open, and buffers, at the most. All but one a worker have narrow ones: 4 MiB in all.
const DEPTH: usize = 64;

/// Tasks are left.
const GOES_ON: u8 = 0;
/// None is.
const DONE: u8 = 1;
/// One has panicked, whatever the others do.
const PANICKED: u8 = 2;

/// What the tasks share.
struct Search {
    job: Arc<Job>,
    /// By those that have ended.
    told: Mutex<Vec<Told>>,
    /// For a line longer than a buffer: as many at a time as there are workers, so that memory is bounded whatever the lines
    /// are like, and a task that does not wait for a read does not wait for this either.
    long: Semaphore,
    workers: usize,
    /// Tasks that do not wait for a read.
    running_count: AtomicUsize,
    /// All tasks.
    task_count: AtomicUsize,
    /// [`GOES_ON`] until one of the others is true.
    end: AtomicU8,
    /// Waits for that.
    asking: Thread,
}

/// Runtimes and their number of workers. They stay for the searches to come; the process's end takes them along. When one was
/// ended after a search, its threads, which gave their memory back, and the one that prints waited for each other: a
/// `munmap` excludes every other, and up to eighteen waits were seen.
static RUNTIMES: Mutex<Vec<(usize, Runtime)>> = Mutex::new(Vec::new());

/// The one with `workers` workers.
fn runtime(workers: usize) -> io::Result<Handle> {
    let mut runtimes = RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, there)) = runtimes.iter().find(|(n, _)| *n == workers) {
        return Ok(there.handle());
    }
    // For files that are no plain ones, hence hardly ever.
    let blocking = BlockingConfig::with_core_threads(1);
    let runtime = Runtime::builder().worker_threads(workers).blocking(blocking).build()?;
    let handle = runtime.handle();
    runtimes.push((workers, runtime));
    Ok(handle)
}

pub(super) fn run(job: &Arc<Job>, threads: usize) -> io::Result<Vec<Told>> {
    let workers = threads.clamp(1, 64);
    let search = Arc::new(Search::new(job, workers));
    let runtime = runtime(workers)?;
    let tasks: Vec<_> = (0..workers).map(|_| Task::new(&search)).collect();
    for task in tasks {
        runtime.spawn(task.run(WINDOW)).detach();
    }
    if search.wait() == PANICKED {
        return Err(io::Error::other("a task panicked"));
    }
    Ok(std::mem::take(&mut *search.told()))
}

/// One that searches, counted for as long as it is there.
struct Task(Arc<Search>);

impl Task {
    fn new(search: &Arc<Search>) -> Self {
        search.task_count.fetch_add(1, Ordering::Relaxed);
        search.running_count.fetch_add(1, Ordering::Relaxed);
        Task(Arc::clone(search))
    }

    /// With a buffer of `width` bytes.
    async fn run(self, width: usize) {
        // In memory of its own, so that the cells of tasks are small: a worker readies many at the first.
        Box::pin(self.0.files(width)).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // ORDERING: AcqRel pairs with the same of the other tasks: what they have counted and told is there for whoever waits for
        // the last one.
        let is_last = self.0.task_count.fetch_sub(1, Ordering::AcqRel) == 1;
        if thread::panicking() {
            self.0.ends(PANICKED);
        } else if is_last {
            self.0.ends(DONE);
        }
    }
}

impl Search {
    /// One that the thread that calls this waits for.
    fn new(job: &Arc<Job>, workers: usize) -> Self {
        Search {
            job: Arc::clone(job),
            // Room for some: in memory of the workers, as it grows, it keeps what lies behind it from growing in place.
            told: Mutex::new(Vec::with_capacity(128)),
            long: Semaphore::new(workers),
            workers,
            running_count: AtomicUsize::new(0),
            task_count: AtomicUsize::new(0),
            end: AtomicU8::new(GOES_ON),
            asking: thread::current(),
        }
    }

    /// Waits for the end, and says which.
    fn wait(&self) -> u8 {
        loop {
            // ORDERING: Acquire pairs with the Release of `ends`: what tasks have told is there.
            match self.end.load(Ordering::Acquire) {
                GOES_ON => thread::park(),
                end => return end,
            }
        }
    }

    /// Of what was said the worst counts.
    fn ends(&self, end: u8) {
        // ORDERING: Release pairs with the Acquire of `wait`.
        self.end.fetch_max(end, Ordering::Release);
        self.asking.unpark();
    }

    fn told(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_another(self: &Arc<Self>) {
        ouzel::spawn_detached(Task::new(self).run(NARROW));
    }

    /// Waits for `future`; meanwhile another task goes on.
    async fn during<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let others = self.running_count.fetch_sub(1, Ordering::Relaxed) - 1;
        if others < self.workers && self.task_count.load(Ordering::Relaxed) < DEPTH.max(self.workers) {
            self.start_another();
        }
        let output = future.await;
        self.running_count.fetch_add(1, Ordering::Relaxed);
        output
    }

    /// Searches the next file, and the next, as long as there is one and not too many tasks are at it.
    async fn files(self: &Arc<Self>, width: usize) {
        let mut reader = Reader::of_thread(width);
        loop {
            let Some(file) = self.job.next() else {
                self.running_count.fetch_sub(1, Ordering::Relaxed);
                break;
            };
            let found = self.file(&mut reader, file).await;
            if let Some(told) = self.job.count(file, found) {
                self.told().push(told);
            }
            if self.ends_one() {
                break;
            }
        }
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

    async fn file(self: &Arc<Self>, reader: &mut Reader, file: usize) -> io::Result<Found> {
        let path = self.job.files[file].path();
        let file = match File::try_open(path) {
            Err(e) if e.kind() == WouldBlock => apart(|| self.during(File::open(path))).await,
            file => file,
        }?;
        let metadata = match file.try_metadata() {
            Err(e) if e.kind() == WouldBlock => apart(|| self.during(file.metadata())).await,
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
                    long = Some(apart(|| self.during(self.long.acquire(1))).await);
                }
                reader.window.grow();
            }
            let offset = reader.window.offset();
            let result = match file.try_read_at(reader.window.next(), offset) {
                Err(e) if e.kind() == WouldBlock => {
                    apart(|| self.during(read(&file, &mut reader.window))).await
                }
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

/// A future in memory of its own, made and polled on a part of the stack that nothing else needs: for what has to wait. The tasks,
/// and the stacks of those that never wait, are smaller by a page.
#[cold]
#[inline(never)]
fn apart<'a, F: Future + Send + 'a>(
    make: impl FnOnce() -> F,
) -> Pin<Box<dyn Future<Output = F::Output> + Send + 'a>> {
    Box::pin(make())
}

/// Waits for what comes next.
async fn read(file: &File, window: &mut Window) -> io::Result<usize> {
    let offset = window.offset();
    let (buf, room) = window.lend();
    let (result, part) = file.read_at(buf.slice(room), offset).await;
    window.give_back(part.into_inner());
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criteria::Criteria;
    use crate::query::Query;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_task_that_panics_is_told_at_once_and_one_that_ends_when_it_was_the_last() {
        let job = Arc::new(Job::new(Criteria::new(Query::parse("x").unwrap()), Vec::new()));
        let search = Arc::new(Search::new(&job, 2));
        let end = || search.end.load(Ordering::Relaxed);
        let (first, second, last) = (Task::new(&search), Task::new(&search), Task::new(&search));
        drop(first);
        assert_eq!(end(), GOES_ON);
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _task = second;
            panic!("in a task");
        }));
        assert!(panicked.is_err());
        assert_eq!(search.wait(), PANICKED);
        drop(last);
        assert_eq!(search.wait(), PANICKED);
        let search = Arc::new(Search::new(&job, 2));
        let (first, last) = (Task::new(&search), Task::new(&search));
        drop(first);
        assert_eq!(search.end.load(Ordering::Relaxed), GOES_ON);
        let ended = thread::spawn(move || drop(last));
        assert_eq!(search.wait(), DONE);
        ended.join().unwrap();
    }
}
