//! A worker's run queue: a ring of task pointers that one thread fills and any thread may halve.
//!
//! ```text
//!            steal      real                      tail
//!              ▼          ▼                         ▼
//!   ─ ─ free ──┤ a thief  │  tasks, oldest first    ├── free ─ ─ ─       positions are u32 and wrap,
//!              │ copies   │                         │                    slot = position mod capacity
//! ```
//!
//! | who    | event                  | head (steal, real)                    | tail          |
//! |--------|------------------------|---------------------------------------|---------------|
//! | owner  | push                   |                                       | + 1, Release  |
//! | owner  | pop, take n <= half    | CAS both + n; a thief copies: real + n |               |
//! | thief  | claim half             | CAS real + n, only if steal = real    |               |
//! | thief  | done copying           | CAS steal := real                     |               |
//! | owner  | push, full             | CAS both := tail, only if steal = real | + half        |
//!
//! Invariants:
//! - `steal <= real <= tail` and `tail - steal <= capacity`. Room is counted from `steal`: behind a slow
//!   thief the ring can be empty (`real = tail`) and have no free slot.
//! - A slot between `steal` and `tail` is never written; one outside is never read. The exception, a
//!   pop that moved both indices and reads afterwards, is the only writer's own.
//! - At most one thief copies at a time; a second one goes elsewhere.
//! - Nothing is refused and "empty" is never said early: a pop that meets a thief tries again.
//!
//! **The owner's pop is wait-free.** While it pops it does not push, each claim takes the larger half of
//! what is left, and each claim changes the head twice. So at most `log2(capacity) + 1` claims and as
//! many completions can spoil its CAS before it succeeds or sees an empty ring: 18 in all, asserted in
//! debug builds. For the same reason a thief without room for half a ring takes nothing, not less.
//!
//! **ABA.** A stale CAS succeeds only after exactly `k * 2^32` pops in between: 21 s of preemption at
//! 2 * 10^8 pops a second, and an exact hit. With 16-bit indices it would be 0.3 ms. Pointers are read after
//! the claim, so a reused task pointer is harmless.
//!
//! **Batches.** The owner takes up to 8 tasks (at most half) per CAS into a batch of its own: a pop
//! costs one eighth of an atomic when there is much to do (0.68 to 0.95 of the time, design's prototype).
//! What is in the batch cannot be stolen, so the owner hands it back before it blocks. It goes to the
//! tail, not to where it was: a head that moves backwards would need a proof of its own.
//!
//! **Overflow** sends the *newer* half and the task at hand to the injection queue as one chain. Tasks
//! that just came from there would otherwise go straight back (Tokio #8029). The older half does not
//! even move: `tail + i` and `real + i` are the same slot when the ring is full.
//!
//! Prior work: Chase and Lev's deque (2005), Go's run queue (2012), Tokio's two-index head (2020).

mod owner;

pub use owner::Owner;

use crate::config::{RING_CAPACITY, RING_START};
use crate::queue::Linked;
use crate::sync::{AtomicU32, AtomicU64, CachePadded, Ordering, UnsafeCell};
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

const CAPACITY: u32 = RING_CAPACITY as u32;

const _: () = assert!(RING_CAPACITY.is_power_of_two() && RING_CAPACITY >= 2, "positions wrap by masking");

/// The shared half: what thieves see. See the module.
#[repr(C)]
pub struct Ring<T: Linked> {
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU32>,
    slots: [UnsafeCell<MaybeUninit<NonNull<T::Node>>>; RING_CAPACITY],
}

// SAFETY: the ring owns its tasks as a collection of `T: Send` would.
unsafe impl<T: Linked> Send for Ring<T> {}
// SAFETY: a slot is written by the one owner only, and read by whoever claimed it through `head`.
unsafe impl<T: Linked> Sync for Ring<T> {}

#[inline]
fn pack(steal: u32, real: u32) -> u64 {
    u64::from(steal) << 32 | u64::from(real)
}

#[inline]
fn unpack(head: u64) -> (u32, u32) {
    ((head >> 32) as u32, head as u32)
}

