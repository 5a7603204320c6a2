//! Who sleeps, who searches, and whom a push wakes: the protocol that loses no wake-up and needs no timeout.
//!
//! Two words: `sleepers`, one bit per worker, and `searching`, the number of workers that look for work
//! they do not have. Each worker sleeps on a [`ParkWord`](crate::park::ParkWord) of its own, in its own
//! driver.
//!
//! ```text
//!   pusher                                     worker w
//!   ──────                                     ────────
//!   push a task                                announce: sleepers |= w, searching -= 1 if it searched
//!   fence                                      fence
//!   searching > 0, or sleepers = 0: return     look at every queue; a task: found_work, go and search
//!   searching 0 -> 1, claim one bit            begin, driver.park, end
//!   unpark the worker whose bit it was         woken: was our bit claimed?
//! ```
//!
//! | worker w after its sleep    | what it means                        | what w is then        |
//! |-----------------------------|--------------------------------------|-----------------------|
//! | its bit is still there      | an event, a timer, a stray token     | awake, not searching  |
//! | its bit is gone             | a notifier counted it as searching   | searching             |
//!
//! **No wake-up is lost.** Of the two fences one comes first. If the pusher's does, the worker's look at the
//! queues sees the push. If the worker's does, the pusher sees the bit, or a searcher; and a searcher
//! that suppressed a wake-up either finds work and then wakes the next ([`Sleep::leave_search`]) or
//! announces, fences and looks itself. *Every* worker looks after announcing, not only the last searcher. A
//! notifier that found no sleeper after it had raised `searching` takes it back, fences and looks once
//! more: the pushes its 1 suppressed are its to carry.
//!
//! **The bit carries the claim, the token only ends the sleep.** An earlier form had the token mean "you
//! are counted as a searcher", so that a worker whose bit was claimed while it woke for another reason had
//! to wait for its token, and nobody else might leave one. Here a token that comes late, or from someone
//! who only wants the worker to look at its mailbox, costs one idle turn of the loop: no state to wait in,
//! and `searching` cannot underflow.
//!
//! **Fences.** Only the fences order; the two words themselves are Relaxed. Pushes are frequent and parks
//! rare, so where the system can fence the other threads from outside (`membarrier` on Linux) the pusher's
//! fence may become a compiler fence and the parker pays (`heavy`; 0.66 to 1.0 of the time in the design's
//! prototype). The models prove the symmetric form only.
//!
//! Prior work: Go's spinning workers (2012), Tokio's idle set (2019); asymmetric fences: Dice, Huang, Yang
//! (2001).

use crate::config::MAX_WORKERS;
use crate::sync::{AtomicU32, AtomicU64, CachePadded, Ordering, compiler_fence, fence};

/// Why a worker is awake again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Woken {
    /// A notifier chose it: it is counted as searching, and must search.
    Searching,
    /// Anything else: it runs what its driver queued. If that is more than one task it calls `notify`.
    Event,
}

/// The sleep protocol's shared state. See the module.
#[derive(Debug)]
pub struct Sleep {
    searching: CachePadded<AtomicU32>,
    sleepers: CachePadded<AtomicU64>,
    workers: u32,
    /// Makes every other running thread of the process pass a full fence, where the system can do that.
    heavy: Option<fn()>,
}

#[inline]
fn bit(worker: usize) -> u64 {
    debug_assert!(worker < MAX_WORKERS);
    1 << worker
}

/// A count below zero would suppress every wake-up from then on.
#[inline]
fn assert_counted(searching: u32) {
    if cfg!(any(debug_assertions, test)) {
        assert!(searching > 0, "a worker left the search that was not counted in it");
    }
}

