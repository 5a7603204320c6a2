//! Spawning on this thread, and the handle on a task of a single-thread executor. It stays on the executor's thread, so it is plain.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::{self, NonNull};
use core::task::{Context, Poll};

use super::cell;
use super::refs::Biased;
use super::shared::{Home, Shared};
use super::waker::shared_of;
use super::word::{get, joiner_is, put_joiner, set, take_joiner};
use crate::error::JoinError;
use crate::sync::Bits;
use crate::task::cell::{drop_payload_caught, take_output};
use crate::task::given::Source;
use crate::task::in_slab::{InSlab, build};
use crate::task::state::{COMPLETE, JOIN_INTEREST, JOIN_WAKER, REF};
use crate::task::unwind::{Caught, discard};
use crate::task::{Header, TaskId};

/// Spawns a task. None, and the future is where it was, if the executor is shut down or out of memory, or there is no free
/// cell at hand and it should be `LISTED`. On its thread.
#[inline(always)]
pub(super) fn spawn<const LISTED: bool, F: Future + 'static>(
    shared: &Shared,
    home: &Home,
    future: &mut impl Source<F>,
) -> Option<LocalJoinHandle<F::Output>> {
    // The task is spawned with a reference for its handle.
    let task = make::<LISTED, F>(shared, home, future, true)?;
    Some(LocalJoinHandle { task: task.as_ptr(), _output: PhantomData })
}

/// As `spawn`, without a handle.
#[inline(always)]
pub(super) fn spawn_detached<const LISTED: bool, F: Future + 'static>(
    shared: &Shared,
    home: &Home,
    future: &mut impl Source<F>,
) -> Option<()> {
    make::<LISTED, F>(shared, home, future, false).map(drop)
}

#[inline(always)]
fn make<const LISTED: bool, F: Future + 'static>(
    shared: &Shared,
    home: &Home,
    future: &mut impl Source<F>,
    joined: bool,
) -> Option<NonNull<Header>> {
    if home.closed.get() {
        return None;
    }
    let task = build::<LISTED, F>(&home.slab, future)?;
    // Before the push, which is a call if the queue has to grow: so nothing is kept over it.
    home.spawned.set(home.spawned.get() + 1);
    cell::begin(shared, task, joined);
    Some(task)
}

/// Waits for a task and takes its output.
///
/// Dropping it detaches the task, which runs on. It may outlive the executor; then the task has been cancelled,
/// unless it was done.
#[must_use = "dropping a join handle detaches its task; call `detach` to say so"]
pub struct LocalJoinHandle<T> {
    /// The task, or `REFUSED`, or `GIVEN`.
    task: *mut Header,
    /// Neither `Send` nor `Sync`.
    _output: PhantomData<(T, *mut ())>,
}

/// In place of a task: an executor that was shut down, or had no memory, refused it.
const REFUSED: *mut Header = ptr::null_mut();
/// In place of a task: the output has been given.
const GIVEN: *mut Header = ptr::without_provenance_mut(1);

impl<T> Unpin for LocalJoinHandle<T> {}

impl<T> LocalJoinHandle<T> {
    /// The handle of a task that never was.
    pub(super) fn cancelled() -> Self {
        LocalJoinHandle { task: REFUSED, _output: PhantomData }
    }

    #[inline(always)]
    fn task(&self) -> Option<NonNull<Header>> {
        if self.task.addr() <= GIVEN.addr() { None } else { NonNull::new(self.task) }
    }

    /// Cancels the task: its future is dropped when the executor gets to it, not polled again. A task that
    /// has come to its end stays as it is.
    pub fn abort(&self) {
        if let Some(task) = self.task() {
            // SAFETY: a task of a `LocalExecutor`, held by the handle.
            let shared = unsafe { shared_of(task) };
            // SAFETY: alive as long as the task.
            let shared = unsafe { shared.as_ref() };
            // SAFETY: the handle is on the owner's thread and holds a reference.
            unsafe { cell::abort(shared, task) };
        }
    }

    /// Lets the task run on without a handle.
    pub fn detach(self) {}

