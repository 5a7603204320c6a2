//! Anchors: a number that names a runtime, safe to use after the runtime is gone.
//!
//! A weak id that C code kept says which runtime it belongs to; the runtime may be destroyed at any time
//! on another thread. An anchor is an entry of a fixed table that is never freed:
//!
//! | from         | event               | to           | who                                         |
//! |--------------|---------------------|--------------|---------------------------------------------|
//! | FREE         | `open`              | SETUP        | the runtime's creator                       |
//! | SETUP        | pointer is written  | OPEN         | the same                                    |
//! | OPEN         | `pin`               | OPEN, pins+1 | any thread; the pointer is good until unpin |
//! | OPEN         | `close`             | CLOSING      | the runtime's destroyer; no new pins        |
//! | CLOSING      | unpin               | CLOSING      | `close` waits for pins = 0                  |
//! | CLOSING      | pins = 0            | FREE, gen+1  | the destroyer: now it may free              |
//!
//! A FREE entry whose generations are used up is not opened again.
//!
//! An [`AnchorId`] is index and generation in 32 bits; any 32 bits may be looked up. The word keeps the generation less
//! one, so a table of closed anchors is all zero and takes no room in a program's file (the process's: 16 KB). `pin` and unpin are
//! lock-free and allocate nothing, so they may be called in signal handlers. `close` waits, but only for
//! pins, which are held for the length of a wake; it must not be called by a thread that holds one.

use core::ptr;

use crate::config::ANCHORS;
use crate::sync::{AtomicPtr, AtomicU64, Ordering, array_of, const_fn, spin_loop, with_statics};

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, not(ouzel_loom)))]
mod tests;

/// Bits of an id that are the index; the others are the generation, which is never zero.
const INDEX_BITS: u32 = 8;
/// As the word has it.
const LAST_GENERATION: u64 = (u32::MAX as u64 >> INDEX_BITS) - 1;
const _: () = assert!(ANCHORS <= 1 << INDEX_BITS);

// The word: pins in the lower half, then two bits of state, then the generation less one.
const PIN: u64 = 1;
const PINS: u64 = u32::MAX as u64;
const STATE: u64 = 3 << 32;
const FREE: u64 = 0 << 32;
const SETUP: u64 = 1 << 32;
const OPEN: u64 = 2 << 32;
const CLOSING: u64 = 3 << 32;
const GENERATION_SHIFT: u32 = 34;

/// Names a runtime, for as long as the process lives: not zero, not used again for another.
///
/// (A table entry whose 2^24 generations are used up is retired.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnchorId(pub u32);

/// A table of anchors. One per process ([`RUNTIMES`]); tests have their own.
#[derive(Debug)]
pub struct AnchorTable<const N: usize = ANCHORS> {
    anchors: [Anchor; N],
}

/// One entry, on a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Anchor {
    word: AtomicU64,
    target: AtomicPtr<()>,
}

/// Keeps an anchor's runtime from being destroyed.
#[derive(Debug)]
#[must_use = "dropped, it protects nothing"]
pub struct Pin<'a> {
    anchor: &'a Anchor,
    target: *mut (),
}

with_statics! {
    /// The process's table.
    pub static RUNTIMES: AnchorTable = AnchorTable::new();
}

impl Anchor {
    const_fn! {
        fn new() -> Self {
            Anchor { word: AtomicU64::new(FREE), target: AtomicPtr::new(ptr::null_mut()) }
        }
    }
}

impl<const N: usize> Default for AnchorTable<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> AnchorTable<N> {
    const_fn! {
        /// A table of closed anchors.
        #[must_use]
        pub fn new() -> Self {
            AnchorTable { anchors: array_of!(Anchor::new(); N) }
        }
    }

