//! The task's state word: seven flags, a reference count and a generation in one `u64`.
//!
//! ```text
//!  63        40 39         8 7 6 5 4 3 2 1 0
//! | generation | references |- E C W J N F S|   S SCHED   F COMPLETE  N NOTIFIED  J JOIN_INTEREST
//!                                               W JOIN_WAKER  C CANCELLED  E EXPORTED
//! ```
//!
//! Without an allocator there are no weak ids, so no generation and no EXPORTED: the word is a `u32` with 24 bits of
//! references ([`Bits`](crate::sync::Bits) says why). Tried with 64 bits, on a Cortex-M4: out of locks the firmware's
//! checks hang as soon as a timer interrupts them, and its first program takes 20,620 bytes of flash and 2,564 of RAM; with
//! interrupts disabled around each access 14,056 and 420; with this word 13,608 and 420.
//!
//! **Who owns what.** *T*: the task's own reference, exactly one from spawn until complete; it lies in the
//! cell while the task is idle and travels with its [`Notified`](super::Notified) otherwise. *J*: the join handle.
//! *W*: one per waker or abort handle. So a spawn stores T + J, SCHED and JOIN_INTEREST with one plain store, and
//! wake and idle move no reference. References 0 means that future and output are gone (only `complete`
//! gives T back) and the cell is free or about to be.
//!
//! **Who may poll.** A `Notified` (N) exists exactly while SCHED is set; whoever holds it alone may poll, cancel
//! or drop the future. Only `complete` and `end_pending` clear SCHED, both called by the holder of N.
//!
//! | from              | event              | to                     | what follows                             |
//! |-------------------|--------------------|------------------------|------------------------------------------|
//! | free (storage)    | `claim`            | SCHED                  | fill the cell, submit N                  |
//! | SCHED             | `start`            | NOTIFIED cleared       | poll; CANCELLED: cancel                  |
//! | SCHED             | `end_pending`      | idle                   | nothing                                  |
//! | SCHED NOTIFIED    | `end_pending`      | -                      | N again, `start` clears the bit          |
//! | SCHED CANCELLED   | `end_pending`      | -                      | cancel                                   |
//! | idle              | wake               | SCHED                  | submit N                                 |
//! | SCHED             | wake               | NOTIFIED               | nothing                                  |
//! | SCHED             | `complete`         | COMPLETE, refs-1       | free at 0; JOIN_WAKER: see below         |
//! | SCHED JOIN_WAKER  | `complete`         | COMPLETE               | wake the joiner, then `joiner_woken`     |
//! | COMPLETE W        | `joiner_woken`     | not JOIN_WAKER, refs-1 | free at 0                                |
//! | idle              | `abort`            | SCHED CANCELLED        | submit N, or cancel in place             |
//! | SCHED             | `abort`            | CANCELLED              | nothing: the holder of N will see it     |
//! | COMPLETE or free  | wake, abort        | -                      | nothing                                  |
//! | pending           | `drop_handle`      | not J, not W, refs-1   | drop the stored waker                    |
//! | COMPLETE          | `drop_output_ref`  | not J, refs-1          | free at 0; the output is gone before     |
//!
//! A wake by value gives its reference back in the same step.
//!
//! **The join waker's field** belongs to the handle while JOIN_WAKER is clear and the task is pending. Setting
//! the bit hands it over; clearing it by CAS takes it back; `complete` with the bit set gives it to the completer for good.
//! It is decided by the value the CAS replaced: between an earlier load and the CAS the handle may have gone.
//!
//! **Sole owner.** References 1 and not EXPORTED, read by whoever holds that one: no other thread can reach the
//! word any more, so freeing is a plain store. A weak id reaches it without a reference, hence EXPORTED (set
//! when an id is made, kept over reuse). The reading is an Acquire load.
//!
//! **Generation.** Bumped when the cell is reused. Weak ids compare it in the CAS that changes the word, and ask for
//! references above 0. An EXPORTED cell whose generation would wrap is never used again, so there is no false match.
//!
//! LENGTH: one word and all that may happen to it; each transition is argued from the others.
//!
//! Prior work: Tokio's state word (2019), async-task (2019); biased self-wakes as in glommio (2020).

