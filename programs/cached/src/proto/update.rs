//! `set`, `add`, `replace`, `append`, `prepend`, `cas`, and what `ms` shares with them.

use super::cx::{Cx, KEY_LIMIT, count_value};
use super::session::{Mode, Session};
use super::value::{Stored, Update, Verb, Wanted, drop_item, reserve};
use super::words::{Words, length, number, number32, signed};
use crate::store::{At, STALE, Shard, WON};

impl Session {
    pub(super) fn update(&mut self, verb: Verb, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        let wanted = if verb == Verb::Cas { 6 } else { 5 };
        if words.len() != wanted && words.len() != wanted + 1 {
            return self.reply(b"ERROR", cx);
        }
        self.noreply = words.ends_in_noreply();
        let bad = b"CLIENT_ERROR bad command line format";
        let key = words.get(1);
        let numbers = (number32(words.get(2)), signed(words.get(3)), length(words.get(4)));
        let (Some(flags), Some(exptime), Some(len)) = numbers else { return self.reply(bad, cx) };
        let cas = if verb == Verb::Cas { number(words.get(5)) } else { Some(0) };
        let Some(cas) = cas.filter(|_| key.len() <= KEY_LIMIT) else { return self.reply(bad, cx) };
        let expires = cx.held.store().deadline(exptime);
        let wanted = Wanted { verb, key, flags, expires, len };
        match reserve(&wanted, cx) {
            Ok(mut update) => {
                update.cas = (verb == Verb::Cas).then_some(cas);
                self.receive(update);
            }
            Err(text) => {
                if verb == Verb::Set {
                    drop_item(key, cx);
                }
                self.reply(text, cx);
                self.mode = Mode::Swallow(len + 2);
            }
        }
    }

    /// From here on bytes are the value's.
    pub(super) fn receive(&mut self, mut update: Update) {
        self.mode = match update.len {
            0 => Mode::Tail(None),
            n => Mode::Body(n),
        };
        update.noreply = self.noreply;
        self.filling = Some(update);
    }

    /// The value has come, and if `whole` the end of its line.
    pub(super) fn end_of_value(&mut self, whole: bool, cx: &mut Cx<'_, '_>) {
        let Some(mut update) = self.filling.take() else { return };
        self.noreply = update.noreply;
        if !whole {
            let (shard, at) = update.item;
            cx.held.shard(shard).give_up(at);
            // A value that a meta command brought always gets its error.
            self.noreply &= update.returned.is_none();
            return self.reply(b"CLIENT_ERROR bad data chunk", cx);
        }
        cx.count.cmd_set.add(1);
        count_value(cx.count, 2 - u64::from(update.direct > 0), update.len);
        let (stored, cas) = store(&update, cx);
        match update.returned.take() {
            Some(returned) => self.end_of_meta_set(stored, cas, &returned, cx),
            None => {
                let text: &[u8] = match stored {
                    Stored::Yes => b"STORED",
                    Stored::Exists => b"EXISTS",
                    Stored::NotFound => b"NOT_FOUND",
                    Stored::No => b"NOT_STORED",
                    Stored::NoMemory => return self.error(b"SERVER_ERROR out of memory storing object", cx),
                };
                self.reply(text, cx);
            }
        }
    }
}

/// Does what the verb says with the item that was filled; the number of what is there then.
fn store(update: &Update, cx: &mut Cx<'_, '_>) -> (Stored, u64) {
    let (number, at) = update.item;
    let now = cx.now;
    let shard = cx.held.shard(number);
    if update.verb == Verb::Set {
        shard.link(at, now);
        return (Stored::Yes, shard.header(at).cas);
    }
    let old = find_like(shard, at, update.hash, now);
    let old_cas = old.map(|old| shard.header(old).cas);
    let fits = update.cas.is_none() || update.cas == old_cas;
    let stored = match (update.verb, old) {
        (Verb::Set, _) | (Verb::Add, None) | (Verb::Replace, Some(_)) => Stored::Yes,
        (Verb::Add, Some(old)) => {
            shard.used(old, now);
            Stored::No
        }
        (Verb::Replace | Verb::Append | Verb::Prepend, None) => Stored::No,
        (Verb::Cas, None) => {
            cx.count.cas_misses.add(1);
            Stored::NotFound
        }
        (Verb::Cas, Some(_)) if fits => {
            cx.count.cas_hits.add(1);
            Stored::Yes
        }
        (Verb::Cas, Some(old)) if update.may_be_stale && update.cas < old_cas => {
            // Older than what is there: stored, with the old end, and told to be so.
            let h = shard.header(old);
            let (expires, bits) = (h.expires, h.bits & WON);
            let h = shard.header_mut(at);
            (h.expires, h.bits) = (expires, bits | STALE);
            Stored::Yes
        }
        (Verb::Cas, Some(_)) => {
            cx.count.cas_badval.add(1);
            Stored::Exists
        }
        (Verb::Append | Verb::Prepend, Some(_)) if !fits => Stored::Exists,
        (Verb::Append | Verb::Prepend, Some(old)) => {
            let stored = join(shard, old, at, update, now, cx.host.item_max());
            let cas = find_like(shard, at, update.hash, now).map_or(0, |there| shard.header(there).cas);
            shard.give_up(at);
            return (stored, cas);
        }
    };
    if stored == Stored::Yes {
        shard.link(at, now);
        return (stored, shard.header(at).cas);
    }
    shard.give_up(at);
    (stored, old_cas.unwrap_or(0))
}

/// The item in the store that has the key of the one at `at`.
fn find_like(shard: &mut Shard, at: At, hash: u32, now: u32) -> Option<At> {
    let mut key = [0; KEY_LIMIT];
    let len = shard.key(at).len();
    key[..len].copy_from_slice(shard.key(at));
    shard.find(hash, &key[..len], now)
}

/// Puts the value at `more` behind or before the one at `old`: where it lies, or in a new place.
fn join(shard: &mut Shard, old: At, more: At, update: &Update, now: u32, item_max: usize) -> Stored {
    let len = shard.header(old).value_len() + update.len;
    if len > item_max {
        return Stored::NoMemory;
    }
    if update.verb == Verb::Append && shard.extend_from(old, more) {
        let cas = shard.next_cas();
        shard.header_mut(old).cas = cas;
        shard.used(old, now);
        return Stored::Yes;
    }
    // It may be the next one to go: not while it is copied.
    if !shard.pin(old) {
        return Stored::NoMemory;
    }
    let joined = shard.reserve_like(old, len, now);
    if let Some(at) = joined {
        let (first, second) = if update.verb == Verb::Append { (old, more) } else { (more, old) };
        shard.copy_value(first, at, 0);
        let first_len = shard.header(first).value_len();
        shard.copy_value(second, at, first_len);
        shard.link(at, now);
    }
    shard.unpin(old);
    if joined.is_some() { Stored::Yes } else { Stored::NoMemory }
}
