//! A scheduler that only queues, and a slab, for the tests of tasks, slabs and shutdown.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::future::{self, Future};
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use super::header::Header;
use super::in_slab::InSlab;
use super::waker::waker_for;
use super::{AfterRun, JoinHandle, Notified, Schedule, cancel, run, spawn_detached_in, spawn_in};
use crate::owned::OwnedTasks;
use crate::slab::{ChunkTable, Pages, Slab, SlabMeta};
use crate::sync::{Lock, Ordering, Unwatched as Counter};

/// Holds what is scheduled until a test runs it.
pub(crate) struct Queue(Lock<VecDeque<Notified>>);

// SAFETY: it takes every task; nobody is entered as its worker.
unsafe impl Schedule for Queue {
    fn schedule(&self, task: Notified) {
        self.0.lock().push_back(task);
    }
}

impl Queue {
    pub(crate) fn pop(&self) -> Option<Notified> {
        self.0.lock().pop_front()
    }

    /// Runs what is queued until nothing is; returns how many polls or cancellations that took.
    pub(crate) fn run_all(&self) -> usize {
        let mut runs = 0;
        while let Some(task) = self.pop() {
            self.run(task);
            runs += 1;
        }
        runs
    }

    /// Runs one task and queues it again if that is asked for.
    pub(crate) fn run(&self, task: Notified) {
        if let AfterRun::Again(task) | AfterRun::Yielded(task) = run(task) {
            self.schedule(task);
        }
    }

    /// The end of a shutdown: cancels, runs what is queued, and waits for what is on its way.
    pub(crate) fn drain(&self, owned: &OwnedTasks) {
        owned.cancel_all(cancel);
        loop {
            self.run_all();
            if owned.all_complete() {
                break;
            }
            crate::sync::spin_loop();
        }
    }
}

/// A slab and where its tasks go.
pub(crate) struct Rig {
    pub(crate) queue: Arc<Queue>,
    pub(crate) owned: Arc<OwnedTasks>,
    pub(crate) slab: Slab,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let queue = Arc::new(Queue(Lock::new(VecDeque::new())));
        let table = Arc::new(ChunkTable::new(Pages::HEAP));
        let slab = Slab::new(SlabMeta::new(Arc::clone(&queue) as Arc<dyn Schedule>, Arc::clone(&table)));
        Rig { queue, owned: Arc::new(OwnedTasks::new(table)), slab }
    }

    pub(crate) fn meta(&self) -> SlabMeta {
        SlabMeta::new(Arc::clone(&self.queue) as Arc<dyn Schedule>, Arc::clone(self.owned.table()))
    }

    pub(crate) fn spawn<F>(&self, future: F) -> (Notified, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn_in::<false, _>(&self.slab, &mut Some(future)).expect("there is memory")
    }

    pub(crate) fn detached<F>(&self, future: F) -> Notified
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn_detached_in::<false, _>(&self.slab, &mut Some(future)).expect("there is memory")
    }

    /// That no task is left: nothing queued, every cell free. Call it when all threads are joined.
    pub(crate) fn assert_empty(&self) {
        assert!(self.queue.pop().is_none(), "a task was queued after the end");
        self.owned.table().all(|cell| {
            // SAFETY: cells in a table stay mapped.
            let word = unsafe { cell.as_ref() }.state.load(Ordering::Relaxed);
            assert!(word.is_free(), "a cell is still held: {word:?}");
            true
        });
    }
}

/// The cell behind an N that is kept.
pub(crate) fn cell_of(task: Notified) -> (Notified, NonNull<Header>) {
    let cell = task.into_raw();
    // SAFETY: it was turned into a pointer on the line above.
    (unsafe { Notified::from_raw(cell) }, cell)
}

/// A waker (W) of the task in `cell`, to which the caller holds a reference or N.
pub(crate) fn waker_of(cell: NonNull<Header>) -> Waker {
    // SAFETY: the caller keeps the cell.
    unsafe { cell.as_ref() }.state.add_ref();
    // SAFETY: the reference is the one made above.
    unsafe { waker_for::<InSlab>(cell) }
}

/// Counts its drops.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<Counter>);

/// Dropped: counted.
pub(crate) struct Token(Arc<Counter>);

impl Drops {
    pub(crate) fn token(&self) -> Token {
        Token(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls `f` until it says so, holding `token`; gives the token back.
pub(crate) fn until(
    token: Token,
    mut f: impl FnMut(&mut Context<'_>) -> bool + Send,
) -> impl Future<Output = Token> + Send {
    let mut token = Some(token);
    future::poll_fn(move |cx| {
        if f(cx) { Poll::Ready(token.take().expect("polled after it was ready")) } else { Poll::Pending }
    })
}
