//! A timer that is set, polled and cancelled as operations are: for the C ABI.

use std::fmt;
use std::task::{Context, Poll, Waker, ready};

use ouzel_core::alarm::{Alarm, AlarmState, NotSet};
use ouzel_core::coop;
use ouzel_core::driver::{Deadline, Nanos};

use super::raw::SubmitReason;
use crate::current::{self, Current, Flavour};
use crate::time::{at_home, now};

/// A timer. It is set from the start, on the current thread, whose wait it ends; [`sleep`](crate::time::sleep()) is when it
/// is polled. Dropping it ends it.
///
/// ```
/// use ouzel::op::Timer;
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     let mut timer = Timer::set(ouzel::time::now() + Duration::from_secs(60)).unwrap();
///     assert!(!timer.is_over());
///     timer.reset(ouzel::time::now() + Duration::from_millis(1));
///     std::future::poll_fn(|cx| timer.poll(cx)).await;
/// });
/// # Ok(())
/// # }
/// ```
pub struct Timer {
    deadline: Nanos,
    /// Where it was set, or polled last. None: it has rung.
    alarm: Option<Alarm>,
    /// On a runtime with workers: a copy of the waker in the alarm, which may be another thread's.
    waker: Option<Waker>,
    moves: bool,
}

impl Timer {
    /// A timer on the current thread.
    ///
    /// # Errors
    /// There is no runtime here, it is closing, or there is no memory.
    pub fn set(deadline: Nanos) -> Result<Timer, SubmitReason> {
        let (alarm, moves) = set_here(deadline, Waker::noop().clone())?;
        Ok(Timer { deadline, alarm: Some(alarm), waker: None, moves })
    }

    /// When it ends.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        self.deadline
    }

    /// Waits until its time has come. Of several tasks the one that polled last is woken.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(coop::proceed(cx));
        match self.stand(cx.waker()) {
            Some(AlarmState::Set) => return Poll::Pending,
            Some(AlarmState::OtherWaker) => {
                let waker = cx.waker().clone();
                self.keep(cx.waker());
                if let Some(alarm) = self.alarm.take() {
                    let rewoken = at_home(alarm, |alarms, alarm| (alarms.rewake(&alarm, waker), alarm));
                    if let Ok((old, alarm)) = rewoken {
                        self.alarm = Some(alarm);
                        drop(old);
                        return Poll::Pending;
                    }
                }
            }
            Some(AlarmState::Rung) | None => {}
        }
        self.let_go();
        if now() >= self.deadline {
            return Poll::Ready(());
        }
        // Rung before its time, or of another thread: here, then.
        self.keep(cx.waker());
        match set_here(self.deadline, cx.waker().clone()) {
            Ok((alarm, _)) => self.alarm = Some(alarm),
            // Without memory it is looked at again and again; a runtime that is closing polls no more.
            Err(_) => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    }

    /// Whether its time has come. Leaves no waker.
    #[must_use]
    pub fn is_over(&mut self) -> bool {
        match self.stand(Waker::noop()) {
            Some(AlarmState::Set | AlarmState::OtherWaker) => false,
            Some(AlarmState::Rung) | None => now() >= self.deadline,
        }
    }

    /// Gives it another end, also when it is over. Who waits, waits on.
    pub fn reset(&mut self, deadline: Nanos) {
        let waker = self.disarm();
        self.deadline = deadline;
        if let Some(waker) = &waker {
            self.keep(waker);
        }
        let waker = waker.unwrap_or(Waker::noop().clone());
        match set_here(deadline, waker.clone()) {
            Ok((alarm, _)) => self.alarm = Some(alarm),
            // As in `poll`.
            Err(_) => waker.wake(),
        }
    }

    /// Ends it; returns who waited.
    pub fn disarm(&mut self) -> Option<Waker> {
        let kept = self.waker.take();
        let Some(alarm) = self.alarm.take() else { return kept };
        match at_home(alarm, |alarms, alarm| alarms.end(alarm)) {
            Ok(waker) => waker.or(kept),
            // Its owner is told.
            Err(stray) => {
                drop(stray);
                kept
            }
        }
    }

    /// How the alarm stands, if that can be told here.
    fn stand(&mut self, waker: &Waker) -> Option<AlarmState> {
        let looked = at_home(self.alarm.take()?, |alarms, alarm| (alarms.state(&alarm, waker), alarm));
        match looked {
            Ok((state, alarm)) => {
                self.alarm = Some(alarm);
                Some(state)
            }
            Err(elsewhere) => {
                self.alarm = Some(elsewhere);
                None
            }
        }
    }

    fn keep(&mut self, waker: &Waker) {
        if self.moves && !self.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    fn let_go(&mut self) {
        drop(self.disarm());
    }
}

/// An alarm on this thread, and whether its runtime has workers.
fn set_here(deadline: Nanos, waker: Waker) -> Result<(Alarm, bool), SubmitReason> {
    let set = |current: Option<&Current>| match current {
        Some(current) => {
            let moves = matches!(current.runtime, Flavour::Shared(_));
            current.reactor.alarms.set(Deadline(deadline), waker).map(|alarm| (alarm, moves)).map_err(Ok)
        }
        None => Err(Err(waker)),
    };
    // SAFETY: setting an alarm calls nothing of the user's.
    match unsafe { current::with_top(set) } {
        Ok(set) => Ok(set),
        Err(Ok(NotSet { closed: true, .. })) => Err(SubmitReason::Closing),
        Err(Ok(NotSet { closed: false, .. })) => Err(SubmitReason::OutOfMemory),
        Err(Err(_)) => Err(SubmitReason::NoRuntime),
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