use crate::sync::{AtomicBits, Bits, Ordering, const_fn, store_alone};

/// N exists: the task is queued, being polled, or on its way between the two.
pub(crate) const SCHED: Bits = 1;
/// The future is gone; the output is there if the handle still is.
pub(crate) const COMPLETE: Bits = 1 << 1;
/// Woken while SCHED was set: poll again.
pub(crate) const NOTIFIED: Bits = 1 << 2;
/// The join handle exists: whoever completes the task keeps the output.
pub(crate) const JOIN_INTEREST: Bits = 1 << 3;
/// The header's waker field is set and not the handle's.
pub(crate) const JOIN_WAKER: Bits = 1 << 4;
/// The holder of N drops the future instead of polling it.
pub(crate) const CANCELLED: Bits = 1 << 5;
/// Weak ids of this cell are about.
pub(crate) const EXPORTED: Bits = 1 << 6;
/// One reference.
pub(crate) const REF: Bits = 1 << 8;
/// Bits of the reference count: they begin at [`REF`].
const REF_BITS: u32 = if cfg!(feature = "alloc") { 32 } else { Bits::BITS - 8 };
const REFS: Bits = (Bits::MAX >> (Bits::BITS - REF_BITS)) << 8;
const REFS_MAX: Bits = REF << (REF_BITS - 1);
#[cfg(feature = "alloc")]
const GENERATION_SHIFT: u32 = 40;
/// The last generation of a cell.
#[cfg(feature = "alloc")]
pub(crate) const GENERATION_MAX: Bits = (1 << 24) - 1;
/// The bits of a word that outlive the task: its generation and EXPORTED.
#[cfg(feature = "alloc")]
const KEPT: Bits = (GENERATION_MAX << GENERATION_SHIFT) | EXPORTED;
#[cfg(not(feature = "alloc"))]
const KEPT: Bits = 0;

/// A state word as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) Bits);

impl Word {
    #[inline(always)]
    pub(crate) const fn has(self, flag: Bits) -> bool {
        self.0 & flag != 0
    }

    /// References, as a multiple of [`REF`].
    #[inline(always)]
    const fn refs(self) -> Bits {
        self.0 & REFS
    }

    /// Nobody holds it: a free cell.
    #[inline(always)]
    pub(crate) const fn is_free(self) -> bool {
        self.refs() == 0
    }

    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    /// One reference is left and no weak id: its holder is alone with the word.
    #[inline(always)]
    pub(crate) const fn is_sole(self) -> bool {
        self.0 & (REFS | EXPORTED) == REF
    }

    /// The flags and references of a task that begins: T, SCHED, and with a handle J and JOIN_INTEREST. The next
    /// generation of a free cell.
    #[inline(always)]
    const fn begun(self, joined: bool) -> Bits {
        let first = if joined { (2 * REF) | SCHED | JOIN_INTEREST } else { REF | SCHED };
        #[cfg(feature = "alloc")]
        let first = (self.0 & KEPT).wrapping_add(1 << GENERATION_SHIFT) | first;
        first
    }

    /// The generation of the task that a free cell becomes next.
    #[cfg(feature = "alloc")]
    pub(crate) const fn next_generation(self) -> u32 {
        Word(self.begun(false)).generation()
    }

    /// A free cell that must not be reused: the next generation would be one that weak ids still name.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_retired(self) -> bool {
        self.0 & KEPT == KEPT
    }
}

/// What of a word outlives the task, gathered over the cells of a chunk that is given back: its next cells begin
/// with it.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept(Bits);

#[cfg(feature = "alloc")]
impl Kept {
    /// The newer generation of the two; EXPORTED if either is.
    pub(crate) fn with(self, word: Word) -> Self {
        let generation = (self.0 & !EXPORTED).max(word.0 & KEPT & !EXPORTED);
        Kept(generation | (self.0 | word.0) & EXPORTED)
    }

    /// Whether cells that begin with this have enough generations before them to be worth it.
    pub(crate) fn may_start_again(self) -> bool {
        self.0 & EXPORTED == 0 || Word(self.0).generation() <= GENERATION_MAX as u32 / 2
    }
}

/// What the holder of N does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Start {
    Poll,
    Cancel,
}

