//! What a million tasks take, and that it goes back to the system afterwards.
//!
//! One test, so that nothing else in this process allocates meanwhile.

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ouzel::{JoinError, JoinHandle, LocalJoinHandle, LocalRuntime, Metrics, Runtime, yield_now};
use ouzel_tests::{until, watchdog};

const TASKS: usize = 1_000_000;
const CHUNK: u64 = 64 * 1024;
/// A multiple of every page size there is.
const PAGES: usize = 64 * 1024;

/// A task's future of `8 * WORDS` bytes that waits until it is aborted.
struct Parked<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Future for Parked<WORDS> {
    type Output = u64;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u64> {
        if self.0[0] == u64::MAX { Poll::Ready(self.0[1]) } else { Poll::Pending }
    }
}

/// Bytes of this process that are in memory; none if the system does not tell, or a sanitizer keeps books of its own
/// beside ours.
fn resident() -> Option<u64> {
    if std::env::var_os("LSAN_OPTIONS").is_some() {
        return None;
    }
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: it takes a plain number and touches no memory of ours.
    Some(pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?)
}

/// What is asked of a runtime.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// So many tasks with futures of 16 bytes, all parked at once, then aborted and joined.
    Small(usize),
    /// The same with 128 bytes.
    Large(usize),
    /// So many tasks that are all spawned before the first of them runs, then joined.
    Burst(usize),
}

/// What was in use when a load was there: resident bytes, less the test's own, and those of chunks.
#[derive(Clone, Copy, Debug)]
struct Found {
    resident: Option<u64>,
    task_bytes: u64,
}

/// Makes the load on the way's runtime and waits for its end.
type Run<J> = fn(&'static Way<J>, Load, Handles<J>) -> (Handles<J>, Found);

/// How a runtime is asked.
struct Way<J: 'static> {
    name: &'static str,
    metrics: fn(&Self) -> Metrics,
    trim: fn(&Self),
    run: Run<J>,
    small: fn(Parked<2>) -> J,
    large: fn(Parked<16>) -> J,
    abort: fn(&J),
    shared: Option<Runtime>,
    local: Option<LocalRuntime>,
}

// SAFETY: a `LocalRuntime` in it is used on the thread that made it; the loads that move to workers leave it alone.
unsafe impl<J> Sync for Way<J> {}

/// A list that is made once, so that the allocator has nothing of it to keep.
struct Handles<J>(Vec<J>);

impl<J> Handles<J> {
    fn new() -> Self {
        Handles(Vec::with_capacity(TASKS))
    }

    /// The list is empty: the memory behind it goes.
    fn forget_pages(&mut self) {
        assert!(self.0.is_empty());
        let start = self.0.as_ptr().addr().next_multiple_of(PAGES);
        let end = (self.0.as_ptr().addr() + self.0.capacity() * size_of::<J>()) & !(PAGES - 1);
        let at = self.0.as_mut_ptr().with_addr(start).cast();
        // SAFETY: whole pages inside the list's memory, in which there is nothing.
        let done = unsafe { libc::madvise(at, end - start, libc::MADV_DONTNEED) };
        assert_eq!(done, 0);
    }
}

