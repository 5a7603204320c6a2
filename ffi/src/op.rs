//! One operation in flight, as C names it: what it is, how its completions are delivered, and a look at the next one.
//!
//! | delivery | who takes the completion                                                              |
//! |----------|---------------------------------------------------------------------------------------|
//! | taken    | `ouzel_op_take`, `ouzel_op_poll`; the polling task's waker lies in the slot           |
//! | waker    | as above; the entry waits with the waker it was given, and keeps what that brings     |
//! | callback | a small task of ours ([`deliver`](crate::deliver)) polls the entry and calls `done`    |
//!
//! A completion is written where its taker wants it, once.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::future::Future;
use std::os::fd::{FromRawFd, OwnedFd};

use ouzel::BlockingHandle;
use ouzel::op::raw::{Completion, Nanos, RawOp};

use crate::buffers::Buffers;
use crate::cqe::{OUZEL_CQE_BUFFER, OUZEL_CQE_WAITING, ouzel_cqe, told};
use crate::error::{Error, Result};
use crate::hearing::Hearing;
use crate::id::ouzel_op;
use crate::lent::{After, JobLent, Lent};
use crate::options::Ud;
use crate::polling::{Polling, Told};
use crate::stat;
use crate::ticking::{Tick, Ticking};

/// `ouzel_done_fn`.
pub type DoneFn = extern "C" fn(ud: *mut c_void, cqe: *const ouzel_cqe);

/// What is in flight.
pub(crate) enum Flight {
    /// Nothing: the entry is free, or its last completion is kept.
    Over,
    /// One completion.
    One(RawOp<Lent>),
    /// Completions until one without MORE; whose provided buffers they bring.
    Many(RawOp<Lent>, u16),
    /// A file's status, and where it goes.
    Stat(RawOp<Lent>, Ud),
    /// Readiness, told again and again.
    Poll(Polling),
    /// A signal.
    Signal(Hearing),
    /// A timer.
    Timer(Ticking),
    /// A job on the blocking pool. What it was lent is in the closure, then in the result.
    Job(BlockingHandle<(i64, JobLent)>),
}

/// How completions of an entry are delivered.
#[derive(Default)]
pub(crate) struct Delivery {
    /// Waits for completions that nobody polls for.
    pub(crate) waker: Option<Waker>,
    /// The host's callback.
    pub(crate) done: Option<(DoneFn, Ud)>,
    /// A result of 0 or more is a descriptor, to be closed if nobody takes it.
    pub(crate) opens: bool,
}

/// A look at an entry: with a task to be woken, or without.
pub(crate) type Look<'a> = Option<&'a Waker>;

/// What a look found.
#[must_use]
pub(crate) enum Looked {
    /// There is none yet; nothing was written.
    Pending,
    /// One was written, and others follow. Whether the entry's own waker waits for them.
    Step { waiting: bool },
    /// The last one was written.
    Last(After),
}

/// What a wait with the entry's own waker brought.
struct Kept {
    cqe: ouzel_cqe,
    /// Unless others follow.
    after: Option<After>,
}

