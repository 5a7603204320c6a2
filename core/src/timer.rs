//! The hierarchical timer wheel: deadlines of operations in flight, in order, without allocation.
//!
//! ```text
//! level 0    64 slots of 1 tick         (4.1 us)      |.|.|x|.| ... |.|    an entry is in the level of
//! level 1    64 slots of 64 ticks       (0.26 ms)     |.|x|.|.| ... |.|    the highest 6-bit digit in
//! level 2    64 slots of 4096 ticks     (16.8 ms)        ...               which its deadline differs
//!   ...                                                                    from the wheel's time, in
//! level 8    64 slots of 2^48 ticks     (36 years)                         the slot of that digit
//! ```
//!
//! A tick is 2^12 ns, so nine levels hold every deadline that 64 bits of nanoseconds can name. Deadlines
//! are rounded up to ticks: a timer is never early, and late by less than one tick (4.1 us) besides what
//! the driver adds.
//!
//! Invariants: every entry shares with the wheel's time all digits above its level, and its own digit is
//! greater. So all of a lower level is earlier than all of a higher one, within a level a lower slot is
//! earlier, and the earliest entry is in the first slot of the first occupied level: two bit scans.
//! When the time reaches a slot of a higher level, its entries move down, at most eight times in a
//! timer's life; most timers are removed before.
//!
//! Entries are nodes in somebody's slots, named by number and linked by number, so the wheel contains no
//! unsafe code: a caller who breaks its rules gets wrong timers, nothing worse.
//!
//! A wait for every tick that has a timer is dear when there are many: a wake-up costs more than the timer. So a wait
//! may be put off by a slack, and then ends for all the ticks within it ([`Wheel::next_wait`]): two bit operations.
//!
//! Given up: a wheel with more than [`SCAN`] entries in its first high slot wakes once to move them down.
//! Prior work: Varghese and Lauck, *Hashed and Hierarchical Timing Wheels* (1987).

use core::cell::Cell;
use core::time::Duration;

use crate::driver::{Deadline, Nanos};

#[cfg(test)]
mod tests;

/// log2 of a tick in nanoseconds.
const TICK_BITS: u32 = 12;
/// log2 of the slots of a level.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = (u64::BITS - TICK_BITS).div_ceil(SLOT_BITS) as usize;
/// Entries of a high slot that are looked at for an exact next deadline.
const SCAN: usize = 8;

const NONE: u32 = u32::MAX;
/// `place` of a node that is not in a wheel.
const OUT: u16 = u16::MAX;
/// `place` of a node whose deadline has passed. Others: level * 64 + slot.
const DUE: u16 = (LEVELS * SLOTS) as u16;

/// A timer's part of an operation slot. One thread uses it.
#[derive(Debug)]
pub struct TimerNode<K: Copy> {
    /// Deadline in ticks, rounded up.
    when: Cell<u64>,
    key: Cell<K>,
    next: Cell<u32>,
    prev: Cell<u32>,
    place: Cell<u16>,
}

impl<K: Copy> TimerNode<K> {
    /// A node in no wheel; [`Wheel::insert`] replaces `key`, [`Wheel::insert_node`] does not.
    #[must_use]
    pub const fn new(key: K) -> Self {
        TimerNode {
            when: Cell::new(0),
            key: Cell::new(key),
            next: Cell::new(NONE),
            prev: Cell::new(NONE),
            place: Cell::new(OUT),
        }
    }

    /// Whether the node is in a wheel.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.place.get() != OUT
    }
}

/// Where a wheel's nodes are. Always the same store for one wheel.
pub trait TimerStore {
    /// Names a timer: a node and which use of it.
    type Key: Copy + PartialEq;

    /// The number of the node that `key` names, below `u32::MAX`.
    fn index(key: Self::Key) -> u32;

    /// Node `index`, or none if there is no such node.
    fn node(&self, index: u32) -> Option<&TimerNode<Self::Key>>;
}

