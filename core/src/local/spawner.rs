//! What other threads hold of an executor: spawn onto it, wake and abort its tasks, or just wake it up.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::cell;
use super::join;
use super::shared::{Home, Shared};
use crate::error::JoinError;
use crate::sync::{AtomicBool, Lock, Ordering};
use crate::task::unwind::catch;
use crate::task::{TaskId, TaskState, WakeResult};

/// A handle on a [`LocalExecutor`](super::LocalExecutor) for other threads. It keeps nothing running: once
/// the executor is gone, spawns are refused and ids are stale.
#[derive(Clone, Debug)]
pub struct LocalSpawner(Arc<Shared>);

impl LocalSpawner {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        LocalSpawner(shared)
    }

    /// Spawns a future on the executor's thread. It allocates, and takes a lock.
    ///
    /// # Errors
    /// The executor is shut down; the future is given back.
    pub fn spawn_send<F>(&self, future: F) -> Result<SendJoinHandle<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let packet = Arc::new(Packet::new());
        // The way back for a refused future: the job is a box that forgets its type.
        let carrier = Arc::new(Lock::new(Some(future)));
        let (theirs, to) = (Arc::clone(&carrier), Reporter(Arc::clone(&packet)));
        let job = move |shared: &Shared, home: &Home| {
            let Some(future) = theirs.lock().take() else { return };
            // Refused: the future is dropped, and the reporter says cancelled.
            let _detached = join::spawn(shared, home, Reporting { future, to });
        };
        match self.0.submit(Box::new(job)) {
            Ok(()) => Ok(SendJoinHandle(packet)),
            Err(job) => {
                let future = carrier.lock().take();
                drop(job);
                match future {
                    Some(future) => Err(future),
                    None => unreachable!("the job has not run"),
                }
            }
        }
    }

    /// Makes the executor's sleep, or its next one, end.
    pub fn notify(&self) {
        self.0.unpark();
    }

    /// Wakes the task that `id` names, if it is still there. Lock-free and without allocation, so it may be
    /// called in signal handlers, also of the executor's own thread.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        cell::wake_by_id_elsewhere(&self.0, id)
    }

    /// What the task that `id` names is doing.
    #[must_use]
    pub fn state(&self, id: TaskId) -> TaskState {
        id.state(&self.0.table)
    }

    /// Asks the owner to abort the task that `id` names. False: the executor is shut down. Whether the task is
    /// still there is found out on its thread.
    pub fn abort(&self, id: TaskId) -> bool {
        self.0
            .submit(Box::new(move |shared: &Shared, _: &Home| {
                cell::abort_by_id(shared, id);
            }))
            .is_ok()
    }
}

/// What a task spawned by another thread leaves, and where its joiner waits.
struct Packet<T> {
    inner: Lock<Inner<T>>,
    aborted: AtomicBool,
}

struct Inner<T> {
    result: Option<Result<T, JoinError>>,
    done: bool,
    joiner: Option<Waker>,
    /// Wakes the task, so that it sees `aborted`.
    task: Option<Waker>,
}

impl<T> Packet<T> {
    fn new() -> Self {
        Packet {
            inner: Lock::new(Inner { result: None, done: false, joiner: None, task: None }),
            aborted: AtomicBool::new(false),
        }
    }

    fn finish(&self, result: Result<T, JoinError>) {
        let (joiner, task) = {
            let mut inner = self.inner.lock();
            if inner.done {
                return;
            }
            inner.done = true;
            inner.result = Some(result);
            (inner.joiner.take(), inner.task.take())
        };
        drop(task);
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }
}

/// Tells the joiner, at the latest when it is dropped.
struct Reporter<T>(Arc<Packet<T>>);

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        self.0.finish(Err(JoinError::Cancelled));
    }
}

/// The future of such a task. The fields are dropped in this order: a joiner that is told cancelled finds
/// the future gone.
struct Reporting<F: Future> {
    future: F,
    to: Reporter<F::Output>,
}

impl<F: Future> Future for Reporting<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `future` is not moved out; `to` is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        let packet = &*this.to.0;
        packet.inner.lock().task.get_or_insert_with(|| cx.waker().clone());
        // ORDERING: Acquire pairs with the Release in `abort`: what came before the abort. After the
        // waker is in place, so that an abort either is seen here or wakes.
        if packet.aborted.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        // SAFETY: pinned with `self`.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        match catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => packet.finish(Ok(output)),
            #[cfg(feature = "std")]
            Err(caught) => packet.finish(Err(JoinError::Panic(caught))),
            #[cfg(not(feature = "std"))]
            Err(caught) => match caught {},
        }
        Poll::Ready(())
    }
}

/// Waits for a task spawned with [`LocalSpawner::spawn_send`]; from any thread.
///
/// Dropping it detaches the task.
#[must_use = "a dropped handle detaches the task"]
pub struct SendJoinHandle<T>(Arc<Packet<T>>);

impl<T> SendJoinHandle<T> {
    /// Cancels the task; it is dropped on its own thread, when that gets to it.
    pub fn abort(&self) {
        // ORDERING: Release pairs with the Acquire in `Reporting::poll`.
        self.0.aborted.store(true, Ordering::Release);
        let task = self.0.inner.lock().task.take();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Whether the task is over.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.inner.lock().done
    }

    /// Lets the task run on by itself.
    pub fn detach(self) {}
}

impl<T> Future for SendJoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned before the lock: a waker's clone is foreign code.
        let waker = cx.waker().clone();
        let mut inner = self.0.inner.lock();
        if let Some(result) = inner.result.take() {
            return Poll::Ready(result);
        }
        assert!(!inner.done, "a join handle was polled after it was ready");
        let old = inner.joiner.replace(waker);
        drop(inner);
        drop(old);
        Poll::Pending
    }
}

impl<T> fmt::Debug for SendJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendJoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
