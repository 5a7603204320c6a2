//! The end of a ring that pushes and pops: one thread's, with a batch that nobody else can reach.

use super::{CAPACITY, Ring, pack, unpack};
use crate::config::RING_CAPACITY;
use crate::queue::{Chain, Linked};
use crate::sync::Ordering;
use core::cell::Cell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

pub(super) const HALF: u32 = CAPACITY / 2;
/// Most tasks the owner takes per CAS.
pub(super) const TAKE: usize = if RING_CAPACITY / 2 < 8 { RING_CAPACITY / 2 } else { 8 };
/// How often thieves can spoil one pop (see the module).
const POP_RETRIES: u32 = 2 * (CAPACITY.ilog2() + 1);

/// The owner's half of a [`Ring`]: the end that pushes and pops, and the batch taken last.
///
/// Not `Sync`, but its methods take `&self`: a task that is being polled may push to the ring of the
/// worker that polls it.
pub struct Owner<T: Linked> {
    ring: NonNull<Ring<T>>,
    /// The tail, which only we move.
    pub(super) tail: Cell<u32>,
    /// The steal index as last seen. It only moves forward, so room counted from it is never too much.
    steal: Cell<u32>,
    /// The batch, newest first: entries below `batched` are filled.
    batch: [Cell<Option<NonNull<T::Node>>>; TAKE],
    batched: Cell<usize>,
}

// SAFETY: it owns the tasks in its batch (`T: Send`), and the ring may be used from any one thread.
unsafe impl<T: Linked> Send for Owner<T> {}

impl<T: Linked> Owner<T> {
    /// Takes possession of the pushing end of `ring`.
    ///
    /// # Safety
    /// `ring` outlives the owner and does not move, and no other owner of it is used meanwhile (a former
    /// one's last use happens before this).
    #[must_use]
    pub unsafe fn new(ring: &Ring<T>) -> Self {
        // ORDERING: Relaxed: the former owner's last use happens before this.
        let tail = ring.tail.load(Ordering::Relaxed);
        let owner = Owner {
            ring: NonNull::from(ring),
            tail: Cell::new(tail),
            steal: Cell::new(tail),
            batch: [const { Cell::new(None) }; TAKE],
            batched: Cell::new(0),
        };
        owner.room();
        owner
    }

    /// The half that thieves see.
    #[inline]
    #[must_use]
    pub fn ring(&self) -> &Ring<T> {
        // SAFETY: the ring outlives its owner (contract of `new`).
        unsafe { self.ring.as_ref() }
    }

