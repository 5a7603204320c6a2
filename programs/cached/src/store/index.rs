//! The index: chains of items by their hash, about two buckets to an item however many items there are.
//!
//! Linear hashing: Litwin, "Linear hashing: a new tool for file and table addressing", 1980. The table's memory is set
//! aside at the start, for as many items as may come; of it only so many buckets are in use as keep the chains short, one
//! more now and then with an item that comes. So a store that holds few items, or large ones, has an index that fits into
//! the cache: at 512 MiB and 10,000 items looking up took 42 % of a server's time with all buckets in use.

use super::item::At;
use super::memory::Memory;
use super::prefetch::prefetch;
use super::region::Region;

/// Buckets in use at the start.
const FIRST_BUCKETS: usize = 64;
/// Buckets to an item.
const PER_ITEM: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Index {
    memory: Memory,
    /// Buckets in use.
    used: usize,
    /// Ones, as many as it takes for the last bucket in use.
    mask: usize,
    items: usize,
}

impl Index {
    /// Room for `most` buckets, or a few more. None: there is not so much memory.
    pub(super) fn new(most: usize) -> Option<Self> {
        let memory = Memory::new(most.max(FIRST_BUCKETS).next_power_of_two() * size_of::<At>())?;
        Some(Index { memory, used: FIRST_BUCKETS, mask: FIRST_BUCKETS - 1, items: 0 })
    }

    #[inline]
    fn buckets(&self) -> &[At] {
        let (base, len) = (self.memory.base().cast(), self.memory.bytes() / size_of::<At>());
        // SAFETY: so many numbers, zeroed at first, at an aligned address, and written through `self` alone.
        unsafe { std::slice::from_raw_parts(base, len) }
    }

    #[inline]
    fn buckets_mut(&mut self) -> &mut [At] {
        let (base, len) = (self.memory.base().cast(), self.memory.bytes() / size_of::<At>());
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(base, len) }
    }

    /// Buckets in use.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// The first item in bucket `i`; 0 if there is none.
    pub(super) fn head(&self, i: usize) -> At {
        self.buckets()[i]
    }

    fn bucket(&self, hash: u32) -> usize {
        let wide = hash as usize & self.mask;
        // Buckets beyond are still part of those that they will be split off from.
        if wide < self.used { wide } else { wide & (self.mask >> 1) }
    }

    /// The first item in the chain of `hash`; 0 if there is none.
    pub(super) fn first(&self, hash: u32) -> At {
        self.buckets()[self.bucket(hash)]
    }

    /// Has the memory brought where [`Index::first`] will look.
    pub(super) fn prefetch(&self, hash: u32) {
        prefetch(&raw const self.buckets()[self.bucket(hash)]);
    }

    /// Puts the item at `at` at the head of its chain.
    pub(super) fn insert(&mut self, region: &mut Region, at: At) {
        self.items += 1;
        while self.items * PER_ITEM > self.used && self.used < self.buckets().len() {
            self.split(region);
        }
        self.chain(region, at);
    }

    fn chain(&mut self, region: &mut Region, at: At) {
        let bucket = self.bucket(region.header(at).hash);
        region.header_mut(at).chain = std::mem::replace(&mut self.buckets_mut()[bucket], at);
    }

    /// One more bucket, with what belongs there of the one it is split off from.
    fn split(&mut self, region: &mut Region) {
        let new = self.used;
        self.used += 1;
        self.mask |= new;
        let old = new & (self.mask >> 1);
        let mut at = std::mem::take(&mut self.buckets_mut()[old]);
        while at != 0 {
            let next = region.header(at).chain;
            self.chain(region, at);
            at = next;
        }
    }

    /// Takes the item at `at` out of its chain.
    pub(super) fn remove(&mut self, region: &mut Region, at: At) {
        self.items -= 1;
        let h = region.header(at);
        let (bucket, after) = (self.bucket(h.hash), h.chain);
        let mut link = self.buckets()[bucket];
        if link == at {
            self.buckets_mut()[bucket] = after;
            return;
        }
        while link != 0 {
            let next = region.header(link).chain;
            if next == at {
                region.header_mut(link).chain = after;
                return;
            }
            link = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_the_chain_of_its_hash_however_many_there_are() {
        let mut region = Region::new(1 << 20).unwrap();
        let mut index = Index::new(4096).unwrap();
        let place = |i: u32| 1 + i * 4;
        let hash = |i: u32| i.wrapping_mul(0x9E37_79B1) ^ (i >> 3);
        let chain = |index: &Index, region: &Region, hash: u32| {
            let mut all = Vec::new();
            let mut at = index.first(hash);
            while at != 0 {
                all.push(at);
                at = region.header(at).chain;
            }
            all
        };
        for i in 0..3000 {
            region.header_mut(place(i)).hash = hash(i);
            index.insert(&mut region, place(i));
            assert!(index.len() <= 4096 && index.len() >= (2 * i as usize).min(4096), "{i}: {}", index.len());
            if i % 97 == 0 {
                assert!((0..=i).all(|j| chain(&index, &region, hash(j)).contains(&place(j))), "{i}");
            }
        }
        let longest = (0..3000).map(|i| chain(&index, &region, hash(i)).len()).max().unwrap();
        assert!(longest < 12, "{longest} in a chain");
        for i in (0..3000).step_by(2) {
            index.remove(&mut region, place(i));
        }
        let left: usize = (0..index.len()).map(|i| usize::from(index.head(i) != 0)).sum();
        assert!(left > 500);
        for i in 0..3000 {
            assert_eq!(chain(&index, &region, hash(i)).contains(&place(i)), i % 2 == 1, "{i}");
        }
    }
}
