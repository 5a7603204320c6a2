//! A value on its way into an item that nobody knows yet.

use super::cx::{Cx, Found};
use super::meta_flags::Returned;
use crate::store::Store;

/// What is done with a value that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
}

impl Verb {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"set" => Verb::Set,
            b"add" => Verb::Add,
            b"replace" => Verb::Replace,
            b"append" => Verb::Append,
            b"prepend" => Verb::Prepend,
            b"cas" => Verb::Cas,
            _ => return None,
        })
    }
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    Exists,
    NotFound,
    No,
    NoMemory,
}

/// A value that is coming in, for an item that nobody knows yet.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) verb: Verb,
    /// The item that is filled.
    pub(super) item: Found,
    pub(super) hash: u32,
    /// Where the next byte goes.
    pub(super) to: *mut u8,
    pub(super) len: usize,
    /// What `cas` compares with.
    pub(super) cas: Option<u64>,
    /// A value older than the one there is may be stored as stale.
    pub(super) may_be_stale: bool,
    /// For `ms`: what the reply tells.
    pub(super) returned: Option<Box<Returned>>,
    pub(super) noreply: bool,
    /// Bytes that the kernel put where they belong.
    pub(super) direct: usize,
}

/// What a value is stored with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) verb: Verb,
    pub(super) key: &'a [u8],
    pub(super) flags: u32,
    pub(super) expires: u32,
    pub(super) len: usize,
}

impl Update {
    /// Takes bytes of the value, of which `left` are still to come.
    pub(super) fn fill(&mut self, bytes: &[u8], left: usize) {
        debug_assert!(bytes.len() <= left && left <= self.len);
        // SAFETY: so many bytes of the item are not filled yet, and the item is ours alone until it is linked.
        unsafe { self.to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.to = self.to.wrapping_add(bytes.len());
    }

    pub(super) fn give_up(self, store: &Store) {
        store.lock(self.item.0).give_up(self.item.1);
    }
}

/// Room for a value; or the text that says why there is none.
pub(super) fn reserve(wanted: &Wanted<'_>, cx: &mut Cx<'_, '_>) -> Result<Update, &'static [u8]> {
    let Wanted { verb, key, flags, expires, len } = *wanted;
    if len > cx.host.item_max() {
        cx.count.store_too_large.add(1);
        return Err(b"SERVER_ERROR object too large for cache");
    }
    let place = cx.held.store().place(key);
    let now = cx.now;
    let shard = cx.held.shard(place.shard);
    let Some(at) = shard.reserve(place.hash, key, len, now) else {
        cx.count.store_no_memory.add(1);
        return Err(b"SERVER_ERROR out of memory storing object");
    };
    let h = shard.header_mut(at);
    (h.flags, h.expires) = (flags, expires);
    Ok(Update {
        verb,
        item: (place.shard, at),
        hash: place.hash,
        to: shard.room(at),
        len,
        cas: None,
        may_be_stale: false,
        returned: None,
        noreply: false,
        direct: 0,
    })
}

/// A value that could not be stored: who ignores the answer must not read the old one.
pub(super) fn drop_item(key: &[u8], cx: &mut Cx<'_, '_>) {
    let place = cx.held.store().place(key);
    let now = cx.now;
    let shard = cx.held.shard(place.shard);
    if let Some(at) = shard.find(place.hash, key, now) {
        shard.remove(at);
    }
}
