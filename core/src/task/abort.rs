//! The handle that can abort a task: a counted reference, and what every handle does to let go of its own.

use core::fmt;
use core::ptr::NonNull;

use super::header::Header;
use super::state::Join;
use super::waker;

/// Gives a reference back even if a destructor unwinds: the join handle's with the output (true), or any.
pub(super) struct Release(pub(super) NonNull<Header>, pub(super) bool);

impl Drop for Release {
    fn drop(&mut self) {
        // SAFETY: J is held until here.
        let state = &unsafe { self.0.as_ref() }.state;
        let after = if self.1 { state.drop_output_ref() } else { state.drop_ref() };
        // SAFETY: just returned by the word; a drop leaves nothing to submit.
        unsafe { waker::follow(self.0, after) };
    }
}

/// Aborts a task. The caller holds a reference.
pub(super) fn abort(task: NonNull<Header>) {
    // SAFETY: the caller's reference.
    let after = unsafe { task.as_ref() }.state.abort();
    // SAFETY: just returned by the word; the reference is held.
    unsafe { waker::follow(task, after) };
}

/// Aborts a task; holds its cell, but neither the task nor its output.
pub struct AbortHandle(NonNull<Header>);

// SAFETY: all it does is atomic.
unsafe impl Send for AbortHandle {}
// SAFETY: as above.
unsafe impl Sync for AbortHandle {}

impl AbortHandle {
    /// A handle for a reference that the caller gives up.
    pub(crate) fn from_reference(task: NonNull<Header>) -> Self {
        AbortHandle(task)
    }

    /// The task. Its cell stays as long as the handle.
    pub(super) fn task(&self) -> NonNull<Header> {
        self.0
    }

    /// See [`JoinHandle::abort`](super::JoinHandle::abort).
    pub fn abort(&self) {
        abort(self.0);
    }

    /// Whether the task has come to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // SAFETY: the handle holds a reference.
        unsafe { self.0.as_ref() }.state.poll_join().0 == Join::Complete
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        // SAFETY: the handle holds a reference.
        unsafe { self.0.as_ref() }.state.add_ref();
        AbortHandle(self.0)
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        drop(Release(self.0, false));
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

const _: () = {
    const fn is_send_sync<T: Send + Sync>() {}
    is_send_sync::<AbortHandle>();
};