    /// Takes an entry for `target`; none if all are in use. Any thread.
    #[must_use]
    pub fn open(&self, target: *mut ()) -> Option<AnchorId> {
        self.anchors.iter().enumerate().find_map(|(index, anchor)| {
            let generation = anchor.claim()?;
            // ORDERING: Relaxed; published by the store below.
            anchor.target.store(target, Ordering::Relaxed);
            // ORDERING: Release pairs with the Acquire in `pin`: the target, and all that it points to.
            anchor.word.store(OPEN | (generation << GENERATION_SHIFT), Ordering::Release);
            Some(AnchorId(((generation as u32 + 1) << INDEX_BITS) | index as u32))
        })
    }

    /// The runtime that `id` names, kept alive until the result is dropped; none if it is closing or
    /// gone, or was never there. Any thread, any `id`; lock-free.
    pub fn pin(&self, id: AnchorId) -> Option<Pin<'_>> {
        let (anchor, generation) = self.entry(id)?;
        let open = OPEN | (generation << GENERATION_SHIFT);
        // ORDERING: Relaxed; the exchange decides.
        let mut now = anchor.word.load(Ordering::Relaxed);
        while now & !PINS == open {
            // ORDERING: Acquire pairs with the Release in `open`; on failure the value is only compared.
            match anchor.word.compare_exchange_weak(now, now + PIN, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    // ORDERING: Relaxed; acquired with the word, and not replaced while it is pinned.
                    return Some(Pin { anchor, target: anchor.target.load(Ordering::Relaxed) });
                }
                Err(seen) => now = seen,
            }
        }
        None
    }

    /// Ends the anchor: no pin succeeds any more, and those that did have ended when this returns. False,
    /// at once, if `id` is not open (another `close` may still be waiting).
    ///
    /// Waits for pins; deadlocks if the calling thread holds one.
    pub fn close(&self, id: AnchorId) -> bool {
        let Some((anchor, generation)) = self.entry(id) else { return false };
        let named = generation << GENERATION_SHIFT;
        // ORDERING: Relaxed; the exchange decides.
        let mut now = anchor.word.load(Ordering::Relaxed);
        loop {
            if now & !PINS != OPEN | named {
                return false;
            }
            let closing = CLOSING | named | (now & PINS);
            // ORDERING: Relaxed; nothing is read before the wait, and nothing published.
            match anchor.word.compare_exchange_weak(now, closing, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(seen) => now = seen,
            }
        }
        // ORDERING: Acquire pairs with the Release in the pins' drop: what was done under them is over.
        while anchor.word.load(Ordering::Acquire) & PINS != 0 {
            spin_loop();
        }
        // ORDERING: Release pairs with the Acquire in `claim`: the entry is unused.
        anchor.word.store(FREE | ((generation + 1) << GENERATION_SHIFT), Ordering::Release);
        true
    }

    /// The entry that `id` names, and the generation as its word must have it.
    fn entry(&self, id: AnchorId) -> Option<(&Anchor, u64)> {
        let index = id.0 & ((1 << INDEX_BITS) - 1);
        let generation = (id.0 >> INDEX_BITS).checked_sub(1)?;
        Some((self.anchors.get(index as usize)?, u64::from(generation)))
    }
}

impl Anchor {
    /// Takes the entry if it is free; returns its generation, less one.
    fn claim(&self) -> Option<u64> {
        // ORDERING: Relaxed; the exchange decides.
        let now = self.word.load(Ordering::Relaxed);
        let generation = now >> GENERATION_SHIFT;
        if now & STATE != FREE || generation > LAST_GENERATION {
            return None;
        }
        let setup = SETUP | (generation << GENERATION_SHIFT);
        // ORDERING: Acquire pairs with the Release in `close`; one failure is enough to try the next entry.
        let won = self.word.compare_exchange(now, setup, Ordering::Acquire, Ordering::Relaxed);
        won.ok().map(|_| generation)
    }
}

impl Pin<'_> {
    /// What `open` was given.
    #[must_use]
    pub fn target(&self) -> *mut () {
        self.target
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `close`: all that was done under the pin.
        self.anchor.word.fetch_sub(PIN, Ordering::Release);
    }
}