impl<J: Future<Output = Result<u64, JoinError>> + 'static> Way<J> {
    async fn load(&self, load: Load, mut handles: Handles<J>) -> (Handles<J>, Found) {
        let list = &mut handles.0;
        let (Load::Small(tasks) | Load::Large(tasks) | Load::Burst(tasks)) = load;
        let parked = !matches!(load, Load::Burst(_));
        for n in 0..tasks as u64 {
            let done = if parked { 0 } else { u64::MAX };
            list.push(match load {
                Load::Large(_) => (self.large)(Parked([done; 16])),
                _ => (self.small)(Parked([done, n])),
            });
            if parked && n.is_multiple_of(128) {
                yield_now().await;
            }
        }
        yield_now().await;
        let own = (tasks * size_of::<J>()) as u64;
        let found = Found {
            resident: resident().map(|bytes| bytes - own),
            task_bytes: (self.metrics)(self).task_bytes,
        };
        if parked {
            list.iter().for_each(self.abort);
        }
        for (n, handle) in list.drain(..).enumerate() {
            match handle.await {
                Ok(output) => assert!(!parked && output == n as u64),
                Err(error) => assert!(parked && matches!(error, JoinError::Cancelled)),
            }
        }
        (handles, found)
    }

    /// Trims until nothing is left but a reserve of one chunk for each slab and class.
    fn settle(&self) {
        (self.trim)(self);
        // A worker trims when it gets to it.
        until(|| (self.metrics)(self).task_bytes <= 8 * CHUNK);
    }

    fn check(self) {
        let at = Box::into_raw(Box::new(self));
        // SAFETY: it stays until all that uses it is over.
        unsafe { &*at }.check_here();
        // SAFETY: made of a box above; each load has been waited for, so nothing refers to it any more.
        drop(unsafe { Box::from_raw(at) });
    }

    fn check_here(&'static self) {
        let this = self;
        let name = this.name;
        let run = |load, handles| (this.run)(this, load, handles);
        // Whatever is made once is there after this: queues, thread-locals, the first chunks.
        let (mut handles, _) = run(Load::Burst(10_000), run(Load::Large(1000), Handles::new()).0);
        handles.forget_pages();
        this.settle();
        let start = (resident(), (this.metrics)(this).task_bytes);
        for (load, tasks, cells) in
            [(Load::Small(TASKS), TASKS, 1023), (Load::Large(TASKS / 4), TASKS / 4, 341)]
        {
            let found;
            (handles, found) = run(load, handles);
            handles.forget_pages();
            let (used, least) = (found.task_bytes - start.1, tasks.div_ceil(cells) as u64 * CHUNK);
            assert!(used.abs_diff(least) <= 8 * CHUNK, "{name}: {used} bytes of chunks, {least} needed");
            if let (Some(before), Some(with)) = (start.0, found.resident) {
                let each = (with - before) as f64 / tasks as f64;
                println!("{name}: {each:.2} bytes resident per task, {cells} to a chunk");
                assert!(each <= CHUNK as f64 / cells as f64 + 1.0, "{name}: {each} bytes per task");
            }
            this.settle();
        }
        let (mut handles, _) = run(Load::Burst(TASKS), handles);
        handles.forget_pages();
        this.settle();
        if let (Some(before), Some(after)) = (start.0, resident()) {
            println!("{name}: {before} bytes resident before, {after} after the burst and a trim");
            assert!(after <= before + before / 5, "{name}: {before} bytes before, {after} after");
        }
    }
}

/// A runtime of two workers, asked through `run`.
fn shared(name: &'static str, run: Run<JoinHandle<u64>>) -> Way<JoinHandle<u64>> {
    Way {
        name,
        metrics: |way| way.shared.as_ref().unwrap().metrics(),
        trim: |way| way.shared.as_ref().unwrap().trim(),
        run,
        small: ouzel::spawn,
        large: ouzel::spawn,
        abort: JoinHandle::abort,
        shared: Some(Runtime::builder().worker_threads(2).build().unwrap()),
        local: None,
    }
}

#[test]
fn a_million_tasks_take_their_cells_and_give_them_back() {
    watchdog("burst", || {
        shared("spawned by a worker", |way, load, handles| {
            let runtime = way.shared.as_ref().unwrap();
            runtime.block_on(runtime.spawn(way.load(load, handles))).unwrap()
        })
        .check();
        shared("spawned from outside", |way, load, handles| {
            way.shared.as_ref().unwrap().block_on(way.load(load, handles))
        })
        .check();
        Way {
            name: "on a local runtime",
            metrics: |way| way.local.as_ref().unwrap().metrics(),
            trim: |way| way.local.as_ref().unwrap().trim(),
            run: |way: &'static Way<LocalJoinHandle<u64>>, load, handles| {
                way.local.as_ref().unwrap().block_on(way.load(load, handles))
            },
            small: ouzel::spawn_local,
            large: ouzel::spawn_local,
            abort: LocalJoinHandle::abort,
            shared: None,
            local: Some(LocalRuntime::new().unwrap()),
        }
        .check();
    });
}
