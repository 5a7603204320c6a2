//! The meta commands: `mg`, `ms`, `md`, `ma`, `me`. (`mn` is answered where commands are told apart.)

use std::io::Write;

use super::commands::{Sum, add, make_number};
use super::cx::{Cx, Found, KEY_LIMIT, count_value};
use super::meta_flags::{Flags, Key, MOST_FLAGS, Returned, opaque};
use super::output::Output;
use super::session::{Mode, Session};
use super::value::{Stored, Verb, Wanted, drop_item, reserve};
use super::words::{Words, length};
use crate::store::{FETCHED, Header, STALE, WON};

const BAD_LINE: &[u8] = b"CLIENT_ERROR bad command line format";
const BAD_FLAGS: &[u8] = b"CLIENT_ERROR invalid or duplicate flag";
const LONG_OPAQUE: &[u8] = b"CLIENT_ERROR opaque token too long";

impl Session {
    /// Key and flags of a line; the error is answered, by `summary` if there is one.
    fn key_and_flags(
        &mut self,
        words: &Words<'_>,
        summary: Option<&'static [u8]>,
        cx: &mut Cx<'_, '_>,
    ) -> Option<(Key, Flags)> {
        cx.count.cmd_meta.add(1);
        if words.len() < 2 {
            self.reply(b"ERROR", cx);
            return None;
        }
        let read = if words.get(1).len() > KEY_LIMIT {
            Err(BAD_LINE)
        } else if words.len() > MOST_FLAGS + 2 {
            Err(&b"CLIENT_ERROR options flags are too long"[..])
        } else {
            let read = Flags::read(words.from(2), cx);
            let read = read.and_then(|flags| Ok((flags.key(words.get(1))?, flags)));
            read.map_err(|text| summary.unwrap_or(text))
        };
        match read {
            Ok(read) => {
                self.noreply = read.1.quiet;
                Some(read)
            }
            Err(text) => {
                self.error(text, cx);
                None
            }
        }
    }

    pub(super) fn meta_get(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        let Some((key, flags)) = self.key_and_flags(words, None, cx) else { return };
        if words.from(2).iter().any(|w| w[0] == b'O' && w.len() > 32) {
            return self.error(LONG_OPAQUE, cx);
        }
        let place = cx.held.store().place(key.bytes());
        let now = cx.now;
        let shard = cx.held.shard(place.shard);
        let mut made = false;
        let mut found = shard.find(place.hash, key.bytes(), now);
        if let (None, Some(expires)) = (found, flags.vivify) {
            found = shard.reserve(place.hash, key.bytes(), 0, now);
            if let Some(at) = found {
                shard.link(at, now);
                let h = shard.header_mut(at);
                h.expires = expires;
                h.cas = flags.new_cas.unwrap_or(h.cas);
                made = true;
            }
        }
        let Some(at) = found else { return self.meta_miss(&key, words, cx) };
        // What is told is what was before this request.
        let h = shard.header_mut(at);
        let won =
            made || (flags.recache.is_some_and(|r| h.expires != 0 && h.expires < r) && h.bits & WON == 0);
        let was = h.clone();
        h.expires = flags.ttl.unwrap_or(h.expires);
        let expires = h.expires;
        let stale_win = was.bits & (STALE | WON) == STALE;
        if won || stale_win {
            h.bits |= WON;
        }
        if !flags.no_update {
            shard.hit(at, now);
        }
        cx.count.cmd_get.add(u64::from(flags.ttl.is_none()));
        cx.count.get_hits.add(u64::from(flags.ttl.is_none()));
        cx.count.cmd_touch.add(u64::from(flags.ttl.is_some()));
        cx.count.touch_hits.add(u64::from(flags.ttl.is_some()));
        let out = &mut *cx.out;
        let len = was.value_len();
        if flags.value {
            out.push(b"VA ");
            out.number(len as u64);
        } else {
            out.push(b"HD");
        }
        for word in words.from(2) {
            match word[0] {
                b's' => tell(out, b's', len as u64),
                b't' => ttl(out, expires, now),
                b'c' => tell(out, b'c', was.cas),
                b'f' => tell(out, b'f', u64::from(was.flags)),
                b'l' => tell(out, b'l', u64::from(now.saturating_sub(was.used_at))),
                b'h' => tell(out, b'h', u64::from(was.bits & FETCHED)),
                b'O' => drop(opaque(word, out)),
                b'k' => key.flag(out),
                _ => {}
            }
        }
        if was.bits & WON != 0 {
            out.flag(b'Z');
        }
        if was.bits & STALE != 0 {
            out.flag(b'X');
        }
        if won || stale_win {
            out.flag(b'W');
        }
        out.push(b"\r\n");
        if flags.value {
            let copied = out.value(shard, place.shard, at, b"\r\n");
            count_value(cx.count, 1 + u64::from(copied > 0), len);
        }
    }

    fn meta_miss(&mut self, key: &Key, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        cx.count.cmd_get.add(1);
        cx.count.get_misses.add(1);
        if self.noreply {
            return;
        }
        self.status(b"EN", key, words, cx);
    }

