//! A map from operation keys: a multiply for a hash, because keys are addresses we chose ourselves.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use ouzel_core::driver::Errno;

/// From a key's number to `V`.
pub(crate) type KeyMap<V> = HashMap<u64, V, BuildHasherDefault<KeyHasher>>;
/// A set of keys' numbers.
pub(crate) type KeySet = HashSet<u64, BuildHasherDefault<KeyHasher>>;

/// Room for one key more. One that is taken out and put back at once finds its place again.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn room<V>(map: &mut KeyMap<V>) -> Result<(), Errno> {
    map.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))
}

/// Fibonacci hashing of one `u64`.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u64(u64::from(b) ^ self.0);
        }
    }

    fn write_u64(&mut self, n: u64) {
        // The table takes its bucket from the low bits and its tag from the high ones: mix both.
        let h = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = h ^ (h >> 32);
    }
}
