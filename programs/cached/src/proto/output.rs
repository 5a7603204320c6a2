//! Replies that wait to be sent: bytes, and at most one value that is sent from where it lies in the store.

use super::words::push_number;
use crate::store::{At, Shard, Store};

/// Values from this length on are not copied to the output. Shorter ones are sent sooner than a second part of a
/// message is described.
pub const PIN_FROM: usize = 16 * 1024;

/// A value in the store that a reply is sent from.
#[derive(Debug)]
pub struct Pinned {
    shard: usize,
    at: At,
    /// The value's bytes: they stay where they are, and as they are, while the item is pinned.
    pub(crate) bytes: *const u8,
    /// How many.
    pub(crate) len: usize,
    /// Behind how many bytes of the output it comes.
    pub(crate) behind: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Output {
    /// All but the pinned value.
    pub bytes: Vec<u8>,
    /// A value that is sent among them.
    pub pinned: Option<Pinned>,
}

impl Output {
    /// Bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.pinned.as_ref().map_or(0, |p| p.len)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends `text`.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
    }

    /// Appends `text` and the end of a line.
    pub fn line(&mut self, text: &[u8]) {
        self.push(text);
        self.push(b"\r\n");
    }

    /// Appends a blank and a letter.
    pub(super) fn flag(&mut self, letter: u8) {
        self.push(&[b' ', letter]);
    }

    /// Appends a number.
    pub(super) fn number(&mut self, n: u64) {
        push_number(&mut self.bytes, n);
    }

    /// Appends what a `get` tells of the item at `at`, then `end`. Gives the bytes of the value that were copied.
    pub(super) fn item(
        &mut self,
        key: &[u8],
        (number, at): (usize, At),
        shard: &mut Shard,
        with_cas: bool,
        end: &[u8],
    ) -> usize {
        let h = shard.header(at);
        let (flags, len, cas) = (h.flags, h.value_len(), h.cas);
        self.push(b"VALUE ");
        self.push(key);
        self.push(b" ");
        self.number(u64::from(flags));
        self.push(b" ");
        self.number(len as u64);
        if with_cas {
            self.push(b" ");
            self.number(cas);
        }
        self.push(b"\r\n");
        self.value(shard, number, at, end)
    }

    /// Appends the value of the item at `at`, then `end`. Gives the bytes that were copied.
    pub(super) fn value(&mut self, shard: &mut Shard, number: usize, at: At, end: &[u8]) -> usize {
        let len = shard.header(at).value_len();
        let pinned = len >= PIN_FROM && self.pin(shard, number, at);
        if !pinned {
            self.push(shard.value(at));
        }
        self.push(end);
        if pinned { 0 } else { len }
    }

    /// Has the value of the item at `at` sent from where it lies. False: another one is, or too many send it.
    fn pin(&mut self, shard: &mut Shard, number: usize, at: At) -> bool {
        if self.pinned.is_some() || !shard.pin(at) {
            return false;
        }
        let value = shard.value(at);
        let (bytes, len) = (value.as_ptr(), value.len());
        self.pinned = Some(Pinned { shard: number, at, bytes, len, behind: self.bytes.len() });
        true
    }

    /// Forgets all replies; what was pinned in `store` is free again.
    pub fn clear(&mut self, store: &Store) {
        self.bytes.clear();
        if let Some(pinned) = self.pinned.take() {
            store.lock(pinned.shard).unpin(pinned.at);
        }
    }

    /// All bytes in order, for those who do not send them.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let Some(pinned) = &self.pinned else { return self.bytes.clone() };
        let (before, behind) = self.bytes.split_at(pinned.behind);
        // SAFETY: the item is pinned: its value lies there, unchanged.
        let value = unsafe { std::slice::from_raw_parts(pinned.bytes, pinned.len) };
        [before, value, behind].concat()
    }
}