/// What becomes of N after a poll that returned pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum AfterPoll {
    /// N is gone; hands off.
    Idle,
    /// Woken meanwhile: N goes to the queue again.
    Again,
    /// Aborted meanwhile: N cancels.
    Cancel,
}

/// What a wake, an abort or a drop leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum After {
    Nothing,
    /// N exists now and is the caller's: give it to the scheduler.
    Submit,
    /// It was the last reference: give the cell back.
    Free,
}

/// What a wake leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum AfterWake {
    Nothing,
    /// As `After::Submit`.
    Submit,
    /// Nothing was done, nor a reference given up: the task is complete.
    Over,
}

/// What the completer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Completed {
    /// Not done: the handle has gone, so drop the output and call again.
    Unwanted,
    Done,
    Free,
    /// The waker field is the caller's: wake it by value, then call `joiner_woken`.
    WakeJoiner,
}

/// What a join handle may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Join {
    /// The waker field is the handle's.
    Pending,
    /// The output is there and the handle's.
    Complete,
}

/// What a weak id's operation found.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Weak {
    /// As `After::Submit`.
    Submit,
    /// It will happen anyway.
    Pending,
    /// Another task's generation, a free cell, or a completed task.
    Stale,
}

/// See the module.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct State(pub(crate) AtomicBits);

impl State {
    const_fn! {
        /// The word of a cell that was never used.
        pub(crate) fn vacant() -> Self {
            State(AtomicBits::new(0))
        }
    }

    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> Word {
        Word(self.0.load(order))
    }

