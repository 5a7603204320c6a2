//! The end of a reactor, and of all that is in flight on it.

use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::time::Duration;

use ouzel_core::driver::{Deadline, Nanos};
use ouzel_core::op::Completion;

use super::ReactorCell;
use crate::platform::{self, ECANCELED};

/// How long the end waits for peers to acknowledge what was sent without a copy.
const PATIENCE: Duration = Duration::from_secs(1);

impl ReactorCell {
    /// Cancels everything in flight and waits for the kernel's answers. The reactor stays usable.
    pub(crate) fn cancel_everything(&self) {
        self.alarms.end_all();
        self.send_taken();
        let mut keys = Vec::new();
        self.slab.for_each_live(|key| keys.push(key));
        for key in keys {
            if self.limits.end_timer(&self.slab, key) {
                self.complete(key, Completion::done(-ECANCELED));
            } else {
                self.driver.borrow_mut().cancel(key);
            }
        }
        self.wait_until_quiet();
    }

    fn wait_until_quiet(&self) {
        let patience = platform::now() + PATIENCE;
        while self.slab.live() > 0 {
            let mut limit = None;
            if self.driver.borrow().unacknowledged() > 0 {
                limit = Some(Deadline(patience));
                if platform::now() >= patience {
                    self.driver.borrow_mut().reset_unacknowledged();
                    limit = None;
                }
            }
            let parked = self.seat.park.begin();
            let deadline = if parked { limit } else { Some(Deadline(Nanos(0))) };
            if self.wait(deadline).is_err() {
                return;
            }
            self.seat.park.end();
        }
        self.turn();
    }

    /// The end: nothing is accepted any more, all that is in flight is cancelled and waited for.
    pub(crate) fn close(&self) {
        self.alarms.close();
        self.slab.cancel_all(|_| {});
        self.cancel_everything();
        while !self.slab.is_quiet() {
            // A cancel is between its mark and its push.
            std::thread::yield_now();
            self.take_cancels();
        }
    }

    /// Cancels what is in flight when the guard is dropped: the end of a `block_on`.
    pub(crate) fn cancel_on_drop(self: &Rc<Self>) -> CancelOnDrop {
        CancelOnDrop(Rc::clone(self))
    }
}

impl Drop for ReactorCell {
    fn drop(&mut self) {
        if !self.origin.is_another_process() {
            self.close();
            // SAFETY: once, and nobody uses it after this.
            unsafe { ManuallyDrop::drop(&mut self.driver) };
        }
    }
}

/// See [`ReactorCell::cancel_on_drop`].
pub(crate) struct CancelOnDrop(Rc<ReactorCell>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel_everything();
    }
}
