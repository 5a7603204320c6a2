//! The commands without a value: `delete`, `incr`, `decr`, `touch`, `flush_all`, `stats`, `version`, and their like.

use super::cx::{Cx, KEY_LIMIT, count_value};
use super::session::{End, Session};
use super::words::{Words, number, number_in_value, number32, push_number, signed};
use crate::store::{At, Shard};

/// What `version` and `stats` tell.
pub const VERSION: &str = concat!("ouzel-cached-", env!("CARGO_PKG_VERSION"));

const BAD_LINE: &[u8] = b"CLIENT_ERROR bad command line format";

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Is(u64),
    NotNumeric,
    NoMemory,
}

impl Session {
    pub(super) fn other(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        match (words.get(0), words.len()) {
            (b"delete", 2..=4) => self.delete(words, cx),
            (b"incr", 3 | 4) => self.arithmetic(words, true, cx),
            (b"decr", 3 | 4) => self.arithmetic(words, false, cx),
            (b"touch", 3 | 4) => self.touch(words, cx),
            (b"flush_all", 1..=3) => self.flush_all(words, cx),
            (b"verbosity", 2 | 3) => self.verbosity(words, cx),
            (b"version", _) => self.reply(format!("VERSION {VERSION}").as_bytes(), cx),
            (b"quit", 1) => self.end = Some(End::Quit),
            (b"stats", _) => self.stats(words, cx),
            (b"shutdown", _) => self.reply(b"ERROR: shutdown not enabled", cx),
            _ => self.reply(b"ERROR", cx),
        }
    }

    fn delete(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        let key = words.get(1);
        if words.len() > 2 {
            let zero = words.get(2) == b"0";
            self.noreply = words.ends_in_noreply();
            let valid = if words.len() == 3 { zero || self.noreply } else { zero && self.noreply };
            if !valid {
                let text = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
                return self.reply(text, cx);
            }
        }
        if key.len() > KEY_LIMIT {
            return self.reply(BAD_LINE, cx);
        }
        let place = cx.held.store().place(key);
        let now = cx.now;
        let shard = cx.held.shard(place.shard);
        match shard.find(place.hash, key, now) {
            Some(at) => {
                shard.remove(at);
                cx.count.delete_hits.add(1);
                self.reply(b"DELETED", cx);
            }
            None => {
                cx.count.delete_misses.add(1);
                self.reply(b"NOT_FOUND", cx);
            }
        }
    }

    fn arithmetic(&mut self, words: &Words<'_>, up: bool, cx: &mut Cx<'_, '_>) {
        self.noreply = words.ends_in_noreply();
        let key = words.get(1);
        if key.len() > KEY_LIMIT {
            return self.reply(BAD_LINE, cx);
        }
        let Some(delta) = number(words.get(2)) else {
            return self.reply(b"CLIENT_ERROR invalid numeric delta argument", cx);
        };
        let place = cx.held.store().place(key);
        let now = cx.now;
        let shard = cx.held.shard(place.shard);
        let Some(at) = shard.find(place.hash, key, now) else {
            let missed = if up { &cx.count.incr_misses } else { &cx.count.decr_misses };
            missed.add(1);
            return self.reply(b"NOT_FOUND", cx);
        };
        match add(shard, at, delta, up, now).0 {
            Sum::Is(sum) => {
                let hit = if up { &cx.count.incr_hits } else { &cx.count.decr_hits };
                hit.add(1);
                self.reply(itoa::Buffer::new().format(sum).as_bytes(), cx);
            }
            Sum::NotNumeric => {
                self.reply(b"CLIENT_ERROR cannot increment or decrement non-numeric value", cx);
            }
            Sum::NoMemory => self.error(b"SERVER_ERROR out of memory", cx),
        }
    }