    /// Whether there never was a task: the executor was shut down, or there was no memory. The future has been dropped.
    #[inline]
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.task == REFUSED
    }

    /// Whether the task has come to its end, so that the handle is ready.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // SAFETY: as long as the task is there, the handle holds a reference.
        self.task().is_none_or(|task| get(unsafe { task.as_ref() }) & COMPLETE != 0)
    }

    /// The task's name, which holds no reference; other threads wake it with
    /// [`LocalSpawner::wake`](super::LocalSpawner::wake). None if there is no task (any more) behind the handle.
    #[must_use]
    pub fn id(&self) -> Option<TaskId> {
        self.task().map(TaskId::export)
    }
}

impl<T> Future for LocalJoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// If it has been ready before.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = self.task() else {
            assert!(self.task == REFUSED, "a join handle was polled after it had given the output");
            self.task = GIVEN;
            return Poll::Ready(Err(JoinError::Cancelled));
        };
        // SAFETY: the handle holds a reference.
        let cell = unsafe { task.as_ref() };
        let word = get(cell);
        if word & COMPLETE != 0 {
            self.task = GIVEN;
            // The handle's reference, which it forgot just now, goes when the output is where it belongs.
            let _over = Over { task, word };
            // SAFETY: complete, and this is its handle.
            return Poll::Ready(unsafe { take_output::<_, InSlab>(task) });
        }
        // SAFETY: the bit says that a waker is there.
        if word & JOIN_WAKER != 0 && unsafe { joiner_is(cell, cx.waker()) } {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        // The clone is foreign code: it may have run the executor.
        let word = get(cell);
        if word & COMPLETE != 0 {
            waker.wake();
            return Poll::Pending;
        }
        // SAFETY: the bit says that a waker is there; it is replaced below.
        let old = (word & JOIN_WAKER != 0).then(|| unsafe { take_joiner(cell) });
        // SAFETY: what was there has been taken out.
        unsafe { put_joiner(cell, waker) };
        set(cell, word | JOIN_WAKER);
        drop(old);
        Poll::Pending
    }
}

/// Gives back the reference of a handle whose task is over, in `word`, if nothing is called meanwhile.
struct Over {
    task: NonNull<Header>,
    word: Bits,
}

impl Drop for Over {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the owner's thread, and the handle's reference.
        unsafe { cell::drop_over(self.task, self.word) };
    }
}

/// Gives the handle's reference back even if a destructor unwinds.
struct Release(NonNull<Header>);

impl Drop for Release {
    fn drop(&mut self) {
        // SAFETY: the owner's thread, and the handle's reference.
        unsafe { cell::drop_own(self.0) };
    }
}

impl<T> Drop for LocalJoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        let Some(task) = self.task() else { return };
        // SAFETY: the handle's reference is held until the end.
        let cell = unsafe { task.as_ref() };
        let word = get(cell);
        if word & (COMPLETE | JOIN_WAKER) == 0 && cell.own() > 1 {
            // Detached: the short way.
            set(cell, (word & !JOIN_INTEREST) - REF);
        } else {
            // SAFETY: this is the handle, which goes with this call.
            unsafe { drop_handle(task, word) };
        }
    }
}

/// What is left of a handle's drop when there is a waker to take back, or an output nobody took.
///
/// # Safety
/// The caller is the handle of `task`, with its reference, and `word` is the task's word.
#[cold]
#[inline(never)]
unsafe fn drop_handle(task: NonNull<Header>, word: Bits) {
    // SAFETY: the handle's reference is held until the end.
    let cell = unsafe { task.as_ref() };
    let _release = Release(task);
    if word & COMPLETE == 0 {
        // SAFETY: the bit says that a waker is there; it is cleared below, before the waker is dropped.
        let waker = (word & JOIN_WAKER != 0).then(|| unsafe { take_joiner(cell) });
        set(cell, word & !(JOIN_INTEREST | JOIN_WAKER));
        drop(waker);
    } else if let Err(caught) = {
        set(cell, word & !JOIN_INTEREST);
        // SAFETY: complete, and this is its handle.
        unsafe { drop_payload_caught(task) }
    } {
        resume(caught);
    }
}

/// Lets a panic of an output's drop go on, in the one who drops the handle.
#[cold]
fn resume(caught: Caught) {
    #[cfg(feature = "std")]
    if !std::thread::panicking() {
        std::panic::resume_unwind(caught.into_inner());
    }
    discard(caught);
}

impl<T> fmt::Debug for LocalJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalJoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
