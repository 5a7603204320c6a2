//! A queue of items, linked through their headers.

use super::item::At;
use super::region::Region;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    head: At,
    tail: At,
    items: u32,
    granules: u32,
}

impl Queue {
    /// The oldest.
    pub(super) fn tail(&self) -> Option<At> {
        (self.tail != 0).then_some(self.tail)
    }

    pub(super) fn items(&self) -> u32 {
        self.items
    }

    /// Granules of all its items.
    pub(super) fn granules(&self) -> u32 {
        self.granules
    }

    pub(super) fn push(&mut self, region: &mut Region, at: At) {
        let old = std::mem::replace(&mut self.head, at);
        let h = region.header_mut(at);
        (h.next, h.prev) = (old, 0);
        self.items += 1;
        self.granules += h.size;
        if old == 0 {
            self.tail = at;
        } else {
            region.header_mut(old).prev = at;
        }
    }

    pub(super) fn remove(&mut self, region: &mut Region, at: At) {
        let h = region.header(at);
        let (next, prev) = (h.next, h.prev);
        self.items -= 1;
        self.granules -= h.size;
        self.set_next(region, prev, next);
        self.set_prev(region, next, prev);
    }

    /// Puts `new` where `old` was.
    pub(super) fn replace(&mut self, region: &mut Region, old: At, new: At) {
        let h = region.header(old);
        let (next, prev, size) = (h.next, h.prev, h.size);
        let h = region.header_mut(new);
        (h.next, h.prev) = (next, prev);
        self.granules = self.granules - size + h.size;
        self.set_next(region, prev, new);
        self.set_prev(region, next, new);
    }

    fn set_next(&mut self, region: &mut Region, prev: At, next: At) {
        match prev {
            0 => self.head = next,
            prev => region.header_mut(prev).next = next,
        }
    }

    fn set_prev(&mut self, region: &mut Region, next: At, prev: At) {
        match next {
            0 => self.tail = prev,
            next => region.header_mut(next).prev = prev,
        }
    }
}
