//! Requests as redis takes them.

use super::values::{Recipe, ValueId, append_key};
use std::io::Write;

/// Bytes of a key's name.
const KEY: usize = 11;

pub(super) fn append_get(key: u64, out: &mut Vec<u8>) {
    write!(out, "*2\r\n$3\r\nGET\r\n${KEY}\r\n").expect("a Vec takes it");
    append_key(key, out);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn append_set(id: ValueId, recipe: &Recipe, out: &mut Vec<u8>) {
    write!(out, "*3\r\n$3\r\nSET\r\n${KEY}\r\n").expect("a Vec takes it");
    append_key(id.key, out);
    write!(out, "\r\n${}\r\n", recipe.len(id)).expect("a Vec takes it");
    recipe.append(id, out);
    out.extend_from_slice(b"\r\n");
}
