//! Alarms: the timers that futures wait for, on the wheel of the thread that set them.
//!
//! ```text
//!   future                    Alarms (one per reactor, one thread)
//!   Alarm --- node <--------- set      deadline and waker: a node into the wheel
//!      |       ^------------- expire   out of the wheel, the waker woken; the node stays the alarm's
//!      |--- end, at home ---> node out of the wheel and free, the waker handed back
//!      '--- drop elsewhere -> stack -> take_back: the same at the owner's next turn
//! ```
//!
//! A node is 48 bytes, against 448 for an operation slot: an alarm has no payload, no result and no kernel that might
//! still write. It has no state word either. Node, waker and wheel are the owner's alone; another thread
//! may do one thing with an alarm, which is to let go of it, and asks nothing first: the node goes on a stack and
//! is out of the wheel when the owner looks there. That it fires in between is a wake too many, which wakers allow for. A
//! future that finds itself away from its alarm's thread lets go of it and sets another where it is now.
//!
//! Whether an alarm is at home is for the caller to say, from where it runs: [`Alarms::made`].
//!
//! No waker is cloned, woken or dropped while the wheel is in use, so any of them may set and end alarms.
//!
//! Given up: an alarm whose task has moved and is polled before its time is set twice.

mod handle;
mod node;
mod own;

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::task::Waker;
use core::time::Duration;

use crate::driver::{Deadline, Nanos, Unpark};
use crate::park::ParkWord;

pub use handle::Alarm;
use handle::Shared;
pub use node::AlarmState;
use own::Own;

/// The alarms of one thread. See the module.
pub struct Alarms {
    shared: NonNull<Shared>,
    /// Neither `Send` nor `Sync`.
    thread: PhantomData<*mut ()>,
}

/// An alarm that was not set; gives the waker back.
#[derive(Debug)]
pub struct NotSet {
    /// Who would have been woken.
    pub waker: Waker,
    /// The alarms were closed; otherwise there is no memory.
    pub closed: bool,
}

impl Alarms {
    /// No alarms; `now` is the present time. `park` and `unpark` are the calling thread's, which is woken when another one
    /// has let go of an alarm.
    #[must_use]
    pub fn new(now: Nanos, park: Arc<ParkWord>, unpark: Arc<dyn Unpark>) -> Self {
        let shared = Box::new(Shared::new(now, park, unpark));
        Alarms { shared: NonNull::from(Box::leak(shared)), thread: PhantomData }
    }

    #[inline(always)]
    fn shared(&self) -> &Shared {
        // SAFETY: the owner's part of the count keeps it alive until `drop`.
        unsafe { self.shared.as_ref() }
    }

    #[inline(always)]
    fn own(&self) -> &Own {
        &self.shared().own
    }

    /// Wakes `waker` at `deadline`, or soon if that has passed.
    ///
    /// Allocates when more alarms are set than ever before. Runs no foreign code.
    ///
    /// # Errors
    /// [`NotSet`], with the waker.
    #[inline]
    pub fn set(&self, deadline: Deadline, waker: Waker) -> Result<Alarm, NotSet> {
        match self.own().set(deadline, waker) {
            // SAFETY: the node is one of `shared`'s, in use from now on, and this is its only handle.
            Ok(node) => Ok(unsafe { Alarm::new(node, self.shared) }),
            Err(waker) => Err(NotSet { waker, closed: self.own().is_closed() }),
        }
    }

    /// Whether `alarm` was set here: then it is at home.
    #[inline(always)]
    #[must_use]
    pub fn made(&self, alarm: &Alarm) -> bool {
        alarm.is_of(self.shared)
    }

    /// How `alarm` stands, and whether it would wake `waker`. Runs no foreign code.
    ///
    /// # Panics
    /// If it is not one of these.
    #[inline]
    pub fn state(&self, alarm: &Alarm, waker: &Waker) -> AlarmState {
        assert!(self.made(alarm), "an alarm of another thread");
        self.own().state(alarm.node(), waker)
    }

    /// Lets `alarm`, which has not rung, wake `waker`; returns the one it would have woken. Runs no foreign code.
    ///
    /// # Panics
    /// If it is not one of these.
    #[inline]
    pub fn rewake(&self, alarm: &Alarm, waker: Waker) -> Option<Waker> {
        assert!(self.made(alarm), "an alarm of another thread");
        // SAFETY: on the owner's thread.
        unsafe { alarm.node().replace_waker(Some(waker)) }
    }

    /// Ends `alarm`; returns its waker if it has not rung. Runs no foreign code.
    ///
    /// # Panics
    /// If it is not one of these.
    #[inline]
    pub fn end(&self, alarm: Alarm) -> Option<Waker> {
        assert!(self.made(&alarm), "an alarm of another thread");
        self.own().end(alarm.into_node())
    }

    /// Alarms in the wheel.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.own().len()
    }

    /// Whether none is in the wheel.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When [`Alarms::expire`] has something to do, at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.next_wait(Duration::ZERO)
    }

    /// As [`Alarms::next_deadline`], put off by `slack` at the most to ring several alarms together; see
    /// [`Wheel::next_wait`](crate::timer::Wheel::next_wait).
    #[must_use]
    pub fn next_wait(&self, slack: Duration) -> Option<Deadline> {
        self.own().next_wait(slack)
    }

    /// Wakes all that is due at `now`; returns how many.
    pub fn expire(&self, now: Nanos) -> usize {
        let mut n = 0;
        while let Some(waker) = self.own().pop_expired(now) {
            waker.wake();
            n += 1;
        }
        n
    }

    /// Whether none is in the wheel and no other thread has let go of one. A hint, as [`Alarms::take_back`] follows it.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_empty() && !self.shared().has_returned()
    }

    /// Ends what other threads have let go of. To be called once per turn and before each park.
    pub fn take_back(&self) {
        self.shared().take_back();
    }

    /// Wakes all alarms before their time: each looks at the clock, and sets another one where it is then.
    pub fn end_all(&self) {
        // Not those that the woken set on the spot.
        for _ in 0..self.len() {
            match self.own().pop_any() {
                Some(waker) => waker.wake(),
                None => break,
            }
        }
    }

    /// No alarm can be set any more.
    pub fn close(&self) {
        self.own().close();
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        self.close();
        // SAFETY: the owner ends here.
        unsafe { Shared::close(self.shared) };
    }
}

impl fmt::Debug for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarms").field("set", &self.len()).finish_non_exhaustive()
    }
}
