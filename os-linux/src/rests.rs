//! Sends that a driver makes in its own name: what is left of bytes that `try_send` has taken.

use std::any::Any;
use std::sync::Arc;

use ouzel_core::driver::Errno;
use ouzel_core::op::OpKey;

use crate::keys::{self, KeyMap};

/// Larger ones are not taken: an operation costs less than the copy.
pub(crate) const LARGEST: usize = 16 * 1024;
/// Bytes taken at a time.
pub(crate) const ROOM: usize = 64 * 1024;

/// Keeps a descriptor open, if its owner may close it at any time.
pub(crate) type Keep = Option<Arc<dyn Any + Send + Sync>>;

/// The number that no slot has.
const NO_SLOT: u64 = u32::MAX as u64;

/// Whether `key` names a driver's own operation.
#[inline]
pub(crate) fn is_ours(key: OpKey) -> bool {
    key.0 & NO_SLOT == NO_SLOT
}

/// Them, each with a `T` that keeps its bytes until it is over.
#[derive(Debug)]
pub(crate) struct Rests<T> {
    by_key: KeyMap<T>,
    made: u32,
}

impl<T> Default for Rests<T> {
    fn default() -> Self {
        Rests { by_key: KeyMap::default(), made: 0 }
    }
}

impl<T> Rests<T> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Makes room for one more, and a copy of its bytes.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn copied(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Errno> {
        keys::room(&mut self.by_key)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len()).map_err(|_| Errno(libc::ENOMEM))?;
        copy.extend_from_slice(bytes);
        Ok(copy)
    }

    /// A key for one more, which keeps `rest`.
    pub(crate) fn insert(&mut self, rest: T) -> OpKey {
        loop {
            self.made = self.made.wrapping_add(1);
            let key = u64::from(self.made) << 32 | NO_SLOT;
            // The upper half of a key, its generation, is not zero.
            if self.made != 0 && !self.by_key.contains_key(&key) {
                self.by_key.insert(key, rest);
                return OpKey(key);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: OpKey) -> Option<T> {
        self.by_key.remove(&key.0)
    }

    pub(crate) fn get_mut(&mut self, key: OpKey) -> Option<&mut T> {
        self.by_key.get_mut(&key.0)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = OpKey> {
        self.by_key.keys().map(|key| OpKey(*key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_new_and_has_a_generation() {
        let mut rests = Rests { by_key: KeyMap::default(), made: u32::MAX - 1 };
        let keys = [(); 4].map(|()| rests.insert(()));
        assert!(keys.iter().all(|&key| is_ours(key) && key.generation() != 0));
        rests.made = u32::MAX - 1;
        assert!(!keys.contains(&rests.insert(())));
        assert_eq!(rests.keys().count(), 5);
        assert!(rests.remove(keys[1]).is_some() && rests.remove(keys[1]).is_none());
    }

    #[test]
    fn no_slot_has_such_a_number() {
        assert!(!is_ours(OpKey(1 << 32)) && !is_ours(OpKey(1 << 32 | (NO_SLOT - 1))));
    }
}