    pub(super) fn meta_set(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        cx.count.cmd_meta.add(1);
        if words.len() < 2 {
            return self.reply(b"ERROR", cx);
        }
        if words.get(1).len() > KEY_LIMIT || words.len() == 2 {
            return self.error(BAD_LINE, cx);
        }
        if words.len() > MOST_FLAGS + 2 {
            return self.error(b"CLIENT_ERROR options flags too long", cx);
        }
        let Some(len) = length(words.get(2)) else {
            return self.error(BAD_LINE, cx);
        };
        if let Err(text) = self.try_meta_set(words, len, cx) {
            self.error(text, cx);
            self.mode = Mode::Swallow(len + 2);
        }
    }

    fn try_meta_set(
        &mut self,
        words: &Words<'_>,
        len: usize,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(), &'static [u8]> {
        let flags = Flags::read(words.from(3), cx)?;
        let key = flags.key(words.get(1))?;
        let verb = match flags.mode {
            b'E' | b'e' => Verb::Add,
            b'A' | b'a' => Verb::Append,
            b'P' | b'p' => Verb::Prepend,
            b'R' | b'r' => Verb::Replace,
            b'S' | b's' | 0 => Verb::Set,
            _ => return Err(b"CLIENT_ERROR invalid mode for ms M token"),
        };
        let verb = match (verb, flags.compare) {
            (Verb::Set | Verb::Replace, Some(_)) => Verb::Cas,
            _ => verb,
        };
        let expires = flags.ttl.unwrap_or(0);
        let wanted = Wanted { verb, key: key.bytes(), flags: flags.client_flags, expires, len };
        let mut update = match reserve(&wanted, cx) {
            Ok(update) => update,
            Err(text) => {
                drop_item(key.bytes(), cx);
                return Err(text);
            }
        };
        let Some(returned) = Returned::new(key, words.from(3), flags.new_cas) else {
            cx.held.release();
            update.give_up(cx.held.store());
            return Err(LONG_OPAQUE);
        };
        update.cas = flags.compare;
        update.may_be_stale = flags.stale;
        update.returned = Some(Box::new(returned));
        self.noreply = flags.quiet;
        self.receive(update);
        Ok(())
    }

    pub(super) fn end_of_meta_set(
        &mut self,
        stored: Stored,
        cas: u64,
        returned: &Returned,
        cx: &mut Cx<'_, '_>,
    ) {
        let mut cas = cas;
        let status: &[u8] = match stored {
            Stored::Yes => {
                if let Some(new) = returned.new_cas {
                    let place = cx.held.store().place(returned.key.bytes());
                    let now = cx.now;
                    let shard = cx.held.shard(place.shard);
                    if let Some(at) = shard.find(place.hash, returned.key.bytes(), now) {
                        shard.header_mut(at).cas = new;
                        cas = new;
                    }
                }
                if self.noreply {
                    return;
                }
                b"HD"
            }
            Stored::Exists => b"EX",
            Stored::NotFound => b"NF",
            Stored::No => b"NS",
            Stored::NoMemory => return self.error(b"SERVER_ERROR out of memory storing object", cx),
        };
        cx.out.push(status);
        returned.show(if stored == Stored::Yes { cas } else { 0 }, cx.out);
        cx.out.push(b"\r\n");
    }

    pub(super) fn meta_delete(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        let Some((key, flags)) = self.key_and_flags(words, Some(BAD_FLAGS), cx) else { return };
        let place = cx.held.store().place(key.bytes());
        let now = cx.now;
        let shard = cx.held.shard(place.shard);
        let found = shard.find(place.hash, key.bytes(), now);
        let status: &[u8] = match found {
            None => {
                cx.count.delete_misses.add(1);
                b"NF"
            }
            Some(at) if flags.compare.is_some_and(|cas| cas != shard.header(at).cas) => {
                cx.count.delete_misses.add(1);
                b"EX"
            }
            Some(at) if flags.stale => {
                let cas = shard.next_cas();
                let h = shard.header_mut(at);
                h.expires = flags.ttl.unwrap_or(h.expires);
                h.bits = (h.bits | STALE) & !WON;
                h.cas = flags.new_cas.unwrap_or(cas);
                b"HD"
            }
            Some(at) if flags.remove_value => {
                if let Some(empty) = shard.reserve_like(at, 0, now) {
                    shard.link(empty, now);
                    shard.header_mut(empty).flags = 0;
                }
                b"HD"
            }
            Some(at) => {
                cx.count.delete_hits.add(1);
                shard.remove(at);
                b"HD"
            }
        };
        if self.noreply && status == b"HD" {
            return;
        }
        if !self.status(status, &key, words, cx) {
            self.error(LONG_OPAQUE, cx);
        }
    }

    /// A status and what is said back; false: an opaque is too long, and nothing was said.
    fn status(&mut self, status: &[u8], key: &Key, words: &Words<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let before = cx.out.bytes.len();
        cx.out.push(status);
        for word in words.from(2) {
            match word[0] {
                b'O' if !opaque(word, cx.out) => {
                    cx.out.bytes.truncate(before);
                    return false;
                }
                b'k' => key.flag(cx.out),
                _ => {}
            }
        }
        cx.out.push(b"\r\n");
        true
    }