    /// Tasks in the ring and in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring().len() + self.batched()
    }

    /// Tasks in the ring, but for what thieves take at this moment.
    #[inline(always)]
    #[must_use]
    pub fn in_ring(&self) -> usize {
        // ORDERING: Relaxed: a count of what was there a moment ago.
        let (_, real) = unpack(self.ring().head.load(Ordering::Relaxed));
        self.tail.get().wrapping_sub(real) as usize
    }

    /// Whether neither the ring nor the batch holds a task.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batched() == 0 && self.ring().is_empty()
    }

    /// Tasks in the batch: nobody else can reach them.
    #[inline]
    #[must_use]
    pub fn batched(&self) -> usize {
        self.batched.get()
    }

    /// Free slots now; a thief at work may free more at any time, nobody but us takes any.
    pub fn room(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `finish_steal`: the thief has read the slots we are
        // going to write.
        let (steal, _) = unpack(self.ring().head.load(Ordering::Acquire));
        self.steal.set(steal);
        (CAPACITY - self.tail.get().wrapping_sub(steal)) as usize
    }

    /// Appends a task.
    ///
    /// # Errors
    /// The ring is full: these tasks, the one given among them, must go to the injection queue.
    #[inline]
    pub fn push(&self, task: T) -> Result<(), Chain<T>> {
        self.push_if_room(task).map_or(Ok(()), |task| self.overflow(task))
    }

    /// Appends a task, or gives it back for `push` to make room.
    #[inline(always)]
    pub fn push_if_room(&self, task: T) -> Option<T> {
        let tail = self.tail.get();
        if tail.wrapping_sub(self.steal.get()) >= CAPACITY {
            return Some(task);
        }
        self.write(tail, task.into_raw());
        self.publish(tail.wrapping_add(1));
        None
    }

    /// Appends as many tasks of `chain` as there is room for, visible all at once.
    pub fn extend(&self, chain: &mut Chain<T>) {
        let tail = self.tail.get();
        let mut n = 0;
        for _ in 0..self.room() {
            let Some(node) = chain.pop_front_raw() else { break };
            self.write(tail.wrapping_add(n), node);
            n += 1;
        }
        if n > 0 {
            self.publish(tail.wrapping_add(n));
        }
    }

    /// Takes the oldest task, from the batch if there is one. Wait-free; `None` means empty.
    #[inline(always)]
    pub fn pop(&self) -> Option<T> {
        match self.pop_batched() {
            Some(node) => {
                // SAFETY: entries of the batch were claimed by us alone, and each is given out once.
                Some(unsafe { T::from_raw(node) })
            }
            None => self.refill(),
        }
    }

    /// Puts what is left of the batch at the ring's tail, where thieves can reach it.
    ///
    /// # Errors
    /// The ring had no room for these: they must go to the injection queue.
    pub fn hand_back(&self) -> Result<(), Chain<T>> {
        let mut left = Chain::new();
        while let Some(node) = self.pop_batched() {
            left.push_back_raw(node);
        }
        self.extend(&mut left);
        if left.is_empty() { Ok(()) } else { Err(left) }
    }

    #[inline(always)]
    fn pop_batched(&self) -> Option<NonNull<T::Node>> {
        let left = self.batched.get().checked_sub(1)?;
        self.batched.set(left);
        self.batch[left % TAKE].get()
    }

    /// Claims up to `TAKE` tasks, at most half: returns the oldest, the rest becomes the batch.
    #[inline(never)]
    fn refill(&self) -> Option<T> {
        let ring = self.ring();
        let tail = self.tail.get();
        // ORDERING: Acquire pairs with the Release in `finish_steal`, as in `room`.
        let mut head = ring.head.load(Ordering::Acquire);
        let mut spoilt = 0;
        let (first, n) = loop {
            let (steal, real) = unpack(head);
            let len = tail.wrapping_sub(real);
            if len == 0 {
                return None;
            }
            let n = (len - len / 2).min(TAKE as u32);
            let after = real.wrapping_add(n);
            let taken = pack(if steal == real { after } else { steal }, after);
            // ORDERING: AcqRel. Release pairs with the Acquire in `claim_half`: a thief that sees this head
            // sees a tail that is not behind it. Acquire as the load above.
            match ring.head.compare_exchange(head, taken, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.steal.set(unpack(taken).0);
                    break (real, n);
                }
                Err(now) => head = now,
            }
            spoilt += 1;
            if cfg!(any(debug_assertions, test)) {
                assert!(spoilt <= POP_RETRIES, "thieves spoilt a pop {spoilt} times");
            }
        };
        for i in 1..n {
            self.batch[(n - 1 - i) as usize].set(Some(ring.read(first.wrapping_add(i))));
        }
        self.batched.set(n as usize - 1);
        // SAFETY: the CAS made slot `first` ours alone, and what was written there came from `into_raw`.
        Some(unsafe { T::from_raw(ring.read(first)) })
    }

    #[cold]
    fn overflow(&self, task: T) -> Result<(), Chain<T>> {
        let ring = self.ring();
        let tail = self.tail.get();
        let mut out = Chain::new();
        // ORDERING: Acquire pairs with the Release in `finish_steal`, as in `room`.
        let mut head = ring.head.load(Ordering::Acquire);
        let first = loop {
            let (steal, real) = unpack(head);
            self.steal.set(steal);
            if tail.wrapping_sub(steal) < CAPACITY {
                self.write(tail, task.into_raw());
                self.publish(tail.wrapping_add(1));
                return Ok(());
            }
            if steal != real {
                // A thief is about to make room; until then there is none, not even for half a ring.
                out.push_back(task);
                return Err(out);
            }
            // ORDERING: AcqRel, as in `refill`.
            match ring.head.compare_exchange(head, pack(tail, tail), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break real,
                Err(now) => head = now,
            }
        };
        self.steal.set(tail);
        for i in HALF..CAPACITY {
            out.push_back_raw(ring.read(first.wrapping_add(i)));
        }
        out.push_back(task);
        // The older half lies where the positions from `tail` on map to: see the module.
        self.publish(tail.wrapping_add(HALF));
        Err(out)
    }

    /// Writes a slot at or above the tail, which has room.
    #[inline(always)]
    pub(super) fn write(&self, position: u32, node: NonNull<T::Node>) {
        self.ring().slot(position).with_mut(|p| {
            // SAFETY: positions from the tail on, less than a ring above `steal`, belong to the owner
            // (second invariant).
            unsafe { *p = MaybeUninit::new(node) }
        });
    }

    /// Makes the slots below `tail` visible.
    #[inline(always)]
    pub(super) fn publish(&self, tail: u32) {
        self.tail.set(tail);
        // ORDERING: Release pairs with the Acquire in `claim_half`: the slots below, and their tasks.
        self.ring().tail.store(tail, Ordering::Release);
    }
}

// Here and not with the rest of the ring's: that knows nothing of owners.
impl<T: Linked> Ring<T> {
    /// Takes the older half, at least one: returns the oldest, the rest goes to `thief`'s own ring.
    ///
    /// `None` if there is nothing, if another thief is copying, or if `thief` has less than half a ring free.
    pub fn steal_into(&self, thief: &Owner<T>) -> Option<T> {
        debug_assert!(!core::ptr::eq(self, thief.ring()), "a worker does not steal from itself");
        if thief.room() < RING_CAPACITY / 2 {
            return None;
        }
        let (first, n) = self.claim_half()?;
        let oldest = self.read(first);
        let tail = thief.tail.get();
        for i in 1..n {
            thief.write(tail.wrapping_add(i - 1), self.read(first.wrapping_add(i)));
        }
        self.finish_steal();
        if n > 1 {
            thief.publish(tail.wrapping_add(n - 1));
        }
        // SAFETY: the claim made slot `first` ours alone, and what was written there came from `into_raw`.
        Some(unsafe { T::from_raw(oldest) })
    }
}

impl<T: Linked> Drop for Owner<T> {
    fn drop(&mut self) {
        while let Some(node) = self.pop_batched() {
            // SAFETY: what is left in the batch was claimed by us and never given out.
            drop(unsafe { T::from_raw(node) });
        }
    }
}

impl<T: Linked> fmt::Debug for Owner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("ring", self.ring())
            .field("batched", &self.batched())
            .finish_non_exhaustive()
    }
}
