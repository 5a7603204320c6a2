//! Spawning, and the handle that waits for the output.
//!
//! The join waker's field (`Header::tail`) is the handle's while JOIN_WAKER is clear and the task pending, and
//! the completer's once it has seen the bit; both may read it while the bit is set (`state`).

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use super::abort::{AbortHandle, Release, abort};
use super::cell::{build, drop_payload_caught, take_output};
use super::header::{Header, Stage};
use super::id::TaskId;
use super::schedule::Notified;
use super::state::Join;
use super::unwind::Caught;
use super::waker;
use crate::error::JoinError;
use crate::slab::Slab;

/// Makes a task of `future` in a cell of `slab`: one plain store publishes it. The caller schedules it.
///
/// # Errors
/// The future back when memory has run out.
#[inline]
pub(crate) fn spawn_in<F>(slab: &Slab, future: F) -> Result<(Notified, JoinHandle<F::Output>), F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = build(slab, future)?;
    // SAFETY: built on the line above, and nobody else's yet.
    unsafe { task.as_ref() }.state.spawn(true);
    // SAFETY: `spawn` set SCHED, and this is its N.
    Ok((unsafe { Notified::from_raw(task) }, JoinHandle { task, _output: PhantomData }))
}

/// The same without a handle: nobody hears of the output.
///
/// # Errors
/// As for [`spawn_in`].
#[inline]
pub(crate) fn spawn_detached_in<F>(slab: &Slab, future: F) -> Result<Notified, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = build(slab, future)?;
    // SAFETY: built on the line above, and nobody else's yet.
    unsafe { task.as_ref() }.state.spawn(false);
    // SAFETY: `spawn` set SCHED, and this is its N.
    Ok(unsafe { Notified::from_raw(task) })
}

/// Waits for a task and takes its output.
///
/// Dropping it detaches the task, which runs on. The output is then dropped by the thread that completes it.
#[must_use = "dropping a join handle detaches its task; call `detach` to say so"]
pub struct JoinHandle<T> {
    task: NonNull<Header>,
    _output: PhantomData<T>,
}

// SAFETY: the handle moves the output to its own thread, and the rest is atomic.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle gives no access to the output.
unsafe impl<T: Send> Sync for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: the handle holds a reference (J).
        unsafe { self.task.as_ref() }
    }

    /// Cancels the task: its future is dropped, not polled again, and the handle gives
    /// [`JoinError::Cancelled`]. A task that has come to its end stays as it is. Returns at once.
    pub fn abort(&self) {
        abort(self.task);
    }

    /// Lets the task run on without a handle.
    pub fn detach(self) {}

    /// Whether the task has come to its end, so that the handle is ready.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.header().state.poll_join().0 == Join::Complete
    }

    /// Another way to abort the task, which does not keep it from being detached.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.header().state.add_ref();
        AbortHandle::from_reference(self.task)
    }

    /// The task's name, which holds no reference.
    #[must_use]
    pub fn id(&self) -> TaskId {
        TaskId::export(self.task)
    }

    /// Takes the waker out of the header.
    ///
    /// # Safety
    /// The field is the handle's and a waker is in it.
    unsafe fn take_waker(&self) -> Waker {
        // SAFETY: the caller's promise; `with_mut`, as the field may be written from here on.
        self.header().tail.with_mut(|t| unsafe { t.cast::<Waker>().read() })
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// If it has been ready before.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let header = self.header();
        let state = &header.state;
        let (mut join, stored) = state.poll_join();
        if join == Join::Pending && stored {
            // SAFETY: a waker is there, and as long as the bit is set both sides only read.
            let same = header.tail.with(|t| unsafe { &*t.cast::<Waker>() }.will_wake(cx.waker()));
            if same {
                return Poll::Pending;
            }
            join = state.take_waker_back();
            if join == Join::Pending {
                // SAFETY: the field came back to us, with the waker that we stored.
                drop(unsafe { self.take_waker() });
            }
        }
        if join == Join::Pending {
            let waker = cx.waker().clone();
            // SAFETY: JOIN_WAKER is clear, so the field is ours; there is no waker in it to be dropped.
            header.tail.with_mut(|t| unsafe { t.cast::<Waker>().write(waker) });
            join = state.store_waker();
            if join == Join::Pending {
                return Poll::Pending;
            }
            // SAFETY: the task completed before the bit was set, so the field stayed ours.
            drop(unsafe { self.take_waker() });
        }
        // SAFETY: the task is complete, and this is its handle.
        Poll::Ready(unsafe { take_output(self.task) })
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        let state = &self.header().state;
        let (mut join, stored) = state.poll_join();
        if join == Join::Pending {
            join = state.drop_handle(stored);
            if join == Join::Pending {
                if stored {
                    let _release = Release(self.task, false);
                    // SAFETY: both bits went at once: the field came back to us, with the waker that we stored.
                    drop(unsafe { self.take_waker() });
                }
                return;
            }
        }
        if matches!(self.header().stage(), Stage::Gone | Stage::Plain | Stage::Cancelled) {
            let after = state.drop_output_ref();
            // SAFETY: just returned by the word; a drop leaves nothing to submit.
            return unsafe { waker::follow(self.task, after) };
        }
        let _release = Release(self.task, true);
        // SAFETY: the task is complete, and this is its handle.
        if let Err(caught) = unsafe { drop_payload_caught(self.task) } {
            resume(caught);
        }
    }
}

/// Lets a panic of an output's drop go on, in the thread that drops the handle.
#[cfg(feature = "std")]
#[cold]
fn resume(caught: Caught) {
    if !std::thread::panicking() {
        std::panic::resume_unwind(caught.into_inner());
    }
    super::unwind::discard(caught);
}

#[cfg(not(feature = "std"))]
fn resume(caught: Caught) {
    match caught {}
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

const _: () = {
    const fn is_send_sync<T: Send + Sync>() {}
    is_send_sync::<JoinHandle<u32>>();
    is_send_sync::<JoinError>();
};
