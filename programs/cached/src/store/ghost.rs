//! The names of items that left the store without having been asked for twice: who comes back soon belongs there.
//!
//! A table of fixed size, four places to a set; a name is as good as gone once as many names came after it as the store
//! has items in its main queue.

const WAYS: usize = 4;

/// See the module. Keeps hashes, not keys: a mistaken identity costs a place in the main queue, no more.
#[derive(Debug)]
pub(super) struct Ghost {
    sets: Box<[[Entry; WAYS]]>,
    /// Names so far; 0 is never given.
    seq: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u32,
    /// When it was put in; 0: nothing here.
    seq: u32,
}

impl Ghost {
    /// Room for about `entries`.
    pub(super) fn new(entries: usize) -> Self {
        let sets = (entries / WAYS).next_power_of_two();
        Ghost { sets: vec![[Entry::default(); WAYS]; sets].into(), seq: 0 }
    }

    fn set(&mut self, hash: u32) -> &mut [Entry; WAYS] {
        // The bits that the index uses least.
        let mixed = hash.wrapping_mul(0x9E37_79B1).rotate_left(16) as usize;
        let mask = self.sets.len() - 1;
        &mut self.sets[mixed & mask]
    }

    pub(super) fn put(&mut self, hash: u32) {
        self.seq = self.seq.checked_add(1).unwrap_or(1);
        let seq = self.seq;
        let age = |e: &Entry| if e.seq == 0 { u32::MAX } else { seq.wrapping_sub(e.seq) };
        let set = self.set(hash);
        if let Some(oldest) = set.iter_mut().max_by_key(|e| age(e)) {
            *oldest = Entry { hash, seq };
        }
    }

    /// Whether `hash` was among the last `recent` names; it is not any more.
    pub(super) fn take(&mut self, hash: u32, recent: u32) -> bool {
        let seq = self.seq;
        let set = self.set(hash);
        match set.iter_mut().find(|e| e.seq != 0 && e.hash == hash) {
            Some(e) => seq.wrapping_sub(std::mem::take(e).seq) < recent,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_once_and_not_for_ever() {
        let mut ghost = Ghost::new(1024);
        ghost.put(7);
        assert!(!ghost.take(8, 100));
        assert!(ghost.take(7, 100));
        assert!(!ghost.take(7, 100));
        ghost.put(7);
        (100..130).for_each(|hash| ghost.put(hash));
        assert!(!ghost.take(7, 30));
        assert!(ghost.take(129, 30));
    }
}
