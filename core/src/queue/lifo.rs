//! The newest tasks, in slots that only their worker touches: no atomic at all.
//!
//! A task woken by the task that runs now is most likely to find its data in the cache, so it runs
//! next. When the slots are full the *oldest* leaves for the ring's tail and nothing is shifted:
//!
//! ```text
//!   push d, N = 4        top                       top
//!        a  b  c  -       ▼        push e     e  b  c  d      returns a, for the ring's tail
//!        oldest a, newest d        ────────▶  oldest b, newest e
//! ```
//!
//! What it gives up: nobody can steal from a slot, so a task behind a long poll waits for it. The
//! worker flushes the slots before it blocks or parks, and never takes more than
//! [`LIFO_POLL_CAP`](crate::config::LIFO_POLL_CAP) in a row, whatever `N` is. Slots that thieves can
//! reach cost a swap per push and pop: measured 1.1 to 2.4 times slower in the design's prototype.
//! `N` is 0, 1 or 4 by a build switch, and 1 unless asked for: the fewer slots, the fewer tasks are out of reach. With
//! four, a task that started one for each worker and ended kept all of them from the others, until the watch found
//! them after 3 ms: two in a hundred of the search of 2,700 files in memory.
//!
//! Prior work: the "next" slot of Go's scheduler (2013), Tokio's LIFO slot (2019).

use core::cell::Cell;
use core::fmt;

/// `N` owner-only slots, newest first. See the module.
pub struct Lifo<T, const N: usize> {
    slots: [Cell<Option<T>>; N],
    /// Position after the newest, counted without end; the slot is `top % N`. Unused if there is one slot, as is `len`.
    top: Cell<usize>,
    len: Cell<usize>,
}

impl<T, const N: usize> Lifo<T, N> {
    /// Empty slots.
    #[must_use]
    pub fn new() -> Self {
        const { assert!(N == 0 || N.is_power_of_two(), "positions wrap by masking") };
        Lifo { slots: [const { Cell::new(None) }; N], top: Cell::new(0), len: Cell::new(0) }
    }

    /// How many tasks wait here.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        if N != 1 {
            return self.len.get();
        }
        let task = self.slots[0].take();
        let len = usize::from(task.is_some());
        self.slots[0].set(task);
        len
    }

    /// Whether none waits here.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the newest task in. What comes back is the oldest, for the ring's tail: there was no slot left.
    #[inline(always)]
    #[must_use = "the evicted task must go to the ring"]
    pub fn push(&self, task: T) -> Option<T> {
        match N {
            0 => return Some(task),
            // One slot is always the same, and says by itself whether it is filled.
            1 => return self.slots[0].replace(Some(task)),
            _ => {}
        }
        let top = self.top.get();
        self.top.set(top.wrapping_add(1));
        let evicted = self.slots[top % N].replace(Some(task));
        if evicted.is_none() {
            self.len.set(self.len.get() + 1);
        }
        evicted
    }

    /// Takes the newest task.
    #[inline(always)]
    pub fn pop(&self) -> Option<T> {
        if N == 1 {
            return self.slots[0].take();
        }
        if N == 0 || self.len.get() == 0 {
            return None;
        }
        let newest = self.top.get().wrapping_sub(1);
        self.top.set(newest);
        self.len.set(self.len.get() - 1);
        self.slots[newest % N].take()
    }

    /// Takes the oldest task: called until empty, it flushes the slots in age order.
    #[inline]
    pub fn pop_oldest(&self) -> Option<T> {
        if N <= 1 || self.len.get() == 0 {
            return self.pop();
        }
        let oldest = self.top.get().wrapping_sub(self.len.get());
        self.len.set(self.len.get() - 1);
        self.slots[oldest % N].take()
    }
}

impl<T, const N: usize> Default for Lifo<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> fmt::Debug for Lifo<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifo").field("len", &self.len.get()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(ouzel_loom)))]
mod tests {
    use super::Lifo;
    use std::vec::Vec;

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Against a queue that gives up its oldest when it is too long.
        #[test]
        fn it_behaves_as_a_plain_queue(ops in proptest::collection::vec(0..8_u32, 1..100)) {
            let (lifo, mut plain) = (Lifo::<u32, 4>::new(), std::collections::VecDeque::new());
            for (id, op) in (0..).zip(ops) {
                let (got, want) = match op {
                    0 | 1 => (lifo.pop(), plain.pop_back()),
                    2 => (lifo.pop_oldest(), plain.pop_front()),
                    _ => {
                        plain.push_back(id);
                        (lifo.push(id), (plain.len() > 4).then(|| plain.pop_front()).flatten())
                    }
                };
                proptest::prop_assert_eq!(got, want);
                proptest::prop_assert_eq!((lifo.len(), lifo.is_empty()), (plain.len(), plain.is_empty()));
            }
        }
    }

    fn flush<const N: usize>(lifo: &Lifo<u32, N>) -> Vec<u32> {
        core::iter::from_fn(|| lifo.pop_oldest()).collect()
    }

    #[test]
    fn no_slots_hand_every_task_on() {
        let lifo = Lifo::<u32, 0>::new();
        assert_eq!(lifo.push(1), Some(1));
        assert_eq!((lifo.pop(), lifo.pop_oldest(), lifo.len()), (None, None, 0));
    }

    #[test]
    fn one_slot_evicts_what_was_there() {
        let lifo = Lifo::<u32, 1>::new();
        assert_eq!((lifo.push(1), lifo.push(2)), (None, Some(1)));
        assert_eq!((lifo.pop(), lifo.pop()), (Some(2), None));
    }

    #[test]
    fn four_slots_evict_the_oldest_and_pop_the_newest() {
        let lifo = Lifo::<u32, 4>::new();
        let evicted: Vec<_> = (0..6).filter_map(|n| lifo.push(n)).collect();
        assert_eq!(evicted, [0, 1]);
        assert_eq!((lifo.pop(), lifo.len()), (Some(5), 3));
        assert_eq!(flush(&lifo), [2, 3, 4]);
        assert!(lifo.is_empty());
        assert_eq!(lifo.push(9), None);
        assert_eq!(lifo.pop(), Some(9));
    }
}
