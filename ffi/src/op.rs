//! Operations in flight, as C names them: an entry per operation in a table of the runtime.
//!
//! | delivery | who takes the completion                                                              |
//! |----------|---------------------------------------------------------------------------------------|
//! | taken    | `ouzel_op_take`, `ouzel_op_poll`; the polling task's waker lies in the slot           |
//! | waker    | as above; the entry waits with the waker it was given, and keeps what that brings     |
//! | callback | a small task of ours ([`deliver`](crate::deliver)) polls the entry and calls `done`    |
//!
//! No host code runs while the table is borrowed.
//!
//! A host-driven runtime's table is touched on its loop thread only; with workers it is behind a lock.

use core::cell::RefCell;
use core::ffi::c_void;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use ouzel::BlockingHandle;
use ouzel::anchor::AnchorId;
use ouzel::op::raw::{self, Completion, RawOp};

use crate::error::{Error, Result};
use crate::id::{Kind, ouzel_op, pack};
use crate::lent::{Lent, Release};
use crate::options::Ud;

/// `ouzel_cqe`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ouzel_cqe {
    /// Whose completion this is.
    pub op: ouzel_op,
    /// A count, a descriptor, zero, or `-errno`.
    pub res: i32,
    /// `OUZEL_CQE_*`.
    pub flags: u32,
    /// Which provided buffer.
    pub buf_id: u32,
    /// Bytes in it.
    pub buf_len: u32,
    /// A job's result, or a buffer's address.
    pub extra: u64,
}

/// `ouzel_done_fn`.
pub type DoneFn = extern "C" fn(ud: *mut c_void, cqe: *const ouzel_cqe);

/// `OUZEL_CQE_MORE`.
pub const OUZEL_CQE_MORE: u32 = 1;
/// `OUZEL_CQE_BUFFER`.
pub const OUZEL_CQE_BUFFER: u32 = 2;
/// `OUZEL_CQE_CANCELLED`.
pub const OUZEL_CQE_CANCELLED: u32 = 8;

/// What is in flight.
pub(crate) enum Flight {
    /// One completion.
    One(RawOp<Lent>),
    /// Completions until one without MORE.
    Many(RawOp<Lent>),
    /// A job on the blocking pool. What it was lent is in the closure, then in the result.
    Job(BlockingHandle<(i64, Lent)>),
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

struct Entry {
    generation: u32,
    flight: Option<Flight>,
    delivery: Delivery,
    /// What a wait with `delivery.waker` brought.
    kept: Option<Taken>,
    /// In a free entry: the next one, plus 1.
    next: u32,
}

/// One completion, taken.
pub(crate) struct Taken {
    pub(crate) cqe: ouzel_cqe,
    /// To be called after the completion has been delivered.
    pub(crate) release: Release,
    /// The release is in [`Released`](crate::lent::Released) already.
    pub(crate) released: bool,
}

impl Taken {
    fn new(c: Completion, release: Release) -> Self {
        let mut cqe = ouzel_cqe { res: c.res, ..ouzel_cqe::default() };
        if c.more() {
            cqe.flags |= OUZEL_CQE_MORE;
        }
        if c.res == -libc::ECANCELED {
            cqe.flags |= OUZEL_CQE_CANCELLED;
        }
        if let Some(id) = c.buffer() {
            cqe.flags |= OUZEL_CQE_BUFFER;
            cqe.buf_id = id.into();
            cqe.buf_len = u32::try_from(c.res).unwrap_or(0);
        }
        Taken { cqe, release, released: false }
    }

    pub(crate) fn is_last(&self) -> bool {
        self.cqe.flags & OUZEL_CQE_MORE == 0
    }
}

impl Entry {
    fn is_live(&self) -> bool {
        self.flight.is_some() || self.kept.is_some()
    }