/// A place in the table.
pub(crate) struct Entry {
    pub(crate) generation: u32,
    /// In a free entry: the next one, plus 1.
    pub(crate) next: u32,
    pub(crate) flight: Flight,
    pub(crate) delivery: Delivery,
    kept: Option<Kept>,
    /// In use, and nobody waits for its completions but who asks for them: none is ever kept.
    pub(crate) plain: bool,
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Entry {
    pub(crate) fn new() -> Self {
        Entry {
            generation: 1,
            next: 0,
            flight: Flight::Over,
            delivery: Delivery::default(),
            kept: None,
            plain: false,
        }
    }

    /// A free entry is filled: what it holds needs no drop.
    #[inline(always)]
    pub(crate) fn fill(&mut self, flight: Flight, delivery: Delivery) {
        debug_assert!(!self.is_live() && self.delivery.waker.is_none(), "filled while in use");
        self.plain = delivery.waker.is_none() && delivery.done.is_none();
        // SAFETY: ours to write; what is there is `Over`.
        unsafe { (&raw mut self.flight).write(flight) };
        // SAFETY: ours to write; what is there has no waker.
        unsafe { (&raw mut self.delivery).write(delivery) };
    }

    #[inline(always)]
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.flight, Flight::Over) || self.kept.is_some()
    }

    /// The next completion, as one of `op`; `how` is woken when there is one later.
    #[inline(always)]
    pub(crate) fn look(&mut self, op: ouzel_op, how: Look<'_>, out: &mut MaybeUninit<ouzel_cqe>) -> Looked {
        if self.kept.is_some() {
            return self.take_kept(out);
        }
        self.take(op, how, out, true)
    }

    /// A look with a waker, one code for all who come here less often.
    #[inline(never)]
    pub(crate) fn look_for(&mut self, op: ouzel_op, how: &Waker, out: &mut MaybeUninit<ouzel_cqe>) -> Looked {
        if self.kept.is_some() {
            return self.take_kept(out);
        }
        self.take(op, Some(how), out, false)
    }

    #[cold]
    fn take_kept(&mut self, out: &mut MaybeUninit<ouzel_cqe>) -> Looked {
        let Some(Kept { cqe, after }) = self.kept.take() else { return Looked::Pending };
        out.write(cqe);
        after.map_or_else(|| self.step(), Looked::Last)
    }

    fn step(&self) -> Looked {
        Looked::Step { waiting: self.delivery.waker.is_some() }
    }

    /// `ahead`: after a step, `how` is left for the next one.
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        op: ouzel_op,
        how: Look<'_>,
        out: &mut MaybeUninit<ouzel_cqe>,
        ahead: bool,
    ) -> Looked {
        let after = match &mut self.flight {
            Flight::One(raw) => {
                let taken = match how {
                    Some(waker) => ready(raw.poll(&mut Context::from_waker(waker))),
                    None => raw.try_take(),
                };
                let Some((c, lent)) = taken else { return Looked::Pending };
                out.write(told(op, c, 0));
                lent.settle()
            }
            Flight::Many(raw, lender) => {
                let next = match how {
                    Some(waker) if ahead => ready(raw.poll_step(&mut Context::from_waker(waker))).flatten(),
                    Some(waker) => {
                        ready(raw.poll_next(&mut Context::from_waker(waker))).flatten().map(|c| (c, false))
                    }
                    None => raw.try_next().map(|c| (c, false)),
                };
                let Some((c, waits)) = next else { return Looked::Pending };
                let cqe = out.write(told(op, c, 0));
                cqe.buf_id |= u32::from(*lender) << 16;
                if waits {
                    cqe.flags |= OUZEL_CQE_WAITING;
                }
                if c.more() {
                    return self.step();
                }
                // The payload was dropped with the last completion, and has told `Released`.
                After::Released
            }
            _ => return self.take_other(op, how, out),
        };
        // SAFETY: ours to write; an operation that has given its payload back has nothing to drop.
        unsafe { (&raw mut self.flight).write(Flight::Over) };
        Looked::Last(after)
    }

    #[inline(never)]
    fn take_other(&mut self, op: ouzel_op, how: Look<'_>, out: &mut MaybeUninit<ouzel_cqe>) -> Looked {
        let mut cx = how.map(Context::from_waker);
        let after = match &mut self.flight {
            Flight::Over | Flight::One(_) | Flight::Many(..) => return Looked::Pending,
            Flight::Stat(raw, at) => {
                let taken = match &mut cx {
                    None => raw.try_take(),
                    Some(cx) => ready(raw.poll(cx)),
                };
                let Some((c, lent)) = taken else { return Looked::Pending };
                if c.res == 0 {
                    // SAFETY: the host has lent it, and the operation has filled it.
                    unsafe { stat::convert(at.0.cast()) };
                }
                out.write(told(op, c, 0));
                lent.settle()
            }
            Flight::Poll(polling) => match polling.look(how) {
                Told::Pending => return Looked::Pending,
                Told::Step(c) => {
                    out.write(told(op, c, 0));
                    return self.step();
                }
                Told::Last(c, after) => {
                    out.write(told(op, c, 0));
                    after
                }
            },
            Flight::Signal(signal) => {
                let Some(res) = signal.look(how) else { return Looked::Pending };
                if res >= 0 {
                    out.write(told(op, Completion::step(res), 0));
                    return self.step();
                }
                out.write(told(op, Completion::done(res), 0));
                match core::mem::replace(&mut self.flight, Flight::Over) {
                    Flight::Signal(signal) => signal.settle(),
                    _ => After::Released,
                }
            }
            Flight::Timer(timer) => match timer.look(how) {
                Tick::Pending => return Looked::Pending,
                Tick::Step(periods) => {
                    out.write(told(op, Completion::step(0), periods));
                    return self.step();
                }
                tick => {
                    let res = if matches!(tick, Tick::Cancelled) { -libc::ECANCELED } else { 0 };
                    out.write(told(op, Completion::done(res), 0));
                    match core::mem::replace(&mut self.flight, Flight::Over) {
                        Flight::Timer(timer) => timer.settle(),
                        _ => After::Released,
                    }
                }
            },
            Flight::Job(job) => {
                if cx.is_none() && !job.is_finished() {
                    return Looked::Pending;
                }
                let mut looks = cx.unwrap_or(Context::from_waker(Waker::noop()));
                match Pin::new(job).poll(&mut looks) {
                    Poll::Pending => return Looked::Pending,
                    Poll::Ready(Ok((value, lent))) => {
                        out.write(told(op, Completion::done(0), value as u64));
                        lent.settle()
                    }
                    Poll::Ready(Err(_)) => {
                        out.write(told(op, Completion::done(-libc::ECANCELED), 0));
                        After::Released
                    }
                }
            }
        };
        self.flight = Flight::Over;
        Looked::Last(after)
    }

    /// Waits with the entry's own waker. Returns it if there is a completion already, which is kept.
    pub(crate) fn arm(&mut self, op: ouzel_op) -> Option<Waker> {
        let waker = self.delivery.waker.clone()?;
        if let Flight::Timer(timer) = &mut self.flight {
            // What it says can be asked again, so nothing is kept.
            return timer.is_over_for(&waker).then_some(waker);
        }
        if self.kept.is_none() {
            let mut cqe = MaybeUninit::uninit();
            let after = match self.look_for(op, &waker, &mut cqe) {
                Looked::Pending => return None,
                Looked::Step { .. } => None,
                Looked::Last(after) => Some(after),
            };
            // SAFETY: other than pending, so it was written.
            self.kept = Some(Kept { cqe: unsafe { cqe.assume_init() }, after });
        }
        Some(waker)
    }

    /// Asks for cancellation. Returns who is to be woken for it.
    pub(crate) fn cancel(&mut self) -> Option<Waker> {
        match &mut self.flight {
            Flight::One(raw) | Flight::Many(raw, _) | Flight::Stat(raw, _) => raw.cancel(),
            Flight::Poll(polling) => polling.cancel(),
            Flight::Signal(signal) => return signal.cancel(),
            Flight::Timer(timer) => return timer.cancel(),
            Flight::Job(job) => drop(job.abort()),
            Flight::Over => {}
        }
        None
    }

    /// Gives a timer another deadline, and takes back that it is over.
    pub(crate) fn reset_timer(&mut self, deadline: Nanos) -> Result<()> {
        match &mut self.flight {
            Flight::Timer(timer) => {
                if timer.reset(deadline) {
                    Ok(())
                } else {
                    Err(Error::CANCELED)
                }
            }
            Flight::Over => Err(Error::STALE),
            _ => Err(Error::INVALID),
        }
    }

    /// Takes out all that is in it.
    pub(crate) fn clear(&mut self) -> Removed {
        Removed {
            flight: core::mem::replace(&mut self.flight, Flight::Over),
            delivery: core::mem::take(&mut self.delivery),
            kept: self.kept.take(),
        }
    }
}

/// What was in an entry; dropped outside the table.
pub(crate) struct Removed {
    flight: Flight,
    delivery: Delivery,
    kept: Option<Kept>,
}

impl Removed {
    /// Gives back what a completion nobody wants has brought. The caller's runtime is current.
    pub(crate) fn let_go(self, buffers: &Buffers) {
        if let (Some(waker), true) = (&self.delivery.waker, self.delivery.done.is_some()) {
            waker.wake_by_ref(); // our task finds the entry gone, and ends
        }
        if let Flight::Job(job) = &self.flight {
            job.abort();
        }
        let Some(kept) = self.kept else { return };
        if kept.cqe.flags & OUZEL_CQE_BUFFER != 0 {
            buffers.discard(kept.cqe.buf_id);
        }
        if self.delivery.opens && kept.cqe.res >= 0 {
            // SAFETY: the kernel made this descriptor for an operation nobody holds any more.
            drop(unsafe { OwnedFd::from_raw_fd(kept.cqe.res) });
        }
        if let Some(After::Call(release)) = kept.after {
            release.call();
        }
    }
}