    pub(super) fn meta_arithmetic(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        let Some((key, flags)) = self.key_and_flags(words, Some(BAD_FLAGS), cx) else { return };
        let up = match flags.mode {
            0 | b'I' | b'i' | b'+' => true,
            b'D' | b'd' | b'-' => false,
            _ => return self.error(b"CLIENT_ERROR invalid mode for ma M token", cx),
        };
        let place = cx.held.store().place(key.bytes());
        let now = cx.now;
        let shard = cx.held.shard(place.shard);
        let done: Result<(Found, u64, bool), &[u8]> = match shard.find(place.hash, key.bytes(), now) {
            Some(at)
                if shard.header(at).value_len() > 0
                    && flags.compare.is_some_and(|cas| cas != shard.header(at).cas) =>
            {
                Err(b"EX")
            }
            Some(at) => match add(shard, at, flags.delta.unwrap_or(1), up, now) {
                (Sum::Is(sum), at) => {
                    let hit = if up { &cx.count.incr_hits } else { &cx.count.decr_hits };
                    hit.add(1);
                    let h = shard.header_mut(at);
                    h.cas = flags.new_cas.unwrap_or(h.cas);
                    h.expires = flags.ttl.unwrap_or(h.expires);
                    Ok(((place.shard, at), sum, false))
                }
                (Sum::NotNumeric, _) => {
                    let text = b"CLIENT_ERROR cannot increment or decrement non-numeric value";
                    return self.error(text, cx);
                }
                (Sum::NoMemory, _) => return self.error(b"SERVER_ERROR out of memory", cx),
            },
            None => match flags.vivify {
                None => {
                    let missed = if up { &cx.count.incr_misses } else { &cx.count.decr_misses };
                    missed.add(1);
                    Err(b"NF")
                }
                Some(expires) => match make_number(cx, key.bytes(), flags.initial, expires) {
                    Some(found) => Ok((found, flags.initial, true)),
                    None => return self.error(b"SERVER_ERROR Out of memory allocating new item", cx),
                },
            },
        };
        match done {
            Err(status) => {
                if !self.status(status, &key, words, cx) {
                    self.error(LONG_OPAQUE, cx);
                }
            }
            Ok(((number, at), sum, made)) => {
                // That it was made is news.
                if self.noreply && !made {
                    return;
                }
                let h = cx.held.shard(number).header(at).clone();
                self.sum(&h, sum, &key, &flags, words, cx);
            }
        }
    }

    fn sum(
        &mut self,
        h: &Header,
        sum: u64,
        key: &Key,
        flags: &Flags,
        words: &Words<'_>,
        cx: &mut Cx<'_, '_>,
    ) {
        let before = cx.out.bytes.len();
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(sum).as_bytes();
        let out = &mut *cx.out;
        if flags.value {
            out.push(b"VA ");
            out.number(digits.len() as u64);
        } else {
            out.push(b"HD");
        }
        for word in words.from(2) {
            match word[0] {
                b'c' => tell(out, b'c', h.cas),
                b't' => ttl(out, h.expires, cx.now),
                b'O' if !opaque(word, out) => {
                    out.bytes.truncate(before);
                    return self.error(LONG_OPAQUE, cx);
                }
                b'k' => key.flag(out),
                _ => {}
            }
        }
        out.push(b"\r\n");
        if flags.value {
            out.line(digits);
        }
    }

    pub(super) fn meta_debug(&mut self, words: &Words<'_>, cx: &mut Cx<'_, '_>) {
        cx.count.cmd_meta.add(1);
        let word = words.get(1);
        let key = Key::read(word, words.get(2) == b"b").filter(|_| !word.is_empty());
        let Some(key) = key else { return self.reply(BAD_LINE, cx) };
        let place = cx.held.store().place(key.bytes());
        let now = cx.now;
        let shard = cx.held.shard(place.shard);
        let Some(at) = shard.find(place.hash, key.bytes(), now) else {
            return self.reply(b"EN", cx);
        };
        let h = shard.header(at);
        cx.out.push(b"ME ");
        key.show(cx.out);
        let expires = if h.expires == 0 { -1 } else { i64::from(h.expires) - i64::from(now) };
        let fetched = if h.bits & FETCHED != 0 { "yes" } else { "no" };
        let age = now.saturating_sub(h.used_at);
        write!(
            cx.out.bytes,
            " exp={expires} la={age} cas={} fetch={fetched} cls=1 size={}\r\n",
            h.cas,
            h.needed_bytes()
        )
        .expect("a vector takes it");
    }
}

fn tell(out: &mut Output, letter: u8, n: u64) {
    out.flag(letter);
    out.number(n);
}

/// The time that is left.
fn ttl(out: &mut Output, expires: u32, now: u32) {
    match expires {
        0 => out.push(b" t-1"),
        expires => tell(out, b't', u64::from(expires.saturating_sub(now))),
    }
}
