//! One shard: its memory, the index of what is in it, and who has to go when it is full.
//!
//! ```text
//!   new ──▶ small (a tenth) ──asked for──▶ main ──asked for──▶ main again
//!              └──▶ ghost (the name alone) ──stored again──▶ main └──▶ gone
//! ```
//!
//! The order is S3-FIFO's: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023.
//! A scan fills the small queue and leaves it again; what is asked for repeatedly is in the main queue and is not moved
//! when it is. The paper wants two hits for the way from small to main; one found more here, 0.793 against 0.787 of a
//! zipf trace and 0.765 against 0.739 with scans in it (`tests/hit_ratio.rs`). Here the queues are bounded by bytes, and an item that takes another's place (the same key, a new value)
//! takes its place in the queue too.
//!
//! Items are whole: where eviction in order does not free enough bytes side by side for a large one, its neighbours
//! in memory go.

use super::ghost::Ghost;
use super::index::Index;
use super::item::{At, FETCHED, GRANULE, HEADER, Header, State};
use super::queue::Queue;
use super::region::Region;
use super::space::{MIN_BLOCK, Space};

/// Hits that are counted.
const MOST_HITS: u8 = 3;
/// Bytes of memory for one bucket, at the most, and for one ghost.
const PER_BUCKET: usize = 128;
const PER_GHOST: usize = 256;

/// What a shard counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStats {
    /// Items.
    pub items: u64,
    /// Bytes of their blocks.
    pub bytes: u64,
    /// Items since the start.
    pub total_items: u64,
    /// Items that had to go.
    pub evictions: u64,
    /// Of these, items that nobody had asked for.
    pub evicted_unfetched: u64,
    /// Items whose time was over.
    pub expired: u64,
    /// Of these, items that nobody had asked for.
    pub expired_unfetched: u64,
    /// Items found by the sweep to be over.
    pub reclaimed: u64,
    /// Stores that found no memory.
    pub out_of_memory: u64,
    /// Bytes of memory for items.
    pub limit: u64,
    /// Items in the small queue.
    pub small: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// What a `set` brings.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<'a> {
    /// The key's.
    pub hash: u32,
    /// The key.
    pub key: &'a [u8],
    /// The client's own.
    pub flags: u32,
    /// When it ends; 0: never.
    pub expires: u32,
    /// The value.
    pub value: &'a [u8],
}

/// See the module. What is found in it is named by its position, good until the next change.
#[derive(Debug)]
pub struct Shard {
    region: Region,
    space: Space,
    index: Index,
    small: Queue,
    main: Queue,
    ghost: Ghost,
    cas: u64,
    epoch: u16,
    /// When all that is there now ends; 0: never.
    flush_at: u32,
    swept: usize,
    stats: ShardStats,
}

impl Shard {
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let mut region = Region::new(bytes)?;
        let space = Space::new(&mut region);
        let stats = ShardStats { limit: bytes as u64, ..ShardStats::default() };
        Some(Shard {
            region,
            space,
            index: Index::new(bytes / PER_BUCKET)?,
            small: Queue::default(),
            main: Queue::default(),
            ghost: Ghost::new(bytes / PER_GHOST),
            cas: 0,
            epoch: 0,
            flush_at: 0,
            swept: 0,
            stats,
        })
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> ShardStats {
        ShardStats {
            items: u64::from(self.small.items() + self.main.items()),
            bytes: u64::from(self.small.granules() + self.main.granules()) * GRANULE as u64,
            small: u64::from(self.small.items()),
            free: u64::from(self.space.free()) * GRANULE as u64,
            ..self.stats
        }
    }

    /// Forgets what happened so far; what is there stays.
    pub fn reset_stats(&mut self) {
        self.stats = ShardStats { limit: self.stats.limit, ..ShardStats::default() };
    }

