//! The handle that waits for a task's output.
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
use super::cell::{drop_payload_caught, take_output};
use super::header::{Header, Stage};
use super::home::Home;
use super::state::Join;
use super::unwind::Caught;
use super::waker;
use crate::error::JoinError;

/// Waits for a task and takes its output.
///
/// Dropping it detaches the task, which runs on. The output is then dropped by the thread that completes it.
#[must_use = "dropping a join handle detaches its task; call `detach` to say so"]
pub struct JoinHandle<T, H: Home> {
    task: NonNull<Header>,
    _output: PhantomData<(T, H)>,
}

// SAFETY: the handle moves the output to its own thread, and the rest is atomic.
unsafe impl<T: Send, H: Home> Send for JoinHandle<T, H> {}
// SAFETY: a shared handle gives no access to the output.
unsafe impl<T: Send, H: Home> Sync for JoinHandle<T, H> {}
impl<T, H: Home> Unpin for JoinHandle<T, H> {}

impl<T, H: Home> JoinHandle<T, H> {
    /// A handle for the reference J, which the caller gives up.
    ///
    /// # Safety
    /// The task lies in an `H`, and `T` is the type of its output.
    #[inline(always)]
    pub(super) unsafe fn from_reference(task: NonNull<Header>) -> Self {
        JoinHandle { task, _output: PhantomData }
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: the handle holds a reference (J).
        unsafe { self.task.as_ref() }
    }

    /// Cancels the task: its future is dropped, not polled again, and the handle gives
    /// [`JoinError::Cancelled`]. A task that has come to its end stays as it is. Returns at once.
    pub fn abort(&self) {
        abort::<H>(self.task);
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
    pub fn abort_handle(&self) -> AbortHandle<H> {
        self.header().state.add_ref();
        AbortHandle::from_reference(self.task)
    }

    /// The task that the handle waits for.
    #[cfg(feature = "alloc")]
    pub(super) fn task(&self) -> NonNull<Header> {
        self.task
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

impl<T, H: Home> Future for JoinHandle<T, H> {
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
        Poll::Ready(unsafe { take_output::<T, H>(self.task) })
    }
}

impl<T, H: Home> Drop for JoinHandle<T, H> {
    #[inline]
    fn drop(&mut self) {
        let state = &self.header().state;
        let (mut join, stored) = state.poll_join();
        if join == Join::Pending {
            join = state.drop_handle(stored);
            if join == Join::Pending {
                if stored {
                    let _release = Release::<H>(self.task, false, PhantomData);
                    // SAFETY: both bits went at once: the field came back to us, with the waker that we stored.
                    drop(unsafe { self.take_waker() });
                }
                return;
            }
        }
        if matches!(self.header().stage(), Stage::Gone | Stage::Plain | Stage::Cancelled) {
            let after = state.drop_output_ref();
            // SAFETY: just returned by the word; a drop leaves nothing to submit.
            return unsafe { waker::follow::<H>(self.task, after) };
        }
        let _release = Release::<H>(self.task, true, PhantomData);
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

impl<T, H: Home> fmt::Debug for JoinHandle<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