impl Sleep {
    /// The state of `workers` workers, all awake and none searching.
    ///
    /// `heavy` makes every other running thread of the process pass a full fence before it returns, as
    /// `membarrier(PRIVATE_EXPEDITED)` does. With it [`Sleep::notify`] costs two loads; with `None` it
    /// fences, which is right everywhere.
    ///
    /// # Panics
    /// If `workers` is more than [`MAX_WORKERS`].
    #[must_use]
    pub fn new(workers: usize, heavy: Option<fn()>) -> Self {
        assert!(workers <= MAX_WORKERS, "one bit per worker");
        Sleep {
            searching: CachePadded(AtomicU32::new(0)),
            sleepers: CachePadded(AtomicU64::new(0)),
            workers: workers as u32,
            heavy,
        }
    }

    /// After a push that another worker may need: the worker that the caller must unpark, if any.
    ///
    /// The worker returned is already counted as searching. Not needed for the push of a lone task that the
    /// pushing worker will itself run next.
    #[inline]
    #[must_use = "the worker returned sleeps until it is unparked"]
    pub fn notify(&self) -> Option<usize> {
        // ORDERING: SeqCst fence (or its light half) against the fence in `announce`. Two variables: we
        // write a queue and read `sleepers`, the parker writes `sleepers` and reads the queue. Whoever
        // fences second sees what the other wrote.
        match self.heavy {
            None => fence(Ordering::SeqCst),
            Some(_) => compiler_fence(Ordering::SeqCst),
        }
        if self.is_quiet() { self.wake_one() } else { None }
    }

    /// Whether there is a sleeper, and no searcher that would find the work anyway.
    #[inline]
    fn is_quiet(&self) -> bool {
        // ORDERING: Relaxed, both: read after a fence, see `notify`.
        self.searching.load(Ordering::Relaxed) == 0 && self.sleepers.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn wake_one(&self) -> Option<usize> {
        loop {
            // ORDERING: Relaxed. One notifier at a time gets from 0 to 1; what it then reads is ordered by
            // the fence before it and, when it gives up, by the one below.
            if self.searching.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                return None;
            }
            if let Some(worker) = self.claim_sleeper() {
                return Some(worker);
            }
            // ORDERING: Relaxed, the fence follows.
            self.searching.fetch_sub(1, Ordering::Relaxed);
            // ORDERING: SeqCst fence against the one in `announce`. Pushers that read our 1 relied on us:
            // either we see a worker that announced since, or its look at the queues sees their pushes.
            fence(Ordering::SeqCst);
            if !self.is_quiet() {
                return None;
            }
        }
    }

    /// Takes the lowest bit out of `sleepers`.
    fn claim_sleeper(&self) -> Option<usize> {
        // ORDERING: Relaxed: the fetch_and below decides.
        let mut seen = self.sleepers.load(Ordering::Relaxed);
        while seen != 0 {
            let lowest = seen & seen.wrapping_neg();
            // ORDERING: Relaxed: it decides who owns the wake-up and publishes nothing; the park word's
            // token orders what the woken worker reads.
            seen = self.sleepers.fetch_and(!lowest, Ordering::Relaxed);
            if seen & lowest != 0 {
                return Some(lowest.trailing_zeros() as usize);
            }
        }
        None
    }

    /// Worker `worker` is going to sleep, and was counted as `searching` or not.
    ///
    /// After this it looks at **every** queue, the injection queue and the shutdown flag. If it finds
    /// work it calls [`Sleep::found_work`], else it sleeps and then calls [`Sleep::woken`].
    pub fn announce(&self, worker: usize, searching: bool) {
        // ORDERING: Relaxed: the fence below orders it before the look at the queues.
        self.sleepers.fetch_or(bit(worker), Ordering::Relaxed);
        if searching {
            // ORDERING: Relaxed: the same. After the bit, so that no pusher sees neither.
            let before = self.searching.fetch_sub(1, Ordering::Relaxed);
            assert_counted(before);
        }
        // ORDERING: SeqCst fence against the one in `notify`, where the race is written out.
        if let Some(fence_others) = self.heavy {
            fence_others();
        }
        fence(Ordering::SeqCst);
    }

