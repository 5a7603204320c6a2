//! The future that waits for a deadline.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ouzel_core::alarm::{Alarm, AlarmState, Alarms, NotSet};
use ouzel_core::coop;
use ouzel_core::driver::{Deadline, Nanos};
use ouzel_core::task;

use super::clock::now;
use crate::current::{self, Current};

/// Waits for `duration`, counted from this call.
///
/// Never returns early; how late depends on what else the worker has to do (the wheel itself rounds
/// up to a tick of less than 100 us). Dropping the future removes the timer.
///
/// # Panics
/// When polled outside a runtime.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     ouzel::time::sleep(std::time::Duration::from_millis(1)).await;
/// });
/// # Ok(())
/// # }
/// ```
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { deadline: now() + duration, alarm: None, ahead: !duration.is_zero() }
}

/// Waits until `deadline`. See [`sleep`].
///
/// # Panics
/// When polled outside a runtime.
pub fn sleep_until(deadline: Nanos) -> Sleep {
    Sleep { deadline, alarm: None, ahead: false }
}

/// See [`sleep`].
///
/// Its timer is on the wheel of the thread that polled it last. Dropped there, it leaves the wheel at once; dropped elsewhere, when
/// that thread next looks for work, which it is woken for.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    deadline: Nanos,
    /// Not dropped by itself: `let_go` has done that.
    alarm: Option<ManuallyDrop<Alarm>>,
    /// The deadline lay ahead when this was made: the first poll need not ask the clock, for if it has
    /// passed since, the alarm rings at once.
    ahead: bool,
}

impl Sleep {
    /// When it ends.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        self.deadline
    }

    /// Whether that time has come.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        now() >= self.deadline
    }

    /// Gives it another end, also after it has ended. The task is woken for it once this has been polled again.
    ///
    /// ```
    /// use ouzel::time::{now, sleep};
    /// use std::time::Duration;
    /// # fn main() -> std::io::Result<()> {
    /// ouzel::LocalRuntime::new()?.block_on(async {
    ///     let mut idle = sleep(Duration::from_secs(60));
    ///     idle.reset(now() + Duration::from_millis(1));
    ///     idle.await;
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset(&mut self, deadline: Nanos) {
        self.let_go();
        self.deadline = deadline;
        self.ahead = false;
    }

    /// Ends the alarm, if there is one.
    #[inline]
    fn let_go(&mut self) {
        let Some(alarm) = self.alarm.take().map(ManuallyDrop::into_inner) else { return };
        let (place, local) = current::place();
        // SAFETY: it is this thread's present place; ending an alarm calls nothing of the user's.
        match unsafe { place.as_ref() }.map(|c| &c.reactor.alarms) {
            Some(alarms) if alarms.made(&alarm) => {
                let Some(waker) = alarms.end(alarm) else { return };
                // SAFETY: as above: nothing of the user's was called yet.
                match unsafe { local.as_ref() } {
                    Some(local) => drop(local.drop_waker(waker)),
                    None => task::drop_waker(waker),
                }
            }
            // Its owner is told.
            _ => drop(alarm),
        }
    }

    /// Whether the alarm that was set will wake this task. Otherwise there is none any more.
    #[inline(never)]
    fn is_awaited(&mut self, cx: &Context<'_>) -> bool {
        let Some(alarm) = self.alarm.take().map(ManuallyDrop::into_inner) else { return false };
        self.ahead = false;
        let looked = at_home(alarm, |alarms, alarm| (alarms.state(&alarm, cx.waker()), alarm));
        // Elsewhere: the alarm goes, and another one is set here.
        let Ok((state, alarm)) = looked else { return false };
        self.alarm = Some(ManuallyDrop::new(alarm));
        match state {
            AlarmState::Set => true,
            AlarmState::OtherWaker | AlarmState::Rung => {
                self.let_go();
                false
            }
        }
    }

    /// As [`Future::poll`], without a look at the task's budget.
    #[inline]
    pub(super) fn poll_unbudgeted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An alarm can ring without its time having come: its runtime was closed, or its thread's `block_on`
        // returned. Then the sleep goes on where it is polled now.
        if self.alarm.is_some() && self.is_awaited(cx) {
            return Poll::Pending;
        }
        if !self.ahead && self.is_elapsed() {
            return Poll::Ready(());
        }
        self.set_alarm(cx);
        Poll::Pending
    }

    #[inline]
    fn set_alarm(&mut self, cx: &Context<'_>) {
        let (place, local) = current::place();
        // SAFETY: it is this thread's present place, while nothing of the user's is called.
        let waker = match unsafe { local.as_ref() } {
            Some(local) => local.clone_waker(cx.waker()),
            None if place.is_null() => None,
            None => task::clone_waker(cx.waker()),
        };
        match waker {
            // SAFETY: as above; where there is a `local` there is a place.
            Some(waker) => self.set_alarm_at(unsafe { &*place }, waker),
            None => self.set_alarm_further(cx),
        }
    }

    /// With a waker that is not of our own tasks, or without a runtime.
    #[cold]
    #[inline(never)]
    fn set_alarm_further(&mut self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let set = |current: Option<&Current>| match current {
            Some(current) => self.set_alarm_at(current, waker),
            None => refuse(None),
        };
        // SAFETY: setting an alarm calls nothing of the user's.
        unsafe { current::with_top(set) };
    }

    #[inline(always)]
    fn set_alarm_at(&mut self, current: &Current, waker: Waker) {
        match current.reactor.alarms.set(Deadline(self.deadline), waker) {
            Ok(alarm) => {
                debug_assert!(self.alarm.is_none(), "two alarms for one sleep");
                self.alarm = Some(ManuallyDrop::new(alarm));
            }
            Err(refused) => refuse(Some(refused)),
        }
    }
}

/// Runs `f` where `alarm` was set, if that is here; else gives it back. `f` calls nothing of the user's.
#[inline(always)]
pub(crate) fn at_home<R>(alarm: Alarm, f: impl FnOnce(&Alarms, Alarm) -> R) -> Result<R, Alarm> {
    let look = |current: Option<&Current>| match current.map(|c| &c.reactor.alarms) {
        Some(alarms) if alarms.made(&alarm) => Ok(f(alarms, alarm)),
        _ => Err(alarm),
    };
    // SAFETY: neither this nor `f` calls anything of the user's.
    unsafe { current::with_top(look) }
}

#[cold]
fn refuse(refused: Option<NotSet>) -> ! {
    let why = match refused.map(|r| r.closed) {
        None => "no ouzel runtime on this thread",
        Some(true) => "the runtime is closing",
        Some(false) => "out of memory for a timer",
    };
    panic!("a sleep needs a runtime on the polling thread: {why}")
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_unbudgeted(cx));
        // A task that never waits for its timers lets others run now and then.
        coop::proceed(cx)
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        self.let_go();
    }
}
