//! The queue that every thread may push to: up to eight locked lists behind one word of bits.
//!
//! ```text
//!   nonempty  0b...0101        bit i is set exactly when shard i is not empty, at every unlock
//!                  │ └──▶ shard 0  [lock: first ─▶ task ─▶ task]
//!                  │      shard 1  [lock: empty]
//!                  └────▶ shard 2  [lock: first ─▶ task]
//! ```
//!
//! - A thread keeps to one shard (the `hint` of its pushes), so pushes of one thread stay in order.
//!   There is no order between threads.
//! - The bit changes inside the shard's lock. A parking worker may therefore trust a zero: whoever
//!   pushes after it looked will look for sleepers after that (`sched::sleep`).
//! - A worker starts at another shard each time (`start`), so every shard with tasks is visited
//!   within as many pops as there are shards.
//! - Nothing is refused, not even after a shutdown has begun.
//!
//! Why shards: one mutex costs 265 ns per task with one spawner and 633 with eight (Tokio #7944); eight
//! shards give 1.00x with one outside spawner, 3.11x with 4, 5.16x with 8 on 64 cores (Tokio #8483). A shard
//! chosen anew for each push was 20 to 33 % slower than one kept (Tokio #7973). It buys nothing for wakes
//! on workers.
//!
//! Without `std` the shard's lock spins, so an interrupt must not push: it may have stopped the holder.
//! A list of producers by CAS would lift that; it is not built yet.

use crate::config::INJECT_SHARDS;
use crate::queue::shards::Shards;
use crate::queue::{Chain, Linked};
use crate::sync::{AtomicU32, CachePadded, Lock, Ordering};
use core::fmt;
use core::ops::{Deref, DerefMut};

/// What a shard's lock guards: its tasks, and how many were pushed by [`Inject::push_foreign`].
struct Shard<T: Linked> {
    tasks: Chain<T>,
    foreign: u64,
}

impl<T: Linked> Deref for Shard<T> {
    type Target = Chain<T>;
    #[inline(always)]
    fn deref(&self) -> &Chain<T> {
        &self.tasks
    }
}

impl<T: Linked> DerefMut for Shard<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Chain<T> {
        &mut self.tasks
    }
}

/// The sharded injection queue. See the module.
pub struct Inject<T: Linked> {
    nonempty: CachePadded<AtomicU32>,
    shards: [CachePadded<Lock<Shard<T>>>; INJECT_SHARDS],
    in_use: Shards,
}

impl<T: Linked> Inject<T> {
    /// An empty queue for a runtime of `workers` workers (at least one).
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Inject {
            nonempty: CachePadded(AtomicU32::new(0)),
            shards: core::array::from_fn(|_| {
                CachePadded(Lock::new(Shard { tasks: Chain::new(), foreign: 0 }))
            }),
            in_use: Shards::new(workers),
        }
    }

    /// Whether no shard holds a task. After the fence of a parking worker this may be relied on.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed. For a parker, the SeqCst fences of `Sleep::announce` and `Sleep::notify` order
        // it against a push; for anyone else it is a hint, and the shard's lock brings the tasks.
        self.nonempty.load(Ordering::Relaxed) == 0
    }

    /// Appends a task to the shard that `hint` (the same for each push of a thread) selects.
    ///
    /// The caller then calls `Sleep::notify`.
    pub fn push(&self, hint: usize, task: T) {
        self.push_counted(hint, task, 0);
    }

    /// As [`push`](Self::push), and counts it: under the lock, which costs no locked instruction more.
    pub fn push_foreign(&self, hint: usize, task: T) {
        self.push_counted(hint, task, 1);
    }

    /// What [`push_foreign`](Self::push_foreign) has counted.
    #[must_use]
    pub fn foreign(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().foreign).sum()
    }

    #[inline]
    fn push_counted(&self, hint: usize, task: T, foreign: u64) {
        let index = self.in_use.of(hint);
        let mut shard = self.shards[index].lock();
        shard.push_back(task);
        self.set_bit(index, shard.len() == 1);
        shard.foreign += foreign;
    }

    /// Appends a whole chain, in order, under one lock.
    pub fn push_chain(&self, hint: usize, chain: Chain<T>) {
        if chain.is_empty() {
            return;
        }
        let index = self.in_use.of(hint);
        let mut shard = self.shards[index].lock();
        let was_empty = shard.is_empty();
        shard.append(chain);
        self.set_bit(index, was_empty);
    }

    /// Takes one task: the periodic check of a busy worker. `start` selects the shard to try first.
    pub fn pop(&self, start: usize) -> Option<T> {
        self.pop_some(start, |_| 1).pop_front()
    }

    /// Takes a worker's share of one shard, oldest first, at most `room` tasks.
    ///
    /// Empty if every shard is (or `room` is 0). `start` selects the shard to try first.
    #[must_use]
    pub fn pop_batch(&self, start: usize, room: usize) -> Chain<T> {
        self.pop_some(start, |len| self.in_use.share(len, room))
    }

    fn pop_some(&self, start: usize, share: impl Fn(usize) -> usize) -> Chain<T> {
        // ORDERING: Relaxed, see `is_empty`.
        let nonempty = self.nonempty.load(Ordering::Relaxed);
        if nonempty == 0 {
            return Chain::new();
        }
        for index in self.in_use.set_in(nonempty, start) {
            let mut shard = self.shards[index].lock();
            let n = share(shard.len());
            let taken = shard.split_front(n);
            if !taken.is_empty() && shard.is_empty() {
                self.clear_bit(index);
            }
            if !taken.is_empty() || n == 0 {
                return taken;
            }
        }
        Chain::new()
    }

    /// Called with the shard's lock held.
    #[inline]
    fn set_bit(&self, index: usize, was_empty: bool) {
        if was_empty {
            // ORDERING: Relaxed. The lock orders it against `clear_bit`, and the pusher's fence in
            // `Sleep::notify` against a parker's look.
            self.nonempty.fetch_or(1 << index, Ordering::Relaxed);
        }
    }

    /// Called with the shard's lock held.
    #[inline]
    fn clear_bit(&self, index: usize) {
        // ORDERING: Relaxed, see `set_bit`.
        self.nonempty.fetch_and(!(1 << index), Ordering::Relaxed);
    }
}

impl<T: Linked> fmt::Debug for Inject<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.in_use.debug(f, "Inject", &self.nonempty)
    }
}

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, not(ouzel_loom)))]
mod tests;
