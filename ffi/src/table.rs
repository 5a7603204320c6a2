//! The operations of a runtime: an entry each, found by index and generation.
//!
//! No host code runs while the table is borrowed.

use core::mem::MaybeUninit;
use core::task::Waker;

use ouzel::anchor::AnchorId;
use ouzel::op::raw::Nanos;

use crate::buffers::Buffers;
use crate::cqe::ouzel_cqe;
use crate::error::{Error, Result};
use crate::guarded::Guarded;
use crate::id::{Kind, ouzel_op, pack};
use crate::memory;
use crate::op::{Delivery, DoneFn, Entry, Flight, Look, Looked, Removed};
use crate::options::Ud;

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    /// The first free entry, plus 1.
    free: u32,
    live: u64,
    submitted: u64,
    /// Threads that wait for the operation in an entry.
    waiting: Vec<(u32, Waker)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct OpTable {
    table: Guarded<Table>,
    /// Of the runtime, for the ids.
    anchor: AnchorId,
}

/// An entry that was set aside for an operation, to be filled or given back.
#[must_use]
#[derive(Clone, Copy)]
pub(crate) struct Claim(u32);

/// Where an operation is in the table.
pub(crate) type Place = (u32, u32);

impl OpTable {
    pub(crate) fn new(local: bool, anchor: AnchorId) -> Self {
        OpTable { table: Guarded::new(local, Table::default()), anchor }
    }

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut Table) -> R) -> R {
        self.table.with(f)
    }

    /// Submitted so far, and in the table now.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.with(|table| (table.submitted, table.live))
    }

    /// An operation that is in no table.
    pub(crate) fn count_submitted(&self) {
        self.with(|table| table.submitted += 1);
    }

    /// The id of an operation.
    #[inline(always)]
    pub(crate) fn id(&self, (index, generation): Place) -> ouzel_op {
        let (slot, generation) = pack(Kind::Op, self.anchor, index, generation);
        ouzel_op { slot, generation }
    }

    /// Sets an entry aside. `None`: out of memory.
    #[inline]
    pub(crate) fn claim(&self) -> Option<Claim> {
        self.with(|table| {
            let index = if table.free == 0 { table.grow()? } else { table.free - 1 };
            table.free = table.entries[index as usize].next;
            Some(Claim(index))
        })
    }

    /// Gives back an entry that was not needed.
    #[cold]
    pub(crate) fn unclaim(&self, Claim(index): Claim) {
        self.with(|table| table.push_free(index));
    }

    /// Makes room for `n` entries more. False: out of memory.
    pub(crate) fn reserve(&self, n: usize) -> bool {
        self.with(|table| table.entries.try_reserve(n).is_ok())
    }

    /// Puts an operation in.
    #[inline]
    pub(crate) fn fill(&self, Claim(index): Claim, flight: Flight, delivery: Delivery) -> Place {
        self.with(|table| {
            table.live += 1;
            table.submitted += 1;
            let entry = &mut table.entries[index as usize];
            entry.fill(flight, delivery);
            (index, entry.generation)
        })
    }

    /// Takes the next completion of `op`, which is at `place`, and does not deliver to a callback.
    #[inline(always)]
    pub(crate) fn look(
        &self,
        op: ouzel_op,
        place: Place,
        how: Look<'_>,
        out: &mut MaybeUninit<ouzel_cqe>,
    ) -> Result<Looked> {
        let (looked, waker) = self.with(|table| {
            let entry = table.entry(place)?;
            if entry.delivery.done.is_some() {
                return Err(Error::INVALID);
            }
            let looked = entry.look(op, how, out);
            let waker = if matches!(looked, Looked::Last(_)) { table.end(place.0) } else { None };
            Ok((looked, waker))
        })?;
        // Dropped outside: a waker may be the last thing that holds a task.
        drop(waker);
        Ok(looked)
    }

    /// As `look`, by the short way: of a host-driven runtime, an operation for which nobody waits but who asks. `None`: it
    /// is not that, and nothing has happened.
    #[inline(always)]
    pub(crate) fn look_plain(
        &self,
        op: ouzel_op,
        (index, generation): Place,
        how: Look<'_>,
        out: &mut MaybeUninit<ouzel_cqe>,
    ) -> Option<Looked> {
        self.table.unlocked(|table| {
            let entry = table.entries.get_mut(index as usize)?;
            if entry.generation != generation || !entry.plain {
                return None;
            }
            let looked = entry.take(op, how, out, true);
            if matches!(looked, Looked::Last(_)) {
                table.retire(index);
            }
            Some(looked)
        })?
    }

    /// As `look`, of an operation that delivers to a callback, by the task that does it: which callback, too.
    /// `None`: it is gone.
    pub(crate) fn look_for_callback(
        &self,
        place: Place,
        waker: &Waker,
        out: &mut MaybeUninit<ouzel_cqe>,
    ) -> Option<(Looked, DoneFn, Ud)> {
        let op = self.id(place);
        let (looked, done, ud, old) = self.with(|table| {
            let entry = table.entry(place).ok()?;
            let (done, ud) = entry.delivery.done?;
            let looked = entry.look_for(op, waker, out);
            let old = match looked {
                // For `abandon`.
                Looked::Pending if entry.delivery.waker.is_none() => {
                    entry.delivery.waker.replace(waker.clone())
                }
                Looked::Pending | Looked::Step { .. } => None,
                Looked::Last(_) => table.end(place.0),
            };
            Some((looked, done, ud, old))
        })?;
        drop(old);
        Some((looked, done, ud))
    }

    /// As `look`, by a thread that waits, of a runtime with workers. A timer belongs to its worker.
    pub(crate) fn look_waiting(
        &self,
        op: ouzel_op,
        place: Place,
        waker: &Waker,
        out: &mut MaybeUninit<ouzel_cqe>,
    ) -> Result<Looked> {
        let (looked, old) = self.with(|table| {
            let entry = table.entry(place)?;
            if entry.delivery.done.is_some() || matches!(entry.flight, Flight::Timer(_)) {
                return Err(Error::INVALID);
            }
            let looked = entry.look_for(op, waker, out);
            table.waiting.retain(|(index, known)| *index != place.0 || !known.will_wake(waker));
            match looked {
                Looked::Pending => {
                    memory::room(&mut table.waiting)?;
                    table.waiting.push((place.0, waker.clone()));
                }
                Looked::Step { .. } => {}
                Looked::Last(_) => return Ok((looked, table.end(place.0))),
            }
            Ok((looked, None))
        })?;
        drop(old);
        Ok(looked)
    }

    /// A thread does not wait any longer.
    pub(crate) fn end_wait(&self, place: Place, waker: &Waker) {
        self.with(|table| {
            table.waiting.retain(|(index, known)| *index != place.0 || !known.will_wake(waker));
        });
    }

    /// Waits with the entry's own waker, and wakes it if there is a completion already.
    pub(crate) fn arm(&self, place: Place) {
        let op = self.id(place);
        let wake = self.with(|table| table.entry(place).ok()?.arm(op));
        if let Some(waker) = wake {
            waker.wake();
        }
    }

    pub(crate) fn cancel(&self, place: Place) -> Result<()> {
        let waker = self.with(|table| table.entry(place).map(Entry::cancel))?;
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Gives a timer another deadline.
    pub(crate) fn reset_timer(&self, place: Place, deadline: Nanos) -> Result<()> {
        self.with(|table| table.entry(place)?.reset_timer(deadline))
    }

    /// Lets go of an operation. What is dropped runs no host code.
    pub(crate) fn abandon(&self, place: Place, buffers: &Buffers) -> Result<()> {
        let removed = self.with(|table| {
            table.entry(place)?;
            Result::Ok(table.remove(place.0))
        })?;
        removed.let_go(buffers);
        Ok(())
    }

    /// Lets go of all, at the end of a runtime.
    pub(crate) fn clear(&self, buffers: &Buffers) {
        let count = self.with(|table| table.entries.len() as u32);
        for index in 0..count {
            let live = |table: &Table| table.entries[index as usize].is_live();
            if let Some(removed) = self.with(|table| live(table).then(|| table.remove(index))) {
                removed.let_go(buffers);
            }
        }
    }
}

