//! A signal in flight: told each time it has come.

use core::task::{Context, Waker};
use std::sync::Arc;
use std::task::Wake;

use ouzel::LocalHandle;
use ouzel::signal::unix::Signal;

use crate::lent::{After, Lent};

/// See the module.
pub(crate) struct Hearing {
    signal: Signal,
    number: i32,
    lent: Lent,
    /// Whoever waits; at first what ends the wait of a host-driven loop.
    waiter: Waker,
    /// It came while this was made.
    came: bool,
    cancelled: bool,
}

/// Ends the wait of the host that drives a loop.
struct Notify(LocalHandle);

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// A waker that ends the wait of the host that drives a loop. Allocates.
pub(crate) fn notifier(handle: &LocalHandle) -> Waker {
    Waker::from(Arc::new(Notify(handle.clone())))
}

impl Hearing {
    pub(crate) fn new(signal: Signal, number: i32, lent: Lent, waiter: Waker) -> Self {
        let mut hearing = Hearing { signal, number, lent, waiter, came: false, cancelled: false };
        // Perhaps nobody polls it.
        hearing.came = hearing.look(None).is_some();
        hearing
    }

    /// The signal's number if it has come, or `-ECANCELED` at the end; `how` is woken later.
    pub(crate) fn look(&mut self, how: Option<&Waker>) -> Option<i32> {
        if self.cancelled {
            return Some(-libc::ECANCELED);
        }
        if let Some(waker) = how.filter(|waker| !self.waiter.will_wake(waker)) {
            self.waiter = waker.clone();
        }
        if core::mem::take(&mut self.came) {
            return Some(self.number);
        }
        self.signal.poll_recv(&mut Context::from_waker(&self.waiter)).is_ready().then_some(self.number)
    }

    /// Ends it: that is what the next look finds. Returns who is to look.
    pub(crate) fn cancel(&mut self) -> Option<Waker> {
        self.cancelled = true;
        Some(self.waiter.clone())
    }

    /// The call to make, now that it is over.
    pub(crate) fn settle(self) -> After {
        self.lent.settle()
    }
}
