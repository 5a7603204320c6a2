//! The store: fixed memory, cut into shards that have a lock each.
//!
//! With one thread there is one shard, and a connection locks it once for all requests that came together. With more
//! there are several, chosen by the key's hash, and a lock is held for one request, or for several in a row that
//! happen to need the same.
//!
//! | file | what |
//! |---|---|
//! | `memory.rs`, `region.rs`, `space.rs` | the memory, and which of it is free |
//! | `index.rs` | items by their hash |
//! | `item.rs`, `queue.rs`, `ghost.rs` | items, their order, the names of those that went |
//! | `shard.rs`, `shard/room.rs` | all of it together: find and store; evict and expire |

mod ghost;
mod index;
mod item;
mod memory;
mod prefetch;
mod queue;
mod region;
mod shard;
mod space;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use item::{At, FETCHED, Header, STALE, WON};
pub use shard::{Fresh, Shard, ShardStats};

/// Items that fit into a shard, at least, when each is as large as it may be.
const LARGEST_PER_SHARD: usize = 8;
/// The clock begins there, so that a moment before the start has a number too.
const BEGIN: u32 = 2;

/// See the module.
#[derive(Debug)]
pub struct Store {
    shards: Box<[Mutex<Shard>]>,
    seed: u64,
    /// Seconds, for all items alike.
    clock_total: AtomicU32,
    /// The time of day at which the clock would have been 0.
    zero: u64,
}

/// A key's place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Which shard.
    pub shard: usize,
    /// Where in it.
    pub hash: u32,
}

impl Store {
    /// `memory` bytes for items of up to `item_max` bytes, for `threads` threads. None: so much memory is not to be had.
    #[must_use]
    pub fn new(memory: usize, item_max: usize, threads: usize) -> Option<Self> {
        let most = memory / (LARGEST_PER_SHARD * item_max);
        let wanted = if threads > 1 { (threads * 4).next_power_of_two() } else { 1 };
        let count = if most < 2 { 1 } else { wanted.min(1 << most.ilog2()) };
        let shards: Option<Vec<_>> = (0..count).map(|_| Shard::new(memory / count).map(Mutex::new)).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), now);
        Some(Store {
            shards: shards?.into(),
            seed,
            clock_total: AtomicU32::new(BEGIN),
            zero: now.saturating_sub(u64::from(BEGIN)),
        })
    }

    /// Where `key` belongs.
    #[must_use]
    pub fn place(&self, key: &[u8]) -> Place {
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(key, self.seed);
        Place { shard: (hash >> 48) as usize & (self.shards.len() - 1), hash: hash as u32 }
    }

    /// Locks shard `i`.
    pub fn lock(&self, i: usize) -> MutexGuard<'_, Shard> {
        // A panic in the middle of a change ends the process: nobody goes on with half of it.
        self.shards[i].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The store's time, in seconds.
    #[must_use]
    pub fn now(&self) -> u32 {
        // ORDERING: Relaxed: a time alone; nothing is read by it.
        self.clock_total.load(Ordering::Relaxed)
    }

    /// The time of day now, as the store takes it.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.zero + u64::from(self.now())
    }

    /// The clock goes to `elapsed` since the start.
    pub fn tick(&self, elapsed: Duration) {
        let now = BEGIN.saturating_add(u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX));
        // ORDERING: Relaxed, as in `now`.
        self.clock_total.store(now, Ordering::Relaxed);
    }

    /// When what a client calls `exptime` is over: 0 never, negative at once, up to 30 days from now on, else a time
    /// of day.
    #[must_use]
    pub fn deadline(&self, exptime: i64) -> u32 {
        const MONTH: i64 = 60 * 60 * 24 * 30;
        match exptime {
            0 => 0,
            ..0 => 1,
            1..=MONTH => self.now().saturating_add(exptime as u32),
            // Before the start, or now: over.
            _ => u32::try_from(exptime.saturating_sub(self.zero as i64).max(1)).unwrap_or(u32::MAX),
        }
    }

    /// All shards' counters together.
    #[must_use]
    pub fn stats(&self) -> ShardStats {
        let mut sum = ShardStats::default();
        for i in 0..self.shards.len() {
            let s = self.lock(i).stats();
            sum.items += s.items;
            sum.bytes += s.bytes;
            sum.total_items += s.total_items;
            sum.evictions += s.evictions;
            sum.evicted_unfetched += s.evicted_unfetched;
            sum.expired += s.expired;
            sum.expired_unfetched += s.expired_unfetched;
            sum.reclaimed += s.reclaimed;
            sum.out_of_memory += s.out_of_memory;
            sum.limit += s.limit;
            sum.small += s.small;
            sum.free += s.free;
        }
        sum
    }

    /// Frees some of what is over; called once a second it has seen everything within a few minutes.
    pub fn sweep(&self) {
        const BUCKETS: usize = 4096;
        let now = self.now();
        for i in 0..self.shards.len() {
            self.lock(i).sweep(BUCKETS, now);
        }
    }
}

/// A shard that stays locked from one request to the next while they need the same.
#[derive(Debug)]
pub struct Held<'a> {
    store: &'a Store,
    guard: Option<(usize, MutexGuard<'a, Shard>)>,
}

impl<'a> Held<'a> {
    /// Nothing locked yet.
    #[must_use]
    pub fn new(store: &'a Store) -> Self {
        Held { store, guard: None }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Shard `i`, alone locked.
    pub fn shard(&mut self, i: usize) -> &mut Shard {
        if !matches!(&self.guard, Some((held, _)) if *held == i) {
            self.guard = None;
        }
        let store = self.store;
        &mut self.guard.get_or_insert_with(|| (i, store.lock(i))).1
    }

    /// Has the memory brought that looking for keys in these places will need. In a store of several shards the lock
    /// would have to change hands for it: there it does nothing. (Taken once for each shard of a run, in a store of eight, it
    /// cost 50 ns a request more than it saved with items in the cache, and saved 15 with items out of it.)
    pub fn expect(&mut self, places: impl Iterator<Item = Place> + Clone) {
        if self.store.shards() == 1 {
            self.shard(0).expect(places.map(|place| place.hash));
        }
    }

    /// Locks nothing any more.
    pub fn release(&mut self) {
        self.guard = None;
    }
}