impl<T: Linked> Ring<T> {
    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        Ring {
            head: CachePadded(AtomicU64::new(pack(RING_START, RING_START))),
            tail: CachePadded(AtomicU32::new(RING_START)),
            slots: core::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
        }
    }

    /// How many tasks it holds. Exact for the owner, a hint for anyone else.
    #[must_use]
    pub fn len(&self) -> usize {
        // ORDERING: Relaxed. A parking worker that asks has a SeqCst fence before this, which pairs with
        // the pusher's fence in `Sleep::notify`; for others it is a hint. Head is read first, so an
        // empty ring may look full, never the other way round.
        let (_, real) = unpack(self.head.load(Ordering::Relaxed));
        // ORDERING: Relaxed, as above.
        let tail = self.tail.load(Ordering::Relaxed);
        // Read apart, the two may be from different times: more than a ring, or less than nothing.
        (tail.wrapping_sub(real) as i32).clamp(0, CAPACITY as i32) as usize
    }

    /// Whether it holds none, with the same reservation as [`Ring::len`].
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Thief: moves `real` over half of the tasks; they are ours to copy until `finish_steal`.
    fn claim_half(&self) -> Option<(u32, u32)> {
        // ORDERING: Acquire pairs with the Release half of whoever moved the head: the tail read next is
        // not older than the one he knew, so `tail - real` is never negative.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let (steal, real) = unpack(head);
            if steal != real {
                return None;
            }
            // ORDERING: Acquire pairs with the Release in `publish`: the slots below this tail, and the
            // tasks they point to.
            let tail = self.tail.load(Ordering::Acquire);
            let len = tail.wrapping_sub(real);
            let n = len - len / 2;
            if n == 0 {
                return None;
            }
            let claimed = pack(steal, real.wrapping_add(n));
            // ORDERING: AcqRel. Release hands on the tail we saw (above). Acquire on both outcomes, for the
            // same reason as the load.
            match self.head.compare_exchange(head, claimed, Ordering::AcqRel, Ordering::Acquire) {
                // A head older than the tail can make `len` exceed the ring; then this CAS failed.
                Ok(_) => return Some((real, n)),
                Err(now) => head = now,
            }
        }
    }

    /// Thief: lets the copied slots go. The owner may have popped meanwhile, hence the loop.
    fn finish_steal(&self) {
        // ORDERING: Relaxed, a first guess for the CAS.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let (_, real) = unpack(head);
            // ORDERING: AcqRel. Release pairs with the Acquire in `room` and `overflow`: our reads of the
            // slots are over before the owner writes them again. Acquire keeps the chain of tails (see
            // `claim_half`).
            match self.head.compare_exchange(head, pack(real, real), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    #[inline]
    fn slot(&self, position: u32) -> &UnsafeCell<MaybeUninit<NonNull<T::Node>>> {
        &self.slots[(position % CAPACITY) as usize]
    }

    /// Reads the slot at `position`, which the caller has claimed and which was written before.
    #[inline]
    fn read(&self, position: u32) -> NonNull<T::Node> {
        self.slot(position).with(|p| {
            // SAFETY: claimed positions are not written until the claim is given up (second invariant).
            let node = unsafe { *p };
            // SAFETY: claimed positions lie below the tail, so the slot has been written.
            unsafe { node.assume_init() }
        })
    }
}

impl<T: Linked> Default for Ring<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Linked> Drop for Ring<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: whoever drops the ring is alone with it.
        let (_, real) = unpack(self.head.load(Ordering::Relaxed));
        // ORDERING: Relaxed, as above.
        let tail = self.tail.load(Ordering::Relaxed);
        for i in 0..tail.wrapping_sub(real) {
            let node = self.read(real.wrapping_add(i));
            // SAFETY: positions from `real` to `tail` hold tasks that nobody has taken.
            drop(unsafe { T::from_raw(node) });
        }
    }
}

impl<T: Linked> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, not(ouzel_loom)))]
mod tests;
