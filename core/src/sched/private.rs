//! The queues of a worker that only it reaches, unless it stands still and is raided.
//!
//! | runtime of   | newest tasks | the others                                                               |
//! |--------------|--------------|--------------------------------------------------------------------------|
//! | many workers | LIFO slots   | a batch, and the ring, from which the others steal; full: injection queue |
//! | one worker   | LIFO slots   | a ring that grows: nobody steals                                         |
//!
//! The second row because a burst of 1,000 spawns on one worker went mostly by way of the injection queue: 45 of 273
//! instructions per task. Which row it is, is known before a worker starts: `ALONE`.

use crate::config::{INJECT_BATCH, LIFO_SLOTS, LONE_ROOM};
use crate::queue::{Chain, GrowingRing, Lifo, Owner};
use crate::slab::Pages;
use crate::task::{Header, Notified};

/// See the module.
pub(super) struct Private {
    lifo: Lifo<Notified, LIFO_SLOTS>,
    /// Unused if alone.
    pub(super) ring: Owner<Notified>,
    /// Used if alone.
    own: GrowingRing<Header>,
}

// SAFETY: the tasks in the growing ring are owned by it, as those in the other, and `Notified` is `Send`.
unsafe impl Send for Private {}

impl Private {
    pub(super) fn new(ring: Owner<Notified>, alone: bool, pages: Pages) -> Self {
        Private { lifo: Lifo::new(), ring, own: GrowingRing::new(if alone { LONE_ROOM } else { 1 }, pages) }
    }

    /// Moves everything to where thieves can reach it; what does not fit comes back.
    pub(super) fn expose(&mut self) -> Chain<Notified> {
        let mut overflow = Chain::new();
        if let Err(rest) = self.ring.hand_back() {
            overflow.append(rest);
        }
        while let Some(task) = self.lifo.pop_oldest() {
            if let Err(rest) = self.ring.push(task) {
                overflow.append(rest);
            }
        }
        overflow
    }

    /// Everything.
    pub(super) fn take_all(&mut self) -> Chain<Notified> {
        let mut all = self.expose();
        while let Some(task) = self.ring.pop() {
            all.push_back(task);
        }
        while let Some(task) = self.pop_own() {
            all.push_back(task);
        }
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lifo.is_empty() && self.ring.is_empty() && self.own.len() == 0
    }

    /// Tasks that no thief can reach.
    #[inline(always)]
    pub(super) fn hidden(&self) -> usize {
        self.lifo.len() + self.ring.batched()
    }

    /// Tasks that wait behind the LIFO slots.
    pub(super) fn waiting(&self, alone: bool) -> usize {
        if alone { self.own.len() } else { self.ring.in_ring() }
    }

    /// Whether any task waits behind the newest one, in another slot or behind them, as far as the worker can tell: a thief
    /// may have just taken it.
    #[inline(always)]
    pub(super) fn has_behind(&self, alone: bool) -> bool {
        let in_slots = LIFO_SLOTS > 1 && self.lifo.len() > 1;
        in_slots
            || if alone { self.own.len() > 0 } else { self.ring.batched() > 0 || self.ring.in_ring() > 0 }
    }

    /// Tasks of the injection queue that may be taken at once.
    pub(super) fn room(&self, alone: bool) -> usize {
        if alone { INJECT_BATCH } else { self.ring.room() }
    }

    /// Takes over tasks of the injection queue, not more than there was `room` for. What does not fit stays.
    pub(super) fn extend(&mut self, batch: &mut Chain<Notified>, alone: bool) {
        if !alone {
            return self.ring.extend(batch);
        }
        while let Some(task) = batch.pop_front() {
            if let Err(task) = self.push_grown(task) {
                let mut left = Chain::new();
                left.push_back(task);
                left.append(core::mem::take(batch));
                *batch = left;
                return;
            }
        }
    }

    /// Puts a task behind all others; it comes back if the ring is full, for `overflow`.
    #[inline(always)]
    pub(super) fn push_tail<const ALONE: bool>(&mut self, task: Notified) -> Option<Notified> {
        if !ALONE {
            return self.ring.push_if_room(task);
        }
        let task = self.own.push_if_room(task.into_raw())?;
        // SAFETY: given up above, and refused.
        Some(unsafe { Notified::from_raw(task) })
    }

    /// Puts a task before all others, and the one that has to make room for it behind them; as `push_tail`.
    #[inline(always)]
    pub(super) fn push<const ALONE: bool>(&mut self, task: Notified) -> Option<Notified> {
        let oldest = self.lifo.push(task)?;
        self.push_tail::<ALONE>(oldest)
    }

    /// Makes room for a task that was refused, or gives back the tasks that must go to the injection queue.
    #[cold]
    pub(super) fn overflow<const ALONE: bool>(&mut self, task: Notified) -> Option<Chain<Notified>> {
        if !ALONE {
            return self.ring.push(task).err();
        }
        let task = self.push_grown(task).err()?;
        let mut one = Chain::new();
        one.push_back(task);
        Some(one)
    }

    /// # Errors
    /// The task back: memory has run out.
    fn push_grown(&mut self, task: Notified) -> Result<(), Notified> {
        let Some(task) = self.own.push_if_room(task.into_raw()) else { return Ok(()) };
        // SAFETY: given up above, and refused twice.
        self.own.push_further(task).map_err(|(task, _)| unsafe { Notified::from_raw(task) })
    }

    #[inline(always)]
    pub(super) fn pop_newest(&mut self) -> Option<Notified> {
        self.lifo.pop()
    }

    #[inline(always)]
    pub(super) fn pop_lifo_oldest(&mut self) -> Option<Notified> {
        self.lifo.pop_oldest()
    }

    /// Takes the oldest task behind the LIFO slots.
    #[inline(always)]
    pub(super) fn pop<const ALONE: bool>(&mut self) -> Option<Notified> {
        if ALONE { self.pop_own() } else { self.ring.pop() }
    }

    #[inline(always)]
    fn pop_own(&mut self) -> Option<Notified> {
        // SAFETY: what is in the ring came from `into_raw`, and this has just left it.
        self.own.pop().map(|task| unsafe { Notified::from_raw(task) })
    }

    /// Gives back what the ring of a lone worker grew by.
    pub(super) fn shrink(&mut self) {
        self.own.shrink(LONE_ROOM);
    }
}
