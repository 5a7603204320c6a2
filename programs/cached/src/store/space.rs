//! Which parts of a region are free: lists by size, two levels deep, with a bit for each list.
//!
//! Taking and giving back are a few instructions whatever the sizes; a block given back becomes one with its free
//! neighbours. As in TLSF: Masmano, Ripoll, Crespo, Real, "TLSF: a New Dynamic Memory Allocator for Real-Time
//! Systems", 2004.

use super::item::{At, GRANULE, HEADER, State};
use super::region::Region;

/// Lists of one power of two: sizes below this many granules have a list each.
const STEPS: u32 = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();
const LEVELS: usize = 29;
/// Granules of the smallest block.
pub(super) const MIN_BLOCK: u32 = HEADER.div_ceil(GRANULE) as u32;
/// The first block.
pub(super) const FIRST: At = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Space {
    levels: u32,
    steps: [u16; LEVELS],
    lists: [[At; STEPS as usize]; LEVELS],
    /// Granules in free blocks.
    free: u32,
    end: At,
}

/// The list for blocks of `size` granules.
fn place(size: u32) -> (usize, usize) {
    if size < STEPS {
        return (0, size as usize);
    }
    let shift = size.ilog2() - STEP_BITS;
    (shift as usize + 1, (size >> shift) as usize - STEPS as usize)
}

impl Space {
    /// All of `region` as one free block.
    pub(super) fn new(region: &mut Region) -> Self {
        let end = region.granules();
        let lists = [[0; STEPS as usize]; LEVELS];
        let mut space = Space { levels: 0, steps: [0; LEVELS], lists, free: 0, end };
        let h = region.header_mut(FIRST);
        (h.size, h.before) = (end - FIRST, 0);
        space.push(region, FIRST);
        space
    }

    pub(super) fn free(&self) -> u32 {
        self.free
    }

    /// The block behind the one at `at`.
    pub(super) fn after(&self, region: &Region, at: At) -> Option<At> {
        let next = at + region.header(at).size;
        (next < self.end).then_some(next)
    }

    /// A block of at least `size` granules; its header is new but for its size and neighbours.
    pub(super) fn take(&mut self, region: &mut Region, size: u32) -> Option<At> {
        let at = self.find(region, size)?;
        self.unlink(region, at);
        self.cut(region, at, size);
        Some(at)
    }

    /// Gives the block's granules beyond `size` back.
    fn cut(&mut self, region: &mut Region, at: At, size: u32) {
        let whole = region.header(at).size;
        if whole - size < MIN_BLOCK {
            return;
        }
        region.header_mut(at).size = size;
        let rest = at + size;
        let h = region.header_mut(rest);
        (h.size, h.before) = (whole - size, size);
        self.tell_next(region, rest);
        self.push(region, rest);
    }

    fn find(&self, region: &Region, size: u32) -> Option<At> {
        // The first of the list whose blocks are as large or a little smaller.
        let (level, step) = place(size);
        let head = *self.lists.get(level)?.get(step)?;
        if head != 0 && region.header(head).size >= size {
            return Some(head);
        }
        // Any of a list whose blocks are all large enough.
        let above = u32::from(self.steps[level]) & (!1u32).checked_shl(step as u32)?;
        if above != 0 {
            return Some(self.lists[level][above.trailing_zeros() as usize]);
        }
        let levels = self.levels & (!1u32).checked_shl(level as u32)?;
        let level = (levels != 0).then(|| levels.trailing_zeros() as usize)?;
        Some(self.lists[level][self.steps[level].trailing_zeros() as usize])
    }

    /// Gives the block back; the free block it is part of now.
    pub(super) fn give_back(&mut self, region: &mut Region, mut at: At) -> At {
        if let Some(next) = self.after(region, at)
            && region.header(next).state == State::FREE
        {
            self.unlink(region, next);
            region.header_mut(at).size += region.header(next).size;
        }
        let before = region.header(at).before;
        if before != 0 && region.header(at - before).state == State::FREE {
            self.unlink(region, at - before);
            let size = region.header(at).size;
            at -= before;
            region.header_mut(at).size += size;
        }
        self.tell_next(region, at);
        self.push(region, at);
        at
    }

    fn tell_next(&self, region: &mut Region, at: At) {
        let size = region.header(at).size;
        if let Some(next) = self.after(region, at) {
            region.header_mut(next).before = size;
        }
    }

    fn push(&mut self, region: &mut Region, at: At) {
        let size = region.header(at).size;
        let (level, step) = place(size);
        let head = std::mem::replace(&mut self.lists[level][step], at);
        self.steps[level] |= 1 << step;
        self.levels |= 1 << level;
        self.free += size;
        let h = region.header_mut(at);
        (h.state, h.next, h.prev) = (State::FREE, head, 0);
        if head != 0 {
            region.header_mut(head).prev = at;
        }
    }

    fn unlink(&mut self, region: &mut Region, at: At) {
        let h = region.header(at);
        let (size, next, prev) = (h.size, h.next, h.prev);
        self.free -= size;
        if next != 0 {
            region.header_mut(next).prev = prev;
        }
        if prev != 0 {
            region.header_mut(prev).next = next;
            return;
        }
        let (level, step) = place(size);
        self.lists[level][step] = next;
        if next == 0 {
            self.steps[level] &= !(1 << step);
            if self.steps[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks all blocks: they touch each other, no two free ones do, and the free ones are as many as counted.
    fn check(space: &Space, region: &Region) {
        let (mut at, mut before, mut free, mut last_free) = (FIRST, 0, 0, false);
        loop {
            let h = region.header(at);
            assert_eq!(h.before, before, "at {at}");
            let is_free = h.state == State::FREE;
            assert!(!(is_free && last_free), "two free blocks side by side at {at}");
            free += if is_free { h.size } else { 0 };
            (before, last_free) = (h.size, is_free);
            match space.after(region, at) {
                Some(next) => at = next,
                None => break,
            }
        }
        assert_eq!(at + before, space.end);
        assert_eq!(free, space.free());
    }

    #[test]
    fn blocks_are_taken_and_become_one_again() {
        let mut region = Region::new(1 << 20).unwrap();
        let mut space = Space::new(&mut region);
        let whole = space.free();
        let (mut taken, mut random) = (Vec::new(), 1u64);
        for round in 0..20_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let r = (random >> 33) as u32;
            if r % 5 < 3 {
                let size = if r.is_multiple_of(7) { MIN_BLOCK + r % 3000 } else { MIN_BLOCK + r % 40 };
                if let Some(at) = space.take(&mut region, size) {
                    assert!(region.header(at).size >= size);
                    region.header_mut(at).state = State::FILLING;
                    taken.push(at);
                }
            } else if !taken.is_empty() {
                let at = taken.swap_remove(r as usize % taken.len());
                space.give_back(&mut region, at);
            }
            if round % 1000 == 0 {
                check(&space, &region);
            }
        }
        for at in taken {
            space.give_back(&mut region, at);
        }
        check(&space, &region);
        assert_eq!(space.free(), whole);
        assert!(space.take(&mut region, whole).is_some(), "it is one block again");
        assert!(space.take(&mut region, MIN_BLOCK).is_none());
    }

    #[test]
    fn every_size_has_a_list_of_blocks_no_smaller_than_those_before() {
        let mut last = (0, 0);
        for size in 1..100_000 {
            let here = place(size);
            assert!(here >= last && here.0 < LEVELS && here.1 < STEPS as usize);
            last = here;
        }
        assert!(place(u32::MAX).0 < LEVELS);
    }
}
