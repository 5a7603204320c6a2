//! `get`, `gets`, `gat`, `gats`.

use super::cx::{Cx, KEY_LIMIT, OUT_LIMIT, count_value};
use super::session::{Kind, Mode, Session};
use super::words::{each, next, signed};
use crate::store::Place;

impl Session {
    pub(super) fn get(&mut self, keys: &[u8], kind: Kind, cx: &mut Cx<'_, '_>) {
        // The usual line has one key, and is looked at once.
        let mut rest = keys;
        match next(&mut rest) {
            None => return self.reply(b"ERROR", cx),
            Some(key) if key.len() <= KEY_LIMIT && rest.is_empty() => {
                get_one(key, cx.held.store().place(key), kind, cx);
                return cx.out.push(b"END\r\n");
            }
            Some(_) => {}
        }
        if each(keys).any(|key| key.len() > KEY_LIMIT) {
            return self.reply(b"CLIENT_ERROR bad command line format", cx);
        }
        self.get_keys(keys, kind, cx);
    }

    pub(super) fn get_and_touch(&mut self, line: &[u8], cas: bool, cx: &mut Cx<'_, '_>) {
        let mut keys = line;
        let Some(exptime) = next(&mut keys) else { return self.reply(b"ERROR", cx) };
        let Some(exptime) = signed(exptime) else {
            return self.reply(b"CLIENT_ERROR invalid exptime argument", cx);
        };
        let touch = Some(cx.held.store().deadline(exptime));
        if each(keys).next().is_none() {
            return cx.out.push(b"END\r\n");
        }
        self.get(keys, Kind { cas, touch }, cx);
    }

    /// Answers keys to the end of the line, or until the output is full: then the rest waits.
    pub(super) fn get_keys(&mut self, keys: &[u8], kind: Kind, cx: &mut Cx<'_, '_>) {
        let mut rest = keys;
        while let Some(key) = next(&mut rest) {
            get_one(key, cx.held.store().place(key), kind, cx);
            if cx.out.len() >= OUT_LIMIT && each(rest).next().is_some() {
                self.carry.extend_from_slice(rest);
                self.mode = Mode::Keys(kind);
                return;
            }
        }
        cx.out.push(b"END\r\n");
    }
}

/// Answers one key, without the end of the answer.
pub(super) fn get_one(key: &[u8], place: Place, kind: Kind, cx: &mut Cx<'_, '_>) {
    let now = cx.now;
    let shard = cx.held.shard(place.shard);
    let found = shard.find(place.hash, key, now);
    if kind.touch.is_some() {
        cx.count.cmd_touch.add(1);
    } else {
        cx.count.cmd_get.add(1);
    }
    let Some(at) = found else {
        let missed = if kind.touch.is_some() { &cx.count.touch_misses } else { &cx.count.get_misses };
        return missed.add(1);
    };
    shard.hit(at, now);
    if let Some(expires) = kind.touch {
        shard.header_mut(at).expires = expires;
        cx.count.touch_hits.add(1);
    }
    cx.count.get_hits.add(u64::from(kind.touch.is_none()));
    let copied = cx.out.item(key, (place.shard, at), shard, kind.cas, b"\r\n");
    let len = shard.header(at).value_len();
    count_value(cx.count, 1 + u64::from(copied > 0), len);
}
