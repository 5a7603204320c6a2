//! The injection queue without a lock for its producers: a switch of the build, measured against [`Inject`](super::Inject).
//!
//! ```text
//!   producer:  CAS the task on top, then set the shard's bit
//!   consumer:  try the lock; if the list is empty: clear the bit, THEN take the whole stack, reversed
//!
//!   nonempty 0b01 ──▶ shard 0   top ─▶ d ─▶ c      list (locked): a ─▶ b      order: a b c d
//! ```
//!
//! A producer never waits, so it may be an interrupt handler; one that is stopped in the middle stops nobody.
//! A consumer that finds the lock taken goes on to the next shard, and waits only where no other has tasks: an
//! earlier form did not wait, and a worker then turned in its loop for as long as the holder was stopped.
//!
//! Invariant: whenever nobody is between two steps, a shard with a task has its bit set. The bit goes down
//! before the stack is taken: a producer whose task was missed sets it after that. The consumer sets it
//! again for what it leaves in the list, and its caller must then look for sleepers (the `bool` of
//! [`StackInject::pop_batch`]): one of them may have read the cleared bit and be on its way to sleep.
//!
//! Prior work: the take-all stack (Treiber, 1986); it has no ABA, because nothing pops a single node.

use core::fmt;
use core::ptr::{self, NonNull};

use crate::config::INJECT_SHARDS;
use crate::queue::shards::Shards;
use crate::queue::{Chain, Linked};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, CachePadded, Lock, LockGuard, Ordering};

struct Shard<T: Linked> {
    top: CachePadded<AtomicPtr<T::Node>>,
    list: CachePadded<Lock<Chain<T>>>,
}

/// The sharded injection queue whose producers do not lock. See the module.
pub struct StackInject<T: Linked> {
    nonempty: CachePadded<AtomicU32>,
    shards: [Shard<T>; INJECT_SHARDS],
    in_use: Shards,
    foreign: CachePadded<AtomicU64>,
}

// SAFETY: the stacks own tasks, as the lists do, and `T: Send`.
unsafe impl<T: Linked> Send for StackInject<T> {}
// SAFETY: a task leaves through one consumer: the one that took the stack it was in, or that holds the lock.
unsafe impl<T: Linked> Sync for StackInject<T> {}

