//! Keys and values as functions of numbers: nothing is stored, everything can be checked.
//!
//! The bytes are splitmix64 (Steele, Lea, Flood 2014) over a stream id made of seed, key and version:
//! two versions of one key, or one version of two keys, differ in nearly every byte.

use std::io::Write;

/// Which value: the key's number and how many times it has been set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueId {
    /// The key's number, unique over all connections.
    pub key: u64,
    /// 1 for the first SET.
    pub version: u32,
}

/// How values are made: a seed, and the range of lengths in bytes (both ends included).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Runs with the same seed send the same bytes.
    pub seed: u64,
    /// Shortest value in bytes.
    pub min_len: usize,
    /// Longest value in bytes.
    pub max_len: usize,
}

/// The next number of a splitmix64 stream.
pub(super) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Recipe {
    fn stream(&self, id: ValueId) -> u64 {
        let mut s = self.seed ^ id.key.rotate_left(17);
        splitmix(&mut s) ^ u64::from(id.version).rotate_left(40)
    }

    /// The value's length in bytes.
    #[must_use]
    pub fn len(&self, id: ValueId) -> usize {
        let span = (self.max_len - self.min_len) as u64 + 1;
        let mut s = !self.stream(id);
        self.min_len + (splitmix(&mut s) % span) as usize
    }

    /// The flags word stored with the value.
    #[must_use]
    pub fn flags(&self, id: ValueId) -> u32 {
        (self.stream(id) >> 7) as u32
    }

    /// Appends the value to `out`.
    pub fn append(&self, id: ValueId, out: &mut Vec<u8>) {
        let mut s = self.stream(id);
        let mut left = self.len(id);
        while left > 0 {
            let word = splitmix(&mut s).to_le_bytes();
            let n = left.min(8);
            out.extend_from_slice(&word[..n]);
            left -= n;
        }
    }

    /// The index of the first byte of `data` that differs from the value; `data` has its length.
    #[must_use]
    pub fn first_difference(&self, id: ValueId, data: &[u8]) -> Option<usize> {
        let mut s = self.stream(id);
        for (i, chunk) in data.chunks(8).enumerate() {
            let word = splitmix(&mut s).to_le_bytes();
            if *chunk != word[..chunk.len()] {
                let at = chunk.iter().zip(word).position(|(a, b)| *a != b).unwrap_or(0);
                return Some(i * 8 + at);
            }
        }
        None
    }
}

/// Appends the key's name.
pub fn append_key(key: u64, out: &mut Vec<u8>) {
    write!(out, "k{key:010}").expect("writing to a Vec does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_byte_change_is_noticed() {
        let recipe = Recipe { seed: 3, min_len: 1, max_len: 50 };
        for version in 1..20 {
            let id = ValueId { key: 9, version };
            let mut value = Vec::new();
            recipe.append(id, &mut value);
            assert_eq!(value.len(), recipe.len(id));
            assert_eq!(recipe.first_difference(id, &value), None);
            for i in 0..value.len() {
                value[i] ^= 1;
                assert_eq!(recipe.first_difference(id, &value), Some(i));
                value[i] ^= 1;
            }
        }
    }

    #[test]
    fn versions_and_keys_have_values_of_their_own() {
        let recipe = Recipe { seed: 3, min_len: 64, max_len: 64 };
        let mut value = Vec::new();
        recipe.append(ValueId { key: 1, version: 1 }, &mut value);
        assert!(recipe.first_difference(ValueId { key: 1, version: 2 }, &value).is_some());
        assert!(recipe.first_difference(ValueId { key: 2, version: 1 }, &value).is_some());
    }
}