    /// The next completion; `how` is woken when there is one later.
    fn take(&mut self, how: Look<'_>) -> Option<Taken> {
        let mut cx = how.map(Context::from_waker);
        let taken = match self.flight.as_mut()? {
            Flight::One(op) => {
                let (c, lent) = match &mut cx {
                    None => op.try_take()?,
                    Some(cx) => ready(op.poll(cx))?,
                };
                Taken::new(c, lent.settle())
            }
            Flight::Many(op) => {
                let c = match &mut cx {
                    None => op.try_next()?,
                    Some(cx) => ready(op.poll_next(cx))??,
                };
                // The payload was dropped with the last completion, and has told `Released`.
                Taken { released: !c.more(), ..Taken::new(c, Release::NONE) }
            }
            Flight::Job(job) => {
                if cx.is_none() && !job.is_finished() {
                    return None;
                }
                let mut looks = cx.unwrap_or(Context::from_waker(Waker::noop()));
                match ready(Pin::new(job).poll(&mut looks))? {
                    Ok((value, lent)) => {
                        let mut taken = Taken::new(Completion::done(0), lent.settle());
                        taken.cqe.extra = value as u64;
                        taken
                    }
                    Err(_) => Taken {
                        released: true,
                        ..Taken::new(Completion::done(-libc::ECANCELED), Release::NONE)
                    },
                }
            }
        };
        if taken.is_last() {
            self.flight = None;
        }
        Some(taken)
    }
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    /// The first free entry, plus 1.
    free: u32,
    live: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct OpTable {
    cell: Cell,
    /// Of the runtime, for the ids.
    anchor: AnchorId,
    submitted: AtomicU64,
}

enum Cell {
    Local(RefCell<Table>),
    Shared(Mutex<Table>),
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

/// A look at an entry: with a task to be woken, or without.
pub(crate) type Look<'a> = Option<&'a Waker>;

impl OpTable {
    pub(crate) fn new(local: bool, anchor: AnchorId) -> Self {
        let cell = if local { Cell::Local(RefCell::default()) } else { Cell::Shared(Mutex::default()) };
        OpTable { cell, anchor, submitted: AtomicU64::new(0) }
    }

