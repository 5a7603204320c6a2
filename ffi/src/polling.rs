//! Readiness that is told again and again: one poll of the driver after the other.
//!
//! The next is submitted when somebody looks for it, who has by then used up what the one before told. So it is by level:
//! what was not used up is told again, and completions that nobody takes do not pile up.

use core::task::{Context, Poll, Waker};

use ouzel::op::raw::{self, Completion, RawOp, Request, SubmitReason};

use crate::error::Error;
use crate::lent::{After, Lent};

/// See the module.
pub(crate) struct Polling {
    state: State,
    fd: i32,
    writing: bool,
    cancelled: bool,
}

enum State {
    Asked(RawOp<Lent>),
    /// Told, and not asked again yet.
    Idle(Lent),
    Over,
}

/// What a look found.
pub(crate) enum Told {
    Pending,
    /// What there is, and it goes on.
    Step(Completion),
    /// How it ended, and the call to make.
    Last(Completion, After),
}

impl Polling {
    /// `asked` is a poll of `fd`.
    pub(crate) fn new(asked: RawOp<Lent>, fd: i32, writing: bool) -> Self {
        Polling { state: State::Asked(asked), fd, writing, cancelled: false }
    }

    /// The next completion; `how` is woken for it if it is to come. The runtime is current.
    pub(crate) fn look(&mut self, how: Option<&Waker>) -> Told {
        if let Err(told) = self.ask() {
            return told;
        }
        let State::Asked(raw) = &mut self.state else { return Told::Pending };
        let taken = match how {
            Some(waker) => raw.poll(&mut Context::from_waker(waker)),
            None => raw.try_take().map_or(Poll::Pending, Poll::Ready),
        };
        let Poll::Ready((completion, lent)) = taken else { return Told::Pending };
        if self.cancelled || completion.res < 0 {
            let res = if self.cancelled { -libc::ECANCELED } else { completion.res };
            return self.end(lent, res);
        }
        self.state = State::Idle(lent);
        Told::Step(Completion::step(completion.res))
    }

    /// Submits the next poll if there is none; or this is the end.
    fn ask(&mut self) -> Result<(), Told> {
        let lent = match core::mem::replace(&mut self.state, State::Over) {
            State::Idle(lent) => lent,
            other => {
                self.state = other;
                return Ok(());
            }
        };
        if self.cancelled {
            return Err(self.end(lent, -libc::ECANCELED));
        }
        let request = Request::Poll { fd: self.fd, writing: self.writing };
        // SAFETY: the request points at nothing.
        match unsafe { raw::submit(lent, |_, _| request) } {
            Ok(raw) => {
                self.state = State::Asked(raw);
                Ok(())
            }
            Err(refused) => {
                let res = ended(refused.reason());
                Err(self.end(refused.into_payload(), res))
            }
        }
    }

    fn end(&mut self, lent: Lent, res: i32) -> Told {
        self.state = State::Over;
        Told::Last(Completion::done(res), lent.settle())
    }

    /// Asks for the end.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
        if let State::Asked(raw) = &mut self.state {
            raw.cancel();
        }
    }
}

/// How a poll ends that could not be submitted.
fn ended(reason: SubmitReason) -> i32 {
    match Error::from(reason) {
        Error::NO_MEMORY => -libc::ENOMEM,
        _ => -libc::ECANCELED,
    }
}
