//! Making room: who has to go, and what is over.

use super::Shard;
use crate::store::item::{At, FETCHED, State};
use crate::store::space::FIRST;

/// Items that have to go in order before it is their neighbours' turn.
const IN_ORDER: u32 = 64;

impl Shard {
    /// A block of so many granules.
    pub(super) fn make_room(&mut self, size: u32, now: u32) -> Option<At> {
        if size > self.region.granules() / 2 {
            return None;
        }
        let mut freed = None;
        for _ in 0..IN_ORDER {
            if let Some(at) = self.space.take(&mut self.region, size) {
                return Some(at);
            }
            match self.evict(now) {
                Some(block) => freed = block.or(freed),
                None => break,
            }
        }
        let freed = freed.filter(|at| self.region.header(*at).state == State::FREE);
        self.clear_side_by_side(freed.unwrap_or(FIRST), size)?;
        self.space.take(&mut self.region, size)
    }

    /// Removes the item that is next to go. None: there is none. Some(None): it is being sent.
    fn evict(&mut self, now: u32) -> Option<Option<At>> {
        loop {
            let small_is_full = self.small.granules() >= self.region.granules() / 10;
            let from_small = if small_is_full { self.small.tail() } else { None };
            let at = from_small.or_else(|| self.main.tail()).or_else(|| self.small.tail())?;
            let h = self.region.header(at);
            let (state, freq, hash) = (h.state, h.freq, h.hash);
            if !self.is_over(at, now) {
                if state == State::SMALL && freq > 0 {
                    self.leave_queue(at);
                    self.enter(at, State::MAIN);
                    continue;
                }
                if state == State::MAIN && freq > 0 {
                    self.leave_queue(at);
                    self.enter(at, State::MAIN);
                    self.region.header_mut(at).freq = freq - 1;
                    continue;
                }
                if state == State::SMALL {
                    self.ghost.put(hash);
                }
                self.count_eviction(at);
            }
            return Some(self.remove(at));
        }
    }

    fn count_eviction(&mut self, at: At) {
        self.stats.evictions += 1;
        self.stats.evicted_unfetched += u64::from(self.region.header(at).bits & FETCHED == 0);
    }

    /// From the block at `at` on, and once around, removes what lies side by side until a free block has `size`.
    fn clear_side_by_side(&mut self, mut at: At, size: u32) -> Option<At> {
        let (mut around, begun) = (false, at);
        loop {
            if self.region.header(at).state.is_item() {
                self.count_eviction(at);
                if let Some(free) = self.remove(at) {
                    at = free;
                }
            }
            let h = self.region.header(at);
            let is_free = h.state == State::FREE;
            if is_free && h.size >= size {
                return Some(at);
            }
            match self.space.after(&self.region, at) {
                Some(next) if is_free && self.region.header(next).state.is_item() => {
                    self.count_eviction(next);
                    at = self.remove(next).unwrap_or(next);
                }
                Some(next) => at = next,
                None if around => return None,
                None => (around, at) = (true, FIRST),
            }
            if around && at > begun && self.region.header(at).state != State::FREE {
                return None;
            }
        }
    }

    /// Ends all that is in the store now; its memory is free when it is found.
    pub fn flush(&mut self) {
        self.flush_at = 0;
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            // The numbers begin again: nothing of long ago may come back with them.
            while let Some(at) = self.small.tail().or_else(|| self.main.tail()) {
                self.remove(at);
            }
        }
    }

    /// Ends at `when` all that is in the store then.
    pub fn flush_at(&mut self, when: u32) {
        self.flush_at = when;
    }

    /// Looks at the next `buckets` buckets and frees what is over.
    pub fn sweep(&mut self, buckets: usize, now: u32) {
        if self.flush_at != 0 && self.flush_at <= now {
            self.flush();
        }
        for _ in 0..buckets.min(self.index.len()) {
            self.swept = (self.swept + 1) % self.index.len();
            let mut at = self.index.head(self.swept);
            while at != 0 {
                let next = self.region.header(at).chain;
                if self.is_over(at, now) {
                    self.stats.reclaimed += 1;
                    self.remove(at);
                }
                at = next;
            }
        }
    }
}