/// See the module. 2.4 KB, no heap.
#[derive(Debug)]
pub struct Wheel {
    /// Time in ticks up to which everything has come out or is in `DUE`.
    now: u64,
    /// First node of each slot's ring, in order of insertion; the last one is its `prev`.
    heads: [u32; LEVELS * SLOTS + 1],
    occupied: [u64; LEVELS],
    len: usize,
}

fn up(t: Nanos) -> u64 {
    t.0.saturating_add((1 << TICK_BITS) - 1) >> TICK_BITS
}

fn nanos(tick: u64) -> Deadline {
    Deadline(Nanos(tick << TICK_BITS))
}

impl Wheel {
    /// An empty wheel; `now` is the driver's present time.
    #[must_use]
    pub const fn new(now: Nanos) -> Self {
        Wheel { now: now.0 >> TICK_BITS, heads: [NONE; LEVELS * SLOTS + 1], occupied: [0; LEVELS], len: 0 }
    }

    /// Timers in the wheel.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no timer.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds the timer of operation `key`; false, and nothing done, if its node does not exist or is in
    /// a wheel. A deadline that has passed comes out at the next `pop_expired`.
    pub fn insert<S: TimerStore>(&mut self, store: &S, key: S::Key, deadline: Deadline) -> bool {
        let Some(node) = store.node(S::index(key)).filter(|n| !n.is_set()) else { return false };
        node.key.set(key);
        self.insert_node(store, node, deadline);
        true
    }

    /// As [`Wheel::insert`], of a node that is in no wheel and has the key the store knows it by.
    #[inline]
    pub fn insert_node<S: TimerStore>(&mut self, store: &S, node: &TimerNode<S::Key>, deadline: Deadline) {
        debug_assert!(!node.is_set(), "a node in two wheels");
        node.when.set(up(deadline.0));
        self.place(store, node, S::index(node.key.get()));
        self.len += 1;
    }

    /// Takes out the timer of operation `key`; false if it is not in the wheel.
    pub fn remove<S: TimerStore>(&mut self, store: &S, key: S::Key) -> bool {
        let node = store.node(S::index(key)).filter(|n| n.is_set() && n.key.get() == key);
        let Some(node) = node else { return false };
        self.remove_node(store, node);
        true
    }

    /// As [`Wheel::remove`], of a node that is in this wheel.
    #[inline]
    pub fn remove_node<S: TimerStore>(&mut self, store: &S, node: &TimerNode<S::Key>) {
        debug_assert!(node.is_set(), "a node in no wheel");
        self.unlink(store, node, S::index(node.key.get()));
        self.len -= 1;
    }

    /// Takes out some timer, whether its time has come or not.
    pub fn pop_first<S: TimerStore>(&mut self, store: &S) -> Option<S::Key> {
        let due = self.heads[usize::from(DUE)];
        let head = if due == NONE { self.heads[self.first_slot()?.0] } else { due };
        let node = store.node(head)?;
        self.remove_node(store, node);
        Some(node.key.get())
    }

    /// The time at which [`Wheel::pop_expired`] has something to do, at the latest: the earliest timer's
    /// tick. Earlier only if more than eight timers lie in a distant slot.
    #[must_use]
    pub fn next_deadline(&self, store: &impl TimerStore) -> Option<Deadline> {
        self.next_wait(store, Duration::ZERO)
    }

    /// As [`Wheel::next_deadline`], put off to take several timers together: to the last one that is due at most
    /// `slack` after the earliest, as far as the wheel knows it without a search. A timer with no other one
    /// close behind it is not put off. `slack` above 63 ticks (258 us) is as 63 ticks.
    #[must_use]
    pub fn next_wait(&self, store: &impl TimerStore, slack: Duration) -> Option<Deadline> {
        if self.heads[usize::from(DUE)] != NONE {
            return Some(nanos(self.now));
        }
        let slack = ((slack.as_nanos() >> TICK_BITS) as u64).min(SLOTS as u64 - 1);
        let (place, start) = self.first_slot()?;
        if place < SLOTS {
            let near = (self.occupied[0] >> place) & (u64::MAX >> (SLOTS as u64 - 1 - slack));
            return Some(nanos(start + u64::from(u64::BITS - 1 - near.leading_zeros())));
        }
        let head = self.heads[place];
        let (mut at, mut whens) = (head, [u64::MAX; SCAN]);
        for when in &mut whens {
            let Some(node) = store.node(at) else { break };
            *when = node.when.get();
            at = node.next.get();
            if at == head {
                let earliest = whens.iter().copied().min()?;
                let near = whens.into_iter().filter(|when| *when <= earliest.saturating_add(slack));
                return near.max().map(nanos);
            }
        }
        // So many in a slot of 0.26 ms are close together.
        Some(nanos(if place < 2 * SLOTS { start + slack } else { start }))
    }