impl Table {
    #[inline(always)]
    fn entry(&mut self, (index, generation): Place) -> Result<&mut Entry> {
        let entry = self.entries.get_mut(index as usize).filter(|e| e.generation == generation);
        entry.filter(|e| e.is_live()).ok_or(Error::STALE)
    }

    /// A new entry, which is not in the list of free ones.
    #[cold]
    fn grow(&mut self) -> Option<u32> {
        let index = u32::try_from(self.entries.len()).ok()?;
        self.entries.try_reserve(1).ok()?;
        self.entries.push(Entry::new());
        Some(index)
    }

    fn push_free(&mut self, index: u32) {
        self.entries[index as usize].next = self.free;
        self.free = index + 1;
    }

    /// Ends the generation of an entry in which nothing is left.
    #[inline(always)]
    fn retire(&mut self, index: u32) {
        self.live -= 1;
        if !self.waiting.is_empty() {
            self.wake_waiting(index);
        }
        let entry = &mut self.entries[index as usize];
        entry.plain = false;
        // An entry whose generations are used up is not used again.
        if let Some(next) = entry.generation.checked_add(1) {
            entry.generation = next;
            self.push_free(index);
        }
    }

    /// Whoever waits for an operation that somebody else has taken.
    #[cold]
    fn wake_waiting(&mut self, index: u32) {
        // They unpark a thread, and nothing else.
        for (_, waker) in self.waiting.extract_if(.., |(of, _)| *of == index) {
            waker.wake();
        }
    }

    /// Frees the entry of an operation that is over, whose completions have been taken. Its waker is left to be dropped.
    #[inline(always)]
    fn end(&mut self, index: u32) -> Option<Waker> {
        let waker = self.entries[index as usize].delivery.waker.take();
        self.retire(index);
        waker
    }

    /// Frees any entry; what was in it is left to be dropped.
    fn remove(&mut self, index: u32) -> Removed {
        let removed = self.entries[index as usize].clear();
        self.retire(index);
        removed
    }
}