    /// Worker `worker` announced its sleep and then saw work: it stays awake and is counted as searching.
    pub fn found_work(&self, worker: usize) {
        if self.retract(worker) {
            // ORDERING: Relaxed: a count; it goes down again only with a fence behind it.
            self.searching.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Worker `worker` is back from its sleep (the park word's `end` was called before this).
    pub fn woken(&self, worker: usize) -> Woken {
        if self.retract(worker) { Woken::Event } else { Woken::Searching }
    }

    /// Whether every worker but `worker` sleeps or is about to. A hint.
    #[must_use]
    pub fn all_asleep_but(&self, worker: usize) -> bool {
        // ORDERING: Relaxed, a hint.
        let sleepers = self.sleepers.load(Ordering::Relaxed) | bit(worker);
        sleepers.count_ones() == self.workers
    }

    /// Whether worker `worker` sleeps or is about to. A hint.
    #[must_use]
    pub fn is_asleep(&self, worker: usize) -> bool {
        // ORDERING: Relaxed, a hint.
        self.sleepers.load(Ordering::Relaxed) & bit(worker) != 0
    }

    /// Takes our bit back; false if a notifier was faster and has counted us as searching.
    fn retract(&self, worker: usize) -> bool {
        // ORDERING: Relaxed: an RMW reads the newest value, so exactly one of us and the notifiers takes
        // the bit.
        self.sleepers.fetch_and(!bit(worker), Ordering::Relaxed) & bit(worker) != 0
    }

    /// A worker without work asks to search the others' queues. False: enough do already, go to sleep.
    ///
    /// At most half of the workers search, and always at least one may.
    #[must_use = "a worker that was admitted must leave the search"]
    pub fn try_search(&self) -> bool {
        // ORDERING: Relaxed: a throttle; two may pass at once.
        if 2 * self.searching.load(Ordering::Relaxed) >= self.workers {
            return false;
        }
        // ORDERING: Relaxed: a count, see `found_work`.
        self.searching.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A searching worker found work, and is about to run it: the worker that the caller must unpark, if any.
    ///
    /// The last one out wakes the next: pushes that saw a searcher woke nobody.
    #[must_use = "the worker returned sleeps until it is unparked"]
    pub fn leave_search(&self) -> Option<usize> {
        // ORDERING: Relaxed: the fence in `notify` follows.
        let before = self.searching.fetch_sub(1, Ordering::Relaxed);
        assert_counted(before);
        if before == 1 { self.notify() } else { None }
    }

    /// Claims every sleeper: the caller has set a flag that they look for, and unparks each one returned.
    pub fn wake_all(&self) -> Sleepers {
        // ORDERING: SeqCst fence against the one in `announce`: the flag before, the bits after.
        fence(Ordering::SeqCst);
        let mut claimed = 0;
        loop {
            // ORDERING: Relaxed: ordered by the fence before it; the fetch_and below decides.
            let seen = self.sleepers.load(Ordering::Relaxed);
            if seen == 0 {
                return Sleepers(claimed);
            }
            // ORDERING: Relaxed. Raised before the claim: a worker that wakes meanwhile and finds its bit
            // gone may leave the search at once.
            self.searching.fetch_add(seen.count_ones(), Ordering::Relaxed);
            // ORDERING: Relaxed, as in `claim_sleeper`.
            let got = self.sleepers.fetch_and(!seen, Ordering::Relaxed) & seen;
            claimed |= got;
            // ORDERING: Relaxed, the fence follows.
            self.searching.fetch_sub((seen & !got).count_ones(), Ordering::Relaxed);
            // ORDERING: SeqCst fence, as when `wake_one` gives up: what we suppressed is ours to carry.
            fence(Ordering::SeqCst);
        }
    }
}

/// The workers that [`Sleep::wake_all`] claimed, each to be unparked.
#[derive(Clone, Debug)]
#[must_use = "these workers sleep until they are unparked"]
pub struct Sleepers(u64);

impl Iterator for Sleepers {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let worker = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (worker < MAX_WORKERS).then_some(worker)
    }
}

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, not(ouzel_loom)))]
mod tests;