    /// Advances to `now`, and takes out one timer whose deadline has passed. Call until `None`.
    ///
    /// Earlier ticks first; within a tick in order of insertion, as far as they came down together.
    pub fn pop_expired<S: TimerStore>(&mut self, store: &S, now: Nanos) -> Option<S::Key> {
        let now = now.0 >> TICK_BITS;
        loop {
            let head = self.heads[usize::from(DUE)];
            if let Some(node) = store.node(head) {
                self.unlink(store, node, head);
                self.len -= 1;
                return Some(node.key.get());
            }
            match self.first_slot() {
                Some((place, start)) if start <= now => self.bring_down(store, place, start),
                _ => {
                    self.now = self.now.max(now);
                    return None;
                }
            }
        }
    }

    /// Advances to `now`, and gives all timers whose deadline has passed to `sink`; returns how many.
    pub fn expire<S: TimerStore>(&mut self, store: &S, now: Nanos, mut sink: impl FnMut(S::Key)) -> usize {
        let mut n = 0;
        while let Some(key) = self.pop_expired(store, now) {
            sink(key);
            n += 1;
        }
        n
    }

    /// The slot with the earliest entry, and the tick at which it begins.
    fn first_slot(&self) -> Option<(usize, u64)> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        let shift = level as u32 * SLOT_BITS;
        let above = self.now >> shift >> SLOT_BITS << SLOT_BITS;
        Some((level * SLOTS + slot as usize, (above | u64::from(slot)) << shift))
    }

    /// The time has come to `start`, where slot `place` begins: moves its entries to where they belong now.
    fn bring_down<S: TimerStore>(&mut self, store: &S, place: usize, start: u64) {
        self.now = start;
        while let Some(node) = store.node(self.heads[place]) {
            let index = self.heads[place];
            self.unlink(store, node, index);
            self.place(store, node, index);
        }
    }

    #[inline(always)]
    fn place<S: TimerStore>(&mut self, store: &S, node: &TimerNode<S::Key>, index: u32) {
        let when = node.when.get();
        let place = if when <= self.now {
            usize::from(DUE)
        } else {
            // The last bit changes no digit but saves looking for a zero.
            let digit = (when ^ self.now | 1).ilog2() / SLOT_BITS;
            let slot = (when >> (digit * SLOT_BITS)) as usize % SLOTS;
            self.occupied[digit as usize] |= 1 << slot;
            digit as usize * SLOTS + slot
        };
        node.place.set(place as u16);
        let head = self.heads[place];
        match store.node(head) {
            None => {
                self.heads[place] = index;
                node.next.set(index);
                node.prev.set(index);
            }
            Some(first) => {
                let last = first.prev.replace(index);
                node.next.set(head);
                node.prev.set(last);
                if let Some(last) = store.node(last) {
                    last.next.set(index);
                }
            }
        }
    }

    #[inline(always)]
    fn unlink<S: TimerStore>(&mut self, store: &S, node: &TimerNode<S::Key>, index: u32) {
        let place = usize::from(node.place.replace(OUT));
        let (next, prev) = (node.next.replace(NONE), node.prev.replace(NONE));
        if next == index {
            self.heads[place] = NONE;
            if place < usize::from(DUE) {
                self.occupied[place / SLOTS] &= !(1 << (place % SLOTS));
            }
            return;
        }
        if self.heads[place] == index {
            self.heads[place] = next;
        }
        if let Some(next) = store.node(next) {
            next.prev.set(prev);
        }
        if let Some(prev) = store.node(prev) {
            prev.next.set(next);
        }
    }
}