impl<T: Linked> StackInject<T> {
    /// An empty queue for a runtime of `workers` workers (at least one).
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let shard = |_| Shard {
            top: CachePadded(AtomicPtr::new(ptr::null_mut())),
            list: CachePadded(Lock::new(Chain::new())),
        };
        StackInject {
            nonempty: CachePadded(AtomicU32::new(0)),
            shards: core::array::from_fn(shard),
            in_use: Shards::new(workers),
            foreign: CachePadded(AtomicU64::new(0)),
        }
    }

    /// As [`Inject::is_empty`](crate::queue::Inject::is_empty).
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed. For a parker, the SeqCst fences of `Sleep::announce` and `Sleep::notify` order
        // it against a push; for anyone else it is a hint.
        self.nonempty.load(Ordering::Relaxed) == 0
    }

    /// Appends a task to the shard that `hint` selects. Never waits.
    ///
    /// The caller then calls `Sleep::notify`.
    pub fn push(&self, hint: usize, task: T) {
        let node = task.into_raw();
        self.push_linked(self.in_use.of(hint), node, node);
    }

    /// As [`push`](Self::push), and counts it.
    pub fn push_foreign(&self, hint: usize, task: T) {
        self.push(hint, task);
        // ORDERING: Relaxed, a plain counter.
        self.foreign.fetch_add(1, Ordering::Relaxed);
    }

    /// What [`push_foreign`](Self::push_foreign) has counted.
    #[must_use]
    pub fn foreign(&self) -> u64 {
        // ORDERING: Relaxed, a plain counter.
        self.foreign.load(Ordering::Relaxed)
    }

    /// Appends a whole chain, in order, at once.
    pub fn push_chain(&self, hint: usize, mut chain: Chain<T>) {
        let Some(first) = chain.pop_front_raw() else { return };
        let mut top = first;
        while let Some(node) = chain.pop_front_raw() {
            // SAFETY: the node has left the chain, so it is ours.
            unsafe { T::set_next(node, Some(top)) };
            top = node;
        }
        self.push_linked(self.in_use.of(hint), top, first);
    }

    /// Puts nodes, linked from `top` to `bottom`, on the stack of one shard.
    fn push_linked(&self, index: usize, top: NonNull<T::Node>, bottom: NonNull<T::Node>) {
        let stack = &self.shards[index].top;
        // ORDERING: Relaxed: only the address is used, and the exchange checks it.
        let mut old = stack.load(Ordering::Relaxed);
        loop {
            // SAFETY: the nodes are ours until the exchange below succeeds.
            unsafe { T::set_next(bottom, NonNull::new(old)) };
            // ORDERING: Release pairs with the Acquire swap in `take_stack`: the nodes and their links.
            match stack.compare_exchange_weak(old, top.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        // ORDERING: Release pairs with the Acquire in `take_stack`: who clears this bit sees our task. No mutant:
        // loom runs read-modify-writes of two words in the order they stand in, so Relaxed passes there too.
        self.nonempty.fetch_or(1 << index, Ordering::Release);
    }

    /// Takes one task, as [`StackInject::pop_batch`] does.
    pub fn pop(&self, start: usize) -> (Option<T>, bool) {
        let (mut taken, left) = self.pop_some(start, |_| 1);
        (taken.pop_front(), left)
    }

    /// Takes a worker's share of one shard, oldest first, at most `room` tasks.
    ///
    /// True: others are left that a worker on its way to sleep may have missed, so the caller must call
    /// `Sleep::notify`. Empty if every shard is.
    #[must_use]
    pub fn pop_batch(&self, start: usize, room: usize) -> (Chain<T>, bool) {
        self.pop_some(start, |len| self.in_use.share(len, room))
    }

    fn pop_some(&self, start: usize, share: impl Fn(usize) -> usize) -> (Chain<T>, bool) {
        // ORDERING: Relaxed, see `is_empty`.
        let nonempty = self.nonempty.load(Ordering::Relaxed);
        let mut passed = None;
        for index in self.in_use.set_in(nonempty, start) {
            let Some(list) = self.shards[index].list.try_lock() else {
                passed = Some(index);
                continue;
            };
            let (taken, left) = self.pop_locked(index, list, &share);
            if !taken.is_empty() || left {
                return (taken, left);
            }
        }
        // Waiting costs less than asking again until the holder has gone on.
        passed.map_or((Chain::new(), false), |i| self.pop_locked(i, self.shards[i].list.lock(), &share))
    }

    fn pop_locked(
        &self,
        index: usize,
        mut list: LockGuard<'_, Chain<T>>,
        share: &impl Fn(usize) -> usize,
    ) -> (Chain<T>, bool) {
        let mut took_stack = list.is_empty();
        if took_stack {
            list.append(self.take_stack(index));
        }
        let n = share(list.len());
        let taken = list.split_front(n);
        if !took_stack && list.is_empty() {
            took_stack = true;
            list.append(self.take_stack(index));
        }
        let left = took_stack && !list.is_empty();
        if left {
            // ORDERING: Relaxed: the lock orders the list, and the caller's fence in `Sleep::notify` the
            // bit against a parker's look.
            self.nonempty.fetch_or(1 << index, Ordering::Relaxed);
        }
        (taken, left)
    }

    /// Called with the shard's lock held: clears the bit, then takes what is on the stack, oldest first.
    fn take_stack(&self, index: usize) -> Chain<T> {
        // ORDERING: Acquire pairs with the Release in `push_linked`: a bit set before this is a task that the
        // swap below finds. Before the swap: a task it misses sets the bit again.
        self.nonempty.fetch_and(!(1 << index), Ordering::Acquire);
        // ORDERING: Acquire pairs with the Release exchange in `push_linked`.
        let mut node = NonNull::new(self.shards[index].top.swap(ptr::null_mut(), Ordering::Acquire));
        let mut newer = None;
        while let Some(this) = node {
            // SAFETY: we took the whole stack, so its nodes are ours, and each was linked when it was pushed.
            node = unsafe { T::next(this) };
            // SAFETY: as above.
            unsafe { T::set_next(this, newer) };
            newer = Some(this);
        }
        let mut oldest_first = Chain::new();
        while let Some(this) = newer {
            // SAFETY: ours, and linked just now.
            newer = unsafe { T::next(this) };
            oldest_first.push_back_raw(this);
        }
        oldest_first
    }
}

impl<T: Linked> Drop for StackInject<T> {
    fn drop(&mut self) {
        for index in self.in_use.all() {
            drop(self.take_stack(index));
        }
    }
}

impl<T: Linked> fmt::Debug for StackInject<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.in_use.debug(f, "StackInject", &self.nonempty)
    }
}

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, not(ouzel_loom)))]
mod tests;