    /// The item of this key, if it is alive. One that is over is removed.
    #[inline]
    pub fn find(&mut self, hash: u32, key: &[u8], now: u32) -> Option<At> {
        if self.flush_at != 0 && self.flush_at <= now {
            self.flush();
        }
        let at = self.lookup(hash, key)?;
        (!self.ends(at, now)).then_some(at)
    }

    /// Removes the item at `at` if it is over; whether it was.
    #[inline]
    fn ends(&mut self, at: At, now: u32) -> bool {
        let over = self.is_over(at, now);
        if over {
            self.end(at);
        }
        over
    }

    #[cold]
    fn end(&mut self, at: At) {
        self.stats.expired += 1;
        self.stats.expired_unfetched += u64::from(self.region.header(at).bits & FETCHED == 0);
        self.remove(at);
    }

    #[inline]
    fn lookup(&self, hash: u32, key: &[u8]) -> Option<At> {
        let mut at = self.index.first(hash);
        while at != 0 {
            let h = self.region.header(at);
            if h.hash == hash
                && usize::from(h.key_len) == key.len()
                && self.region.bytes(at, HEADER, key.len()) == key
            {
                return Some(at);
            }
            at = h.chain;
        }
        None
    }

    /// Has brought what [`Shard::find`] will need for these.
    pub(super) fn expect(&self, hashes: impl Iterator<Item = u32> + Clone) {
        hashes.clone().for_each(|hash| self.index.prefetch(hash));
        for hash in hashes.clone() {
            match self.index.first(hash) {
                0 => {}
                at => self.region.prefetch(at),
            }
        }
        for hash in hashes {
            match self.first(hash) {
                Some((_, h)) if h.hash != hash && h.chain != 0 => self.region.prefetch(h.chain),
                _ => {}
            }
        }
    }

    /// Has brought what copying the value of the item at the front of this chain will need.
    #[inline]
    pub fn expect_value(&self, hash: u32) {
        if let Some((at, h)) = self.first(hash) {
            self.region.prefetch_rest(at, h.value_at() + h.value_len());
        }
    }

    #[inline]
    fn first(&self, hash: u32) -> Option<(At, &Header)> {
        let at = self.index.first(hash);
        (at != 0).then(|| (at, self.region.header(at)))
    }

    fn is_over(&self, at: At, now: u32) -> bool {
        let h = self.region.header(at);
        (h.expires != 0 && h.expires <= now) || h.epoch != self.epoch
    }

    /// Somebody asked for it.
    #[inline]
    pub fn hit(&mut self, at: At, now: u32) {
        self.use_of(at, now).bits |= FETCHED;
    }

    /// Somebody changed it where it lies, or meant to.
    pub fn used(&mut self, at: At, now: u32) {
        self.use_of(at, now);
    }

    fn use_of(&mut self, at: At, now: u32) -> &mut Header {
        let h = self.region.header_mut(at);
        h.freq = (h.freq + 1).min(MOST_HITS);
        h.used_at = now;
        h
    }

    /// What is known of an item.
    #[must_use]
    pub fn header(&self, at: At) -> &Header {
        self.region.header(at)
    }

    /// What is known of an item, to be changed.
    pub fn header_mut(&mut self, at: At) -> &mut Header {
        self.region.header_mut(at)
    }

    /// The key.
    #[must_use]
    pub fn key(&self, at: At) -> &[u8] {
        self.region.bytes(at, HEADER, usize::from(self.region.header(at).key_len))
    }

    /// The value.
    #[must_use]
    pub fn value(&self, at: At) -> &[u8] {
        let h = self.region.header(at);
        self.region.bytes(at, h.value_at(), h.value_len())
    }

    /// Whether a reply is being sent from it: then its value stays as it is.
    #[must_use]
    pub fn is_pinned(&self, at: At) -> bool {
        self.region.header(at).pins > 0
    }

