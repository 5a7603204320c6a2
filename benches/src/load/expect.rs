//! What the server must answer to one request, and whether it did.

use super::resp;
use super::values::{Recipe, ValueId, append_key};
use std::io::Write;
use std::time::Instant;

/// What client and server say to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// memcached's text protocol.
    #[default]
    Memcached,
    /// redis's.
    Resp,
}

/// One request that has been sent and not yet answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expect {
    pub(super) what: Request,
    pub(super) sent: Instant,
    /// SETs before it that get no answer of their own.
    pub(super) unanswered: u32,
}

/// A request, with all that its answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Must answer with this very value.
    Get(ValueId),
    /// Must answer `STORED`.
    Set(ValueId),
    /// Must answer that there is no such key: nobody sets this one.
    Miss(u64),
}

/// The key that is asked for where a miss is wanted, by the number of one that is there.
fn absent(key: u64) -> u64 {
    key + 5_000_000_000
}

/// What the bytes received so far say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Right so far; the answer is longer.
    Partial,
    /// The whole answer is there, all right, this many bytes of it.
    Whole(usize),
    /// It differs; the text says where.
    Wrong(String),
}

impl Request {
    /// Appends the request as it goes over the wire.
    pub(super) fn append(&self, protocol: Protocol, recipe: &Recipe, out: &mut Vec<u8>) {
        match (*self, protocol) {
            (Request::Get(ValueId { key, .. }), Protocol::Memcached) => append_get(key, out),
            (Request::Miss(key), Protocol::Memcached) => append_get(absent(key), out),
            (Request::Set(id), Protocol::Memcached) => append_set(id, "", recipe, out),
            (Request::Get(ValueId { key, .. }), Protocol::Resp) => resp::append_get(key, out),
            (Request::Miss(key), Protocol::Resp) => resp::append_get(absent(key), out),
            (Request::Set(id), Protocol::Resp) => resp::append_set(id, recipe, out),
        }
    }

    /// Appends what a GET is answered with.
    pub(super) fn append_reply(&self, protocol: Protocol, recipe: &Recipe, out: &mut Vec<u8>) {
        if let Request::Get(id) = *self {
            append_head(id, protocol, recipe, out);
            recipe.append(id, out);
            out.extend_from_slice(words(protocol)[2]);
        }
    }

