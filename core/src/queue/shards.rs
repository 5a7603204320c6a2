//! The shards of an injection queue: which one a push goes to, which ones a worker looks at, and how much it takes.

use core::fmt;

use crate::config::{INJECT_BATCH, INJECT_SHARDS};
use crate::sync::{AtomicU32, Ordering};

const _: () =
    assert!(INJECT_SHARDS.is_power_of_two() && INJECT_SHARDS <= 32, "one bit each, chosen by masking");

/// How many there are, and how many workers share them.
#[derive(Clone, Copy)]
pub(super) struct Shards {
    /// Shards in use less one; a power of two less one.
    mask: usize,
    workers: usize,
}

impl Shards {
    /// For a runtime of `workers` workers (at least one).
    pub(super) fn new(workers: usize) -> Self {
        let workers = workers.max(1);
        Shards { mask: workers.next_power_of_two().min(INJECT_SHARDS) - 1, workers }
    }

    /// The shard that `hint` selects.
    #[inline]
    pub(super) fn of(self, hint: usize) -> usize {
        hint & self.mask
    }

    /// The shards whose bit is set, from the one that `start` selects.
    #[inline]
    pub(super) fn set_in(self, nonempty: u32, start: usize) -> impl Iterator<Item = usize> {
        (0..=self.mask).map(move |i| self.of(start.wrapping_add(i))).filter(move |i| nonempty & 1 << i != 0)
    }

    /// A worker's share of a shard of `len` tasks, at most `room`.
    #[inline]
    pub(super) fn share(self, len: usize, room: usize) -> usize {
        (len / self.workers + 1).min(INJECT_BATCH).min(room)
    }

    /// Shards in use.
    pub(super) fn all(self) -> core::ops::RangeInclusive<usize> {
        0..=self.mask
    }

    /// Writes a queue called `name` whose bits are `nonempty`.
    pub(super) fn debug(self, f: &mut fmt::Formatter<'_>, name: &str, nonempty: &AtomicU32) -> fmt::Result {
        // ORDERING: Relaxed, a snapshot for the reader.
        let nonempty = nonempty.load(Ordering::Relaxed);
        f.debug_struct(name)
            .field("nonempty", &nonempty)
            .field("shards", &(self.mask + 1))
            .finish_non_exhaustive()
    }
}