    fn touch(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        self.noreply = words.ends_in_noreply();
        let key = words.get(1);
        if key.len() > KEY_LIMIT {
            return self.reply(BAD_LINE, cx);
        }
        let Some(exptime) = signed(words.get(2)) else {
            return self.reply(b"CLIENT_ERROR invalid exptime argument", cx);
        };
        let store = cx.held.store();
        let (place, expires, now) = (store.place(key), store.deadline(exptime), cx.now);
        let shard = cx.held.shard(place.shard);
        cx.count.cmd_touch.add(1);
        match shard.find(place.hash, key, now) {
            Some(at) => {
                shard.hit(at, now);
                shard.header_mut(at).expires = expires;
                cx.count.touch_hits.add(1);
                self.reply(b"TOUCHED", cx);
            }
            None => {
                cx.count.touch_misses.add(1);
                self.reply(b"NOT_FOUND", cx);
            }
        }
    }

    fn flush_all(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        self.noreply = words.ends_in_noreply();
        cx.count.cmd_flush.add(1);
        if !cx.host.may_flush() {
            return self.reply(b"CLIENT_ERROR flush_all not allowed", cx);
        }
        let delay = match words.len() - usize::from(self.noreply) {
            1 => Some(0),
            _ => signed(words.get(1)),
        };
        let Some(delay) = delay else {
            return self.reply(b"CLIENT_ERROR invalid exptime argument", cx);
        };
        let store = cx.held.store();
        let when = store.deadline(delay);
        for i in 0..store.shards() {
            let shard = cx.held.shard(i);
            if when <= cx.now { shard.flush() } else { shard.flush_at(when) }
        }
        self.reply(b"OK", cx);
    }

    fn verbosity(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        self.noreply = words.ends_in_noreply();
        let Some(level) = number32(words.get(1)) else { return self.reply(BAD_LINE, cx) };
        cx.host.set_verbosity(level);
        self.reply(b"OK", cx);
    }

    fn stats(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        if words.get(1) == b"reset" {
            for i in 0..cx.held.store().shards() {
                cx.held.shard(i).reset_stats();
            }
            cx.host.reset_stats();
            return self.reply(b"RESET", cx);
        }
        // The server asks every shard.
        cx.held.release();
        let known = cx.host.stats(words.get(1), &mut cx.out.bytes);
        cx.out.line(if known { b"END" } else { b"ERROR" });
    }
}

/// Adds to the number an item holds, or takes from it: upwards it begins again at 0, downwards it stops there. The
/// item that holds it then.
pub(super) fn add(shard: &mut Shard, at: At, delta: u64, up: bool, now: u32) -> (Sum, At) {
    let Some(old) = number_in_value(shard.value(at)) else { return (Sum::NotNumeric, at) };
    let sum = if up { old.wrapping_add(delta) } else { old.saturating_sub(delta) };
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(sum).as_bytes();
    let len = shard.header(at).value_len();
    if digits.len() <= len && !shard.is_pinned(at) {
        // As in memcached a number that gets shorter leaves blanks.
        let (number, blanks) = shard.value_mut(at).split_at_mut(digits.len());
        number.copy_from_slice(digits);
        blanks.fill(b' ');
        let cas = shard.next_cas();
        shard.header_mut(at).cas = cas;
        shard.used(at, now);
        return (Sum::Is(sum), at);
    }
    if !shard.pin(at) {
        return (Sum::NoMemory, at);
    }
    let longer = shard.reserve_like(at, digits.len().max(len), now);
    shard.unpin(at);
    let Some(new) = longer else { return (Sum::NoMemory, at) };
    let (number, blanks) = shard.value_mut(new).split_at_mut(digits.len());
    number.copy_from_slice(digits);
    blanks.fill(b' ');
    shard.link(new, now);
    (Sum::Is(sum), new)
}

/// A number as a value, for an item that `ma` makes.
pub(super) fn make_number(cx: &mut Cx<'_, '_>, key: &[u8], n: u64, expires: u32) -> Option<(usize, At)> {
    let place = cx.held.store().place(key);
    let now = cx.now;
    let mut digits = Vec::with_capacity(20);
    push_number(&mut digits, n);
    let shard = cx.held.shard(place.shard);
    let at = shard.reserve(place.hash, key, digits.len(), now)?;
    shard.value_mut(at).copy_from_slice(&digits);
    shard.header_mut(at).expires = expires;
    shard.link(at, now);
    count_value(cx.count, 2, digits.len());
    Some((place.shard, at))
}
