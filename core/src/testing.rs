//! Where a test's thread sleeps, on core's own atomics and locks, which shuttle replaces and TSan sees through.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use crate::driver::Unpark;
use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicBool, Lock, Ordering};

/// A thread's sleeping place.
#[derive(Default)]
pub(crate) struct Bed {
    rung: AtomicBool,
    sleeper: Lock<Option<Thread>>,
}

impl Bed {
    /// From here on the calling thread is the one that sleeps here.
    pub(crate) fn enter(&self) {
        *self.sleeper.lock() = Some(thread::current());
    }

    /// Whether somebody has rung since the last time; takes it back.
    pub(crate) fn has_rung(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }

    /// Until somebody rings.
    pub(crate) fn sleep(&self) {
        while !self.has_rung() {
            thread::park();
        }
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        // Nobody has entered yet: whoever does finds it rung.
        if let Some(sleeper) = &*self.sleeper.lock() {
            sleeper.unpark();
        }
    }
}

impl Unpark for Bed {
    fn unpark(&self) {
        self.ring();
    }
}

impl Wake for Bed {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// Runs `future` on this thread, which is no worker.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let bed = Arc::new(Bed::default());
    bed.enter();
    let waker = Waker::from(Arc::clone(&bed));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => bed.sleep(),
        }
    }
}