    /// Compares the front of `got` with the answer. `scratch` is reused memory.
    pub(super) fn check(
        &self,
        protocol: Protocol,
        recipe: &Recipe,
        got: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Checked {
        scratch.clear();
        let [stored, missing, trailer] = words(protocol);
        let id = match *self {
            Request::Get(id) => id,
            Request::Set(_) => return self.whole_or_wrong(stored, got),
            Request::Miss(_) => return self.whole_or_wrong(missing, got),
        };
        let len = recipe.len(id);
        append_head(id, protocol, recipe, scratch);
        match compare(scratch, got) {
            Ok(true) => {}
            Ok(false) => return Checked::Partial,
            Err(at) => return Checked::Wrong(self.describe("the header", at, got)),
        }
        let rest = &got[scratch.len()..];
        if rest.len() < len + trailer.len() {
            return Checked::Partial;
        }
        if let Some(at) = recipe.first_difference(id, &rest[..len]) {
            return Checked::Wrong(self.describe("the value", at, rest));
        }
        if let Err(at) = compare(trailer, &rest[len..]) {
            return Checked::Wrong(self.describe("the end", at, &rest[len..]));
        }
        Checked::Whole(scratch.len() + len + trailer.len())
    }

    /// An answer that is always the same.
    fn whole_or_wrong(&self, want: &[u8], got: &[u8]) -> Checked {
        match compare(want, got) {
            Ok(false) => Checked::Partial,
            Ok(true) => Checked::Whole(want.len()),
            Err(at) => Checked::Wrong(self.describe("the reply", at, got)),
        }
    }

    fn describe(&self, part: &str, at: usize, got: &[u8]) -> String {
        let from = at.saturating_sub(8).min(got.len());
        let to = (at + 40).min(got.len());
        format!("{self:?}: {part} differs at byte {at}: got ..\"{}\"", got[from..to].escape_ascii())
    }
}

/// What stands for stored, for missing, and for the end of a value.
fn words(protocol: Protocol) -> [&'static [u8]; 3] {
    match protocol {
        Protocol::Memcached => [b"STORED\r\n", b"END\r\n", b"\r\nEND\r\n"],
        Protocol::Resp => [b"+OK\r\n", b"$-1\r\n", b"\r\n"],
    }
}

/// What comes before a value.
fn append_head(id: ValueId, protocol: Protocol, recipe: &Recipe, out: &mut Vec<u8>) {
    let len = recipe.len(id);
    match protocol {
        Protocol::Memcached => {
            out.extend_from_slice(b"VALUE ");
            append_key(id.key, out);
            write!(out, " {} {len}\r\n", recipe.flags(id)).expect("a Vec takes it");
        }
        Protocol::Resp => write!(out, "${len}\r\n").expect("a Vec takes it"),
    }
}

fn append_get(key: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"get ");
    append_key(key, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a SET, with `noreply` (and a blank before it) or nothing at the end of its line.
pub(super) fn append_set(id: ValueId, noreply: &str, recipe: &Recipe, out: &mut Vec<u8>) {
    out.extend_from_slice(b"set ");
    append_key(id.key, out);
    write!(out, " {} 0 {}{noreply}\r\n", recipe.flags(id), recipe.len(id)).expect("a Vec takes it");
    recipe.append(id, out);
    out.extend_from_slice(b"\r\n");
}

/// Whether `got` begins with `want`; false if it ends too early to say; `Err` at the first difference.
fn compare(want: &[u8], got: &[u8]) -> Result<bool, usize> {
    match want.iter().zip(got).position(|(a, b)| a != b) {
        Some(at) => Err(at),
        None => Ok(got.len() >= want.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_partial_until_its_last_byte_and_any_changed_byte_is_wrong() {
        let recipe = Recipe { seed: 1, min_len: 13, max_len: 13 };
        let id = ValueId { key: 5, version: 2 };
        let mut value = Vec::new();
        recipe.append(id, &mut value);
        let head = format!("VALUE k0000000005 {} 13\r\n", recipe.flags(id));
        let mut answer = [head.as_bytes(), &value, b"\r\nEND\r\n"].concat();
        let (mut scratch, mut own) = (Vec::new(), Vec::new());
        let get = Request::Get(id);
        get.append_reply(Protocol::Memcached, &recipe, &mut own);
        assert_eq!(own, answer);
        for n in 0..answer.len() {
            assert_eq!(
                get.check(Protocol::Memcached, &recipe, &answer[..n], &mut scratch),
                Checked::Partial,
                "{n}"
            );
        }
        assert_eq!(
            get.check(Protocol::Memcached, &recipe, &answer, &mut scratch),
            Checked::Whole(answer.len())
        );
        for i in 0..answer.len() {
            answer[i] ^= 0x20;
            assert!(
                matches!(get.check(Protocol::Memcached, &recipe, &answer, &mut scratch), Checked::Wrong(_)),
                "{i}"
            );
            answer[i] ^= 0x20;
        }
    }

    #[test]
    fn an_error_line_is_wrong_at_once() {
        let recipe = Recipe { seed: 1, min_len: 13, max_len: 13 };
        let set = Request::Set(ValueId { key: 5, version: 2 });
        assert!(matches!(
            set.check(Protocol::Memcached, &recipe, b"SERVER", &mut Vec::new()),
            Checked::Wrong(_)
        ));
    }

    #[test]
    fn the_answers_of_redis_are_told_from_wrong_ones() {
        let recipe = Recipe { seed: 1, min_len: 9, max_len: 9 };
        let id = ValueId { key: 5, version: 2 };
        let mut answer = b"$9\r\n".to_vec();
        recipe.append(id, &mut answer);
        answer.extend_from_slice(b"\r\n");
        let mut scratch = Vec::new();
        let mut check = |what: Request, got: &[u8]| what.check(Protocol::Resp, &recipe, got, &mut scratch);
        for n in 0..answer.len() {
            assert_eq!(check(Request::Get(id), &answer[..n]), Checked::Partial);
        }
        assert_eq!(check(Request::Get(id), &answer), Checked::Whole(answer.len()));
        assert!(matches!(check(Request::Get(id), b"$-1\r\n"), Checked::Wrong(_)));
        assert_eq!(check(Request::Miss(5), b"$-1\r\n"), Checked::Whole(5));
        assert_eq!(check(Request::Set(id), b"+OK\r\n"), Checked::Whole(5));
        let mut request = Vec::new();
        Request::Set(id).append(Protocol::Resp, &recipe, &mut request);
        assert!(request.starts_with(b"*3\r\n$3\r\nSET\r\n$11\r\nk0000000005\r\n$9\r\n"));
    }
}