    /// The value, to be changed where it lies. Not while it is pinned.
    pub fn value_mut(&mut self, at: At) -> &mut [u8] {
        debug_assert!(!self.is_pinned(at), "the kernel reads it");
        let h = self.region.header(at);
        let (from, len) = (h.value_at(), h.value_len());
        self.region.bytes_mut(at, from, len)
    }

    /// Makes the value at `at` longer by the one at `more`, into what is free in its block; false if that is too little.
    pub fn extend_from(&mut self, at: At, more: At) -> bool {
        let h = self.region.header(at);
        let (from, len, room) = (h.value_at(), h.value_len(), h.block_bytes());
        let added = self.region.header(more).value_len;
        if from + len + added as usize > room {
            return false;
        }
        self.copy_value(more, at, len);
        let h = self.region.header_mut(at);
        h.value_len += added;
        h.bits = 0;
        true
    }

    /// Copies the value at `from` to the block at `to`, where its value's byte `offset` is.
    ///
    /// # Panics
    /// If it does not fit there.
    pub fn copy_value(&mut self, from: At, to: At, offset: usize) {
        let (source, target) = (self.region.header(from), self.region.header(to));
        let (len, begin) = (source.value_len(), target.value_at() + offset);
        assert!(from != to && begin + len <= target.block_bytes(), "the value does not fit");
        let (source, target) = (self.region.address(from, source.value_at()), self.region.address(to, begin));
        // SAFETY: both lie in blocks of their own, and the length was checked against either.
        unsafe { target.copy_from_nonoverlapping(source, len) };
    }

    /// As [`Shard::reserve`], with key, flags and end of the item at `old`.
    pub fn reserve_like(&mut self, old: At, value_len: usize, now: u32) -> Option<At> {
        let h = self.region.header(old);
        let (hash, flags, expires, key_len) = (h.hash, h.flags, h.expires, usize::from(h.key_len));
        let mut key = [0; u8::MAX as usize];
        key[..key_len].copy_from_slice(self.key(old));
        let at = self.reserve(hash, &key[..key_len], value_len, now)?;
        let h = self.region.header_mut(at);
        (h.flags, h.expires) = (flags, expires);
        Some(at)
    }

    /// The next number for [`Header::cas`].
    pub fn next_cas(&mut self) -> u64 {
        self.cas += 1;
        self.cas
    }

    /// Room for an item, which is nobody's but the caller's until [`Shard::link`] or [`Shard::give_up`].
    /// None: there is none to be had.
    pub fn reserve(&mut self, hash: u32, key: &[u8], value_len: usize, now: u32) -> Option<At> {
        let bytes = HEADER + key.len() + value_len;
        let size = u32::try_from(bytes.div_ceil(GRANULE)).ok()?.max(MIN_BLOCK);
        let Some(at) = self.make_room(size, now) else {
            self.stats.out_of_memory += 1;
            return None;
        };
        let h = self.region.header_mut(at);
        *h = Header {
            size: h.size,
            before: h.before,
            hash,
            value_len: value_len as u32,
            key_len: key.len() as u8,
            state: State::FILLING,
            ..Header::default()
        };
        self.region.bytes_mut(at, HEADER, key.len()).copy_from_slice(key);
        Some(at)
    }

    /// Where the value of a reserved item begins: the caller fills it, without the shard's lock if it likes.
    #[must_use]
    pub fn room(&self, at: At) -> *mut u8 {
        self.region.address(at, self.region.header(at).value_at())
    }

    /// A reserved item is not wanted.
    pub fn give_up(&mut self, at: At) {
        debug_assert!(self.region.header(at).state == State::FILLING);
        self.space.give_back(&mut self.region, at);
    }

