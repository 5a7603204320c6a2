//! What the server must answer to one request, and whether it did.

use super::values::{Recipe, ValueId, append_key};
use std::io::Write;
use std::time::Instant;

/// One request that has been sent and not yet answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expect {
    pub(super) what: Request,
    pub(super) sent: Instant,
}

/// A request, with all that its answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Must answer with this very value.
    Get(ValueId),
    /// Must answer `STORED`.
    Set(ValueId),
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
    pub(super) fn append(&self, recipe: &Recipe, out: &mut Vec<u8>) {
        match *self {
            Request::Get(id) => {
                out.extend_from_slice(b"get ");
                append_key(id.key, out);
                out.extend_from_slice(b"\r\n");
            }
            Request::Set(id) => {
                out.extend_from_slice(b"set ");
                append_key(id.key, out);
                write!(out, " {} 0 {}\r\n", recipe.flags(id), recipe.len(id)).expect("a Vec takes it");
                recipe.append(id, out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Compares the front of `got` with the answer. `scratch` is reused memory.
    pub(super) fn check(&self, recipe: &Recipe, got: &[u8], scratch: &mut Vec<u8>) -> Checked {
        scratch.clear();
        let Request::Get(id) = *self else {
            return match compare(b"STORED\r\n", got) {
                Ok(false) => Checked::Partial,
                Ok(true) => Checked::Whole(b"STORED\r\n".len()),
                Err(at) => Checked::Wrong(self.describe("the reply", at, got)),
            };
        };
        let len = recipe.len(id);
        scratch.extend_from_slice(b"VALUE ");
        append_key(id.key, scratch);
        write!(scratch, " {} {len}\r\n", recipe.flags(id)).expect("a Vec takes it");
        match compare(scratch, got) {
            Ok(true) => {}
            Ok(false) => return Checked::Partial,
            Err(at) => return Checked::Wrong(self.describe("the header", at, got)),
        }
        let rest = &got[scratch.len()..];
        const TRAILER: &[u8] = b"\r\nEND\r\n";
        if rest.len() < len + TRAILER.len() {
            return Checked::Partial;
        }
        if let Some(at) = recipe.first_difference(id, &rest[..len]) {
            return Checked::Wrong(self.describe("the value", at, rest));
        }
        if let Err(at) = compare(TRAILER, &rest[len..]) {
            return Checked::Wrong(self.describe("the end", at, &rest[len..]));
        }
        Checked::Whole(scratch.len() + len + TRAILER.len())
    }

    fn describe(&self, part: &str, at: usize, got: &[u8]) -> String {
        let from = at.saturating_sub(8).min(got.len());
        let to = (at + 40).min(got.len());
        format!("{self:?}: {part} differs at byte {at}: got ..\"{}\"", got[from..to].escape_ascii())
    }
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
        let mut answer = Vec::new();
        answer.extend_from_slice(b"VALUE ");
        append_key(5, &mut answer);
        answer.extend_from_slice(format!(" {} 13\r\n", recipe.flags(id)).as_bytes());
        recipe.append(id, &mut answer);
        answer.extend_from_slice(b"\r\nEND\r\n");

        let mut scratch = Vec::new();
        let get = Request::Get(id);
        for n in 0..answer.len() {
            assert_eq!(get.check(&recipe, &answer[..n], &mut scratch), Checked::Partial, "{n}");
        }
        assert_eq!(get.check(&recipe, &answer, &mut scratch), Checked::Whole(answer.len()));
        for i in 0..answer.len() {
            answer[i] ^= 0x20;
            assert!(matches!(get.check(&recipe, &answer, &mut scratch), Checked::Wrong(_)), "{i}");
            answer[i] ^= 0x20;
        }
    }

    #[test]
    fn an_error_line_is_wrong_at_once() {
        let recipe = Recipe { seed: 1, min_len: 13, max_len: 13 };
        let set = Request::Set(ValueId { key: 5, version: 2 });
        assert!(matches!(set.check(&recipe, b"SERVER", &mut Vec::new()), Checked::Wrong(_)));
    }
}
