//! The handle that can abort a task: a counted reference, and what every handle does to let go of its own.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::header::Header;
use super::home::Home;
use super::state::Join;
use super::waker;

/// Gives a reference back even if a destructor unwinds: the join handle's with the output (true), or any.
pub(super) struct Release<H: Home>(pub(super) NonNull<Header>, pub(super) bool, pub(super) PhantomData<H>);

impl<H: Home> Drop for Release<H> {
    fn drop(&mut self) {
        // SAFETY: J is held until here.
        let state = &unsafe { self.0.as_ref() }.state;
        let after = if self.1 { state.drop_output_ref() } else { state.drop_ref() };
        // SAFETY: just returned by the word; a drop leaves nothing to submit.
        unsafe { waker::follow::<H>(self.0, after) };
    }
}

/// Aborts a task. The caller holds a reference.
pub(super) fn abort<H: Home>(task: NonNull<Header>) {
    // SAFETY: the caller's reference.
    let after = unsafe { task.as_ref() }.state.abort();
    // SAFETY: just returned by the word; the reference is held.
    unsafe { waker::follow::<H>(task, after) };
}

/// Aborts a task; holds its cell, but neither the task nor its output.
pub struct AbortHandle<H: Home>(NonNull<Header>, PhantomData<H>);

// SAFETY: all it does is atomic.
unsafe impl<H: Home> Send for AbortHandle<H> {}
// SAFETY: as above.
unsafe impl<H: Home> Sync for AbortHandle<H> {}

impl<H: Home> AbortHandle<H> {
    /// A handle for a reference that the caller gives up, to a task in an `H`.
    pub(crate) fn from_reference(task: NonNull<Header>) -> Self {
        AbortHandle(task, PhantomData)
    }

    /// The reference, which is the caller's from now on.
    #[cfg(feature = "alloc")]
    pub(super) fn into_reference(self) -> NonNull<Header> {
        core::mem::ManuallyDrop::new(self).0
    }

    /// The task. Its cell stays as long as the handle.
    #[cfg(feature = "alloc")]
    pub(super) fn task(&self) -> NonNull<Header> {
        self.0
    }

    /// See [`JoinHandle::abort`](super::join::JoinHandle::abort).
    pub fn abort(&self) {
        abort::<H>(self.0);
    }

    /// Whether the task has come to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // SAFETY: the handle holds a reference.
        unsafe { self.0.as_ref() }.state.poll_join().0 == Join::Complete
    }
}

impl<H: Home> Clone for AbortHandle<H> {
    fn clone(&self) -> Self {
        // SAFETY: the handle holds a reference.
        unsafe { self.0.as_ref() }.state.add_ref();
        AbortHandle(self.0, PhantomData)
    }
}

impl<H: Home> Drop for AbortHandle<H> {
    fn drop(&mut self) {
        drop(Release::<H>(self.0, false, PhantomData));
    }
}

impl<H: Home> fmt::Debug for AbortHandle<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