    /// Stores a value that is there whole: where the key's old one lies, if it is just as long and nobody is sending it. False:
    /// there is no room.
    pub fn put(&mut self, fresh: &Fresh<'_>, now: u32) -> bool {
        let Fresh { hash, key, flags, expires, value } = *fresh;
        let old = self.find(hash, key, now);
        if let Some(old) = old
            && self.is_made_for(old, key.len(), value.len())
        {
            let cas = self.next_cas();
            let h = self.region.header_mut(old);
            (h.cas, h.flags, h.expires, h.used_at) = (cas, flags, expires, now);
            (h.value_len, h.bits) = (value.len() as u32, 0);
            self.value_mut(old).copy_from_slice(value);
            self.stats.total_items += 1;
            return true;
        }
        let Some(at) = self.reserve(hash, key, value.len(), now) else { return false };
        let h = self.region.header_mut(at);
        (h.flags, h.expires) = (flags, expires);
        self.value_mut(at).copy_from_slice(value);
        self.link(at, now);
        true
    }

    /// Whether the block at `at` is the one that an item of these lengths would get, and may be written to.
    fn is_made_for(&self, at: At, key_len: usize, value_len: usize) -> bool {
        let h = self.region.header(at);
        let spare = (h.size as usize).checked_sub((HEADER + key_len + value_len).div_ceil(GRANULE));
        h.pins == 0 && spare.is_some_and(|spare| spare < MIN_BLOCK as usize)
    }

    /// Puts a reserved item into the store, in place of what its key had before.
    pub fn link(&mut self, at: At, now: u32) {
        let hash = self.region.header(at).hash;
        let old = self.lookup(hash, self.key(at)).filter(|old| !self.ends(*old, now));
        let cas = self.next_cas();
        let epoch = self.epoch;
        let h = self.region.header_mut(at);
        (h.cas, h.epoch, h.used_at) = (cas, epoch, now);
        self.stats.total_items += 1;
        match old {
            Some(old) => {
                let was = self.region.header(old);
                let (state, freq) = (was.state, was.freq);
                let h = self.region.header_mut(at);
                (h.state, h.freq) = (state, freq);
                self.index.remove(&mut self.region, old);
                let queue = if state == State::MAIN { &mut self.main } else { &mut self.small };
                queue.replace(&mut self.region, old, at);
                self.bury(old);
            }
            None => {
                let known = self.ghost.take(hash, self.main.items().max(1));
                self.enter(at, if known { State::MAIN } else { State::SMALL });
            }
        }
        self.index.insert(&mut self.region, at);
    }

    fn enter(&mut self, at: At, state: State) {
        let h = self.region.header_mut(at);
        (h.state, h.freq) = (state, 0);
        let queue = if state == State::MAIN { &mut self.main } else { &mut self.small };
        queue.push(&mut self.region, at);
    }

    fn leave_queue(&mut self, at: At) {
        let queue =
            if self.region.header(at).state == State::MAIN { &mut self.main } else { &mut self.small };
        queue.remove(&mut self.region, at);
    }

    /// Takes an item out of the store. Gives the free block it is part of now; none while it is being sent.
    pub fn remove(&mut self, at: At) -> Option<At> {
        self.index.remove(&mut self.region, at);
        self.leave_queue(at);
        self.bury(at)
    }

    /// Frees what is in no queue and no chain any more, now or after the last reply that is sent from it.
    fn bury(&mut self, at: At) -> Option<At> {
        let h = self.region.header_mut(at);
        if h.pins > 0 {
            h.state = State::DEAD;
            return None;
        }
        Some(self.space.give_back(&mut self.region, at))
    }

    /// A reply is going to be sent from the item: it stays where it is until [`Shard::unpin`]. False: by too many.
    pub fn pin(&mut self, at: At) -> bool {
        let h = self.region.header_mut(at);
        match h.pins.checked_add(1) {
            Some(pins) => h.pins = pins,
            None => return false,
        }
        true
    }

    /// The end of a [`Shard::pin`].
    pub fn unpin(&mut self, at: At) {
        let h = self.region.header_mut(at);
        h.pins -= 1;
        if h.pins == 0 && h.state == State::DEAD {
            self.space.give_back(&mut self.region, at);
        }
    }
}

mod room;
#[cfg(test)]
mod tests;
