//! What a task leaves for a joiner on another thread, and where that waits.
//!
//! The task's own word and waker field belong to its owner's thread, so the two meet in a packet beside it: in a
//! cell of the slab that the task's cell comes from too, counted by both, gone with the last.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use crate::error::JoinError;
use crate::slab::Slab;
use crate::sync::{AtomicBool, AtomicU32, Lock, Ordering};
use crate::task::Header;
use crate::task::in_slab::{store, stored_in, unstore};
use crate::task::unwind::catch;

/// See the module.
struct Packet<T> {
    inner: Lock<Inner<T>>,
    aborted: AtomicBool,
    /// Holders: the task and the joiner, at first.
    holders: AtomicU32,
}

struct Inner<T> {
    result: Option<Result<T, JoinError>>,
    done: bool,
    joiner: Option<Waker>,
    /// Wakes the task, so that it sees `aborted`.
    task: Option<Waker>,
}

impl<T> Packet<T> {
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

/// One hold on a packet.
struct Held<T>(NonNull<Header>, PhantomData<Packet<T>>);

// SAFETY: the packet is shared by a lock and atomics, and its last holder drops what is in it.
unsafe impl<T: Send> Send for Held<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Held<T> {}

impl<T> core::ops::Deref for Held<T> {
    type Target = Packet<T>;

    fn deref(&self) -> &Packet<T> {
        // SAFETY: the packet is there as long as it is held.
        unsafe { stored_in(self.0) }
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        // ORDERING: AcqRel: the other holder's last use comes before the end of the packet.
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: nobody holds it any more.
            drop(unsafe { unstore::<Packet<T>>(self.0) });
        }
    }
}

/// A new packet: the task's hold, and the joiner's. None when memory has run out.
pub(super) fn packet<T>(slab: &Slab) -> Option<(Reporter<T>, SendJoinHandle<T>)> {
    let packet = Packet {
        inner: Lock::new(Inner::<T> { result: None, done: false, joiner: None, task: None }),
        aborted: AtomicBool::new(false),
        holders: AtomicU32::new(2),
    };
    let cell = store(slab, packet).ok()?;
    Some((Reporter(Held(cell, PhantomData)), SendJoinHandle(Held(cell, PhantomData))))
}

/// Tells the joiner, at the latest when it is dropped.
pub(super) struct Reporter<T>(Held<T>);

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        self.0.finish(Err(JoinError::Cancelled));
    }
}

/// The future of such a task. The fields are dropped in this order: a joiner that is told cancelled finds
/// the future gone.
pub(super) struct Reporting<F: Future> {
    pub(super) future: F,
    pub(super) to: Reporter<F::Output>,
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

/// Waits for a task spawned with [`LocalSpawner::spawn_send`](super::LocalSpawner::spawn_send); from any thread.
///
/// Dropping it detaches the task.
#[must_use = "a dropped handle detaches the task"]
pub struct SendJoinHandle<T>(Held<T>);

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