    /// `f` runs no host code. A host-driven runtime: on its loop thread.
    fn with<R>(&self, f: impl FnOnce(&mut Table) -> R) -> R {
        match &self.cell {
            Cell::Local(table) => f(&mut table.borrow_mut()),
            Cell::Shared(table) => f(&mut table.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Submitted so far, and in the table now.
    pub(crate) fn counts(&self) -> (u64, u64) {
        // ORDERING: Relaxed, a counter.
        (self.submitted.load(Ordering::Relaxed), self.with(|table| table.live))
    }

    pub(crate) fn count_submitted(&self) {
        // ORDERING: Relaxed, a counter.
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes room for one more. False: out of memory.
    pub(crate) fn reserve(&self) -> bool {
        self.with(|table| table.free != 0 || table.entries.try_reserve(1).is_ok())
    }

    /// Puts an operation in; there is room.
    pub(crate) fn insert(&self, flight: Flight, delivery: Delivery) -> (u32, u32) {
        self.with(|table| {
            table.live += 1;
            if table.free == 0 {
                let entry = Entry { generation: 1, flight: Some(flight), delivery, kept: None, next: 0 };
                table.entries.push(entry);
                return (table.entries.len() as u32 - 1, 1);
            }
            let index = table.free - 1;
            let entry = &mut table.entries[index as usize];
            table.free = entry.next;
            entry.flight = Some(flight);
            entry.delivery = delivery;
            (index, entry.generation)
        })
    }

    /// Takes an entry's next completion. `None`: there is none yet.
    pub(crate) fn look(&self, id: (u32, u32), how: Look<'_>, ours: bool) -> Result<Option<Taken>> {
        let (taken, rest) = self.with(|table| {
            let entry = table.entry(id)?;
            if entry.delivery.done.is_some() && !ours {
                return Err(Error::INVALID);
            }
            let taken = match entry.kept.take() {
                None => entry.take(how),
                kept => kept,
            };
            let Some(mut taken) = taken else { return Ok((None, None)) };
            let rest = taken.is_last().then(|| table.remove(id.0));
            let (slot, generation) = pack(Kind::Op, self.anchor, id.0, id.1);
            taken.cqe.op = ouzel_op { slot, generation };
            Ok((Some(taken), rest))
        })?;
        // Dropped outside: a waker may be the last thing that holds a task.
        drop(rest);
        Ok(taken)
    }

    /// Waits with the entry's own waker, and wakes it if there is a completion already.
    pub(crate) fn arm(&self, id: (u32, u32)) {
        let wake = self.with(|table| {
            let entry = table.entry(id).ok()?;
            let waker = entry.delivery.waker.clone()?;
            if entry.kept.is_none() {
                entry.kept = entry.take(Some(&waker));
            }
            entry.kept.is_some().then_some(waker)
        });
        if let Some(waker) = wake {
            waker.wake();
        }
    }

    pub(crate) fn cancel(&self, id: (u32, u32)) -> Result<()> {
        self.with(|table| {
            match &mut table.entry(id)?.flight {
                Some(Flight::One(op) | Flight::Many(op)) => op.cancel(),
                Some(Flight::Job(job)) => drop(job.abort()),
                None => {}
            }
            Ok(())
        })
    }

    /// Lets go of an operation. What is dropped runs no host code.
    pub(crate) fn abandon(&self, id: (u32, u32)) -> Result<()> {
        let entry = self.with(|table| table.entry(id).map(drop).map(|()| table.remove(id.0)))?;
        if let (Some(waker), true) = (&entry.delivery.waker, entry.delivery.done.is_some()) {
            waker.wake_by_ref(); // our task finds the entry gone, and ends
        }
        entry.let_go();
        Ok(())
    }

    /// Lets go of all, at the end of a runtime.
    pub(crate) fn clear(&self) {
        let all = self.with(|table| {
            let live = (0..table.entries.len() as u32).filter(|i| table.entries[*i as usize].is_live());
            let live: Vec<u32> = live.collect();
            live.into_iter().map(|index| table.remove(index)).collect::<Vec<_>>()
        });
        all.into_iter().for_each(Removed::let_go);
    }

    /// The callback of an entry, whose task waits with `waker` from now on.
    pub(crate) fn callback(&self, id: (u32, u32), waker: &Waker) -> Option<(DoneFn, Ud)> {
        self.with(|table| {
            let entry = table.entry(id).ok()?;
            if entry.delivery.waker.is_none() {
                entry.delivery.waker = Some(waker.clone());
            }
            entry.delivery.done
        })
    }
}

/// What was in an entry; dropped outside the table.
struct Removed {
    flight: Option<Flight>,
    delivery: Delivery,
    kept: Option<Taken>,
}

impl Removed {
    /// Gives back what a completion nobody wants has brought. The caller's runtime is current.
    fn let_go(self) {
        if let Some(Flight::Job(job)) = &self.flight {
            job.abort();
        }
        let Some(kept) = self.kept else { return };
        if kept.cqe.flags & OUZEL_CQE_BUFFER != 0 {
            raw::recycle(kept.cqe.buf_id as u16);
        }
        if self.delivery.opens && kept.cqe.res >= 0 {
            // SAFETY: the kernel made this descriptor for an operation nobody holds any more.
            drop(unsafe { OwnedFd::from_raw_fd(kept.cqe.res) });
        }
        kept.release.call();
    }
}

impl Table {
    fn entry(&mut self, (index, generation): (u32, u32)) -> Result<&mut Entry> {
        let entry = self.entries.get_mut(index as usize).filter(|e| e.generation == generation);
        entry.filter(|e| e.is_live()).ok_or(Error::STALE)
    }

    fn remove(&mut self, index: u32) -> Removed {
        let entry = &mut self.entries[index as usize];
        let removed = Removed {
            flight: entry.flight.take(),
            delivery: core::mem::take(&mut entry.delivery),
            kept: entry.kept.take(),
        };
        self.live -= 1;
        // An entry whose generations are used up is not used again.
        if let Some(next) = entry.generation.checked_add(1) {
            entry.generation = next;
            entry.next = self.free;
            self.free = index + 1;
        }
        removed
    }
}