    /// Slab, the cell free and in no list: its word begins with `kept`.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn start_with(&self, kept: Kept) {
        if kept != Kept::default() {
            // ORDERING: Relaxed: a free cell's word: a weak id that reads it, or the 0 before it, does nothing.
            store_alone(&self.0, kept.0, Ordering::Relaxed);
        }
    }

    /// Makes a free cell a task (see `Word::begun`).
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn spawn(&self, joined: bool) {
        // ORDERING: Relaxed: the cell is free and came off the caller's own free list; nobody writes the word.
        let old = self.load(Ordering::Relaxed);
        debug_assert!(old.0 & !KEPT == 0 && !old.is_retired(), "a cell in use was taken for a new task");
        // ORDERING: Release pairs with the Acquire load of a walk (`owned`) and of a weak id: future, vtable
        // and stage are written before the task is there to be found.
        self.0.store(old.0.wrapping_add(const { Word(0) }.begun(joined)), Ordering::Release);
    }

    /// Whoever frees a cell, nobody holding it: leaves of the word what outlives the task.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn rest(&self, word: Word) {
        debug_assert!(word.is_free(), "freed under a reference");
        // ORDERING: Release, as in `free_alone`: the store goes on with what the last drop published.
        store_alone(&self.0, word.0 & KEPT, Ordering::Release);
    }

    /// The same for storage that anyone may try to take: true for one of them, and if it is free. The task is
    /// not there to be found before the caller hands out N or J, so the cell is filled after this.
    #[inline]
    pub(crate) fn claim(&self, joined: bool) -> bool {
        // ORDERING: Relaxed: the CAS decides.
        let old = self.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release of all drops of the task before (`drop_ref_and`, `complete`,
        // `wake`, `free_alone`): what their callers did with the cell comes before it is filled again. Relaxed on
        // failure, which can only mean that another claim has won: nothing is read after it.
        old.is_free()
            && self.0.compare_exchange(old.0, old.begun(joined), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Holder of N: before a poll.
    #[inline(always)]
    pub(crate) fn start(&self) -> Start {
        // ORDERING: Relaxed: the wake that made N is acquired through the queue N came out of.
        let mut seen = self.load(Ordering::Relaxed);
        debug_assert!(seen.has(SCHED) && !seen.has(COMPLETE), "run without an N");
        if !seen.has(NOTIFIED | CANCELLED) {
            return Start::Poll;
        }
        if seen.has(NOTIFIED) {
            // ORDERING: Acquire pairs with the Release of each wake since the last poll, so the poll sees what
            // their callers wrote; Release keeps the chain for a waker that reads this value. Never a load and
            // a store: a wake between the two would be overwritten.
            seen = Word(self.0.fetch_and(!NOTIFIED, Ordering::AcqRel));
        }
        if seen.has(CANCELLED) { Start::Cancel } else { Start::Poll }
    }

    /// Holder of N: the poll returned pending and the task did not wake itself.
    #[inline(always)]
    pub(crate) fn end_pending(&self) -> AfterPoll {
        // ORDERING: Relaxed: the CAS decides; NOTIFIED and CANCELLED stay, `start` acquires what came with them.
        let mut seen = self.load(Ordering::Relaxed);
        loop {
            debug_assert!(seen.has(SCHED) && !seen.has(COMPLETE), "N was lost during a poll");
            if seen.has(CANCELLED) {
                return AfterPoll::Cancel;
            }
            if seen.has(NOTIFIED) {
                return AfterPoll::Again;
            }
            // ORDERING: Release pairs with the Acquire of the wake or abort that makes the next N: its holder finds
            // the future as this poll left it. Acquire keeps the wakes in one order with the polls.
            let idle = seen.0 & !SCHED;
            match self.0.compare_exchange(seen.0, idle, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return AfterPoll::Idle,
                Err(now) => seen = Word(now),
            }
        }
    }

    /// Any thread: a wake that keeps its reference.
    #[inline(always)]
    pub(crate) fn wake_by_ref(&self) -> After {
        match self.wake(0, 0) {
            AfterWake::Submit => After::Submit,
            AfterWake::Nothing | AfterWake::Over => After::Nothing,
        }
    }

    /// A wake that gives its reference up. After `Submit` N alone keeps the cell, and perhaps the scheduler:
    /// for a worker of that scheduler only.
    #[inline(always)]
    pub(crate) fn wake_by_val(&self) -> AfterWake {
        self.wake(REF, REF)
    }

    /// The same for any thread. After `Submit` the reference is still held: `drop_ref` it when the scheduler has
    /// returned.
    #[inline(always)]
    pub(crate) fn wake_by_val_elsewhere(&self) -> AfterWake {
        self.wake(0, REF)
    }

    /// References given up if the task is idle, and if it is not.
    #[inline(always)]
    fn wake(&self, given_idle: Bits, given: Bits) -> AfterWake {
        // ORDERING: Relaxed: the CAS decides, and a complete task needs nothing of what the waker wrote.
        let mut seen = self.load(Ordering::Relaxed);
        loop {
            debug_assert!(!seen.is_free(), "woken without a reference");
            if seen.has(COMPLETE) {
                return AfterWake::Over;
            }
            debug_assert!(seen.refs() > given, "T was given away by a waker");
            let idle = !seen.has(SCHED);
            let next = if idle { (seen.0 | SCHED) - given_idle } else { (seen.0 | NOTIFIED) - given };
            // ORDERING: Release pairs with the Acquire of `start` (or of the queue N goes through): the poll sees
            // what the waker wrote. Also when NOTIFIED is already set: else the poll would acquire the first waker's
            // write and not this one's. Acquire pairs with `end_pending`: N carries the future as it was left.
            match self.0.compare_exchange(seen.0, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return if idle { AfterWake::Submit } else { AfterWake::Nothing },
                Err(now) => seen = Word(now),
            }
        }
    }

    /// Any thread that holds a reference, or the walk of a shutdown, which finds the cell in its table: the
    /// future is to be dropped.
    pub(crate) fn abort(&self) -> After {
        // ORDERING: Acquire pairs with the Release of `spawn`, for the walk.
        let mut seen = self.load(Ordering::Acquire);
        loop {
            if seen.is_free() || seen.0 & (COMPLETE | CANCELLED) != 0 {
                return After::Nothing;
            }
            // SCHED: N is in a queue or still on its way there, and its holder will see the bit. It is not ours to take.
            let idle = !seen.has(SCHED);
            let next = seen.0 | CANCELLED | if idle { SCHED } else { 0 };
            // ORDERING: Acquire pairs with `end_pending`: if N is made here it carries the future as it was left.
            // Release keeps the chain for the one who reads this value.
            match self.0.compare_exchange(seen.0, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return if idle { After::Submit } else { After::Nothing },
                Err(now) => seen = Word(now),
            }
        }
    }

    /// A weak id's wake. `Submit` also made a reference for the caller, to be dropped after the scheduler
    /// has returned.
    #[cfg(feature = "alloc")]
    pub(crate) fn wake_if(&self, generation: u32) -> Weak {
        // ORDERING: Acquire pairs with the Release of `spawn`, as the id may have come without any.
        let mut seen = self.load(Ordering::Acquire);
        loop {
            if seen.is_free() || seen.generation() != generation || seen.has(COMPLETE) {
                return Weak::Stale;
            }
            let idle = !seen.has(SCHED);
            let next = if idle { add_ref(seen) | SCHED } else { seen.0 | NOTIFIED };
            // ORDERING: as in `wake`.
            match self.0.compare_exchange(seen.0, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return if idle { Weak::Submit } else { Weak::Pending },
                Err(now) => seen = Word(now),
            }
        }
    }

    /// Turns a weak id into a reference. False: stale (a completed task is not).
    #[cfg(feature = "alloc")]
    pub(crate) fn upgrade(&self, generation: u32) -> bool {
        // ORDERING: Acquire pairs with the Release of `spawn`.
        let mut seen = self.load(Ordering::Acquire);
        loop {
            if seen.is_free() || seen.generation() != generation {
                return false;
            }
            // ORDERING: Acquire pairs with the Release of `spawn`; Release keeps the chain of drops.
            match self.0.compare_exchange(seen.0, add_ref(seen), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => seen = Word(now),
            }
        }
    }

    /// Holder of a reference: from now on weak ids of this cell exist. Returns the generation.
    #[cfg(feature = "alloc")]
    pub(crate) fn export(&self) -> u32 {
        // ORDERING: Relaxed: a sole owner that must see the bit gets its reference from here on, in this word's own
        // order: the holder's later drop, which the sole owner acquires, comes after this.
        Word(self.0.fetch_or(EXPORTED, Ordering::Relaxed)).generation()
    }

    /// Another reference. The caller holds one.
    #[inline(always)]
    pub(crate) fn add_ref(&self) {
        // ORDERING: Relaxed: a clone publishes nothing, and whoever hands it on orders that hand-over.
        let before = self.0.fetch_add(REF, Ordering::Relaxed);
        if before & REFS >= REFS_MAX {
            overflow();
        }
    }

    /// One reference less.
    #[inline(always)]
    pub(crate) fn drop_ref(&self) -> After {
        self.drop_ref_and(0)
    }

    /// Handle, the output taken or dropped: gives J back.
    #[inline(always)]
    pub(crate) fn drop_output_ref(&self) -> After {
        self.drop_ref_and(JOIN_INTEREST)
    }

    /// Completer, after it has woken the joiner: gives T back, and JOIN_WAKER with it.
    pub(crate) fn joiner_woken(&self) -> After {
        self.drop_ref_and(JOIN_WAKER)
    }

    #[inline(always)]
    fn drop_ref_and(&self, flag: Bits) -> After {
        // ORDERING: Acquire pairs with the Release of the drops before this one (below, and in `wake` and
        // `complete`): what the others read in the cell comes before its reuse.
        let seen = self.load(Ordering::Acquire);
        debug_assert!(!seen.is_free() && seen.0 & flag == flag, "a reference dropped twice");
        if seen.is_sole() {
            self.free_alone(seen);
            return After::Free;
        }
        // ORDERING: Release pairs with that load, or with the Acquire half of the last drop, which may be this
        // one: then all that the others did with the cell comes before its reuse.
        let before = Word(self.0.fetch_sub(REF + flag, Ordering::AcqRel));
        if before.refs() == REF { After::Free } else { After::Nothing }
    }

    /// Holder of N: whether T is the only reference, so that the task can be freed without a locked instruction.
    #[inline(always)]
    pub(crate) fn is_sole(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of every drop, as in `drop_ref_and`.
        self.load(Ordering::Acquire).is_sole()
    }

    /// The sole holder: references 0, flags gone.
    #[inline(always)]
    pub(crate) fn free_sole(&self) {
        // ORDERING: Relaxed: nobody else writes the word any more.
        let seen = self.load(Ordering::Relaxed);
        debug_assert!(seen.is_sole(), "freed under a reference");
        self.free_alone(seen);
    }

    #[inline(always)]
    fn free_alone(&self, seen: Word) {
        // ORDERING: Release pairs with the Acquire load of a walk that waits for the end of all tasks: the future
        // and the output have been dropped.
        store_alone(&self.0, seen.0 & KEPT, Ordering::Release);
    }

    /// Holder of N: whether somebody may still want the output. Once false it stays so.
    #[inline(always)]
    pub(crate) fn is_joined(&self) -> bool {
        // ORDERING: Relaxed: dropping an output that nobody wants needs nothing of the handle's.
        self.load(Ordering::Relaxed).has(JOIN_INTEREST)
    }

    /// Holder of N, the future gone: ends the task. `kept`: the output is there.
    pub(crate) fn complete(&self, kept: bool) -> Completed {
        // ORDERING: Relaxed: the CAS decides.
        let mut seen = self.load(Ordering::Relaxed);
        loop {
            debug_assert!(seen.has(SCHED) && !seen.has(COMPLETE), "completed without an N");
            if kept && !seen.has(JOIN_INTEREST) {
                return Completed::Unwanted;
            }
            let wake = seen.has(JOIN_WAKER);
            let next = ((seen.0 & !(SCHED | NOTIFIED)) | COMPLETE) - if wake { 0 } else { REF };
            // ORDERING: Release pairs with the Acquire of the join handle (the output), of a walk (the future
            // is gone) and of the last drop. Acquire pairs with `store_waker` (the field is ours to read) and with earlier drops.
            match self.0.compare_exchange(seen.0, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if wake => return Completed::WakeJoiner,
                Ok(_) if Word(next).is_free() => return Completed::Free,
                Ok(_) => return Completed::Done,
                Err(now) => seen = Word(now),
            }
        }
    }

    /// Handle: whether the output is there. Second: whether the waker field is the completer's.
    #[inline(always)]
    pub(crate) fn poll_join(&self) -> (Join, bool) {
        // ORDERING: Acquire pairs with the Release of `complete`: the output.
        let seen = self.load(Ordering::Acquire);
        let join = if seen.has(COMPLETE) { Join::Complete } else { Join::Pending };
        (join, seen.has(JOIN_WAKER))
    }

    /// Handle: takes the waker field back, to change it.
    pub(crate) fn take_waker_back(&self) -> Join {
        self.flip(JOIN_WAKER, 0)
    }

    /// Handle: the waker field is written; gives it to the completer.
    pub(crate) fn store_waker(&self) -> Join {
        self.flip(0, JOIN_WAKER)
    }

    /// Handle: gives up a pending task's output. `Pending`: the waker field is the caller's again, if `waker`.
    /// J itself is still held if `waker`, and gone otherwise.
    pub(crate) fn drop_handle(&self, waker: bool) -> Join {
        let clear = if waker { JOIN_INTEREST | JOIN_WAKER } else { JOIN_INTEREST + REF };
        self.flip(clear, 0)
    }

    fn flip(&self, minus: Bits, plus: Bits) -> Join {
        // ORDERING: Acquire pairs with the Release of `complete`: the output.
        let mut seen = self.load(Ordering::Acquire);
        loop {
            if seen.has(COMPLETE) {
                return Join::Complete;
            }
            debug_assert!(seen.has(JOIN_INTEREST), "a handle after its end");
            // ORDERING: Release pairs with the Acquire of `complete`: the waker as written, or the handle's last
            // look at the cell. Acquire: what was written to the field last was written by this handle; on failure as above.
            let next = seen.0 - minus + plus;
            match self.0.compare_exchange(seen.0, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Join::Pending,
                Err(now) => seen = Word(now),
            }
        }
    }
}

/// `seen` with one reference more.
#[cfg(feature = "alloc")]
#[inline(always)]
fn add_ref(seen: Word) -> Bits {
    if seen.refs() >= REFS_MAX {
        overflow();
    }
    seen.0 + REF
}

/// Aborts: an unwinding clone would leave the count wrong.
#[cold]
pub(crate) fn overflow() -> ! {
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            panic!("a second panic, to abort");
        }
    }
    let _abort = Abort;
    panic!("more references to one task than can be counted");
}
