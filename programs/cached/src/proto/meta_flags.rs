//! The flags of meta commands, read once and checked, and what of them goes back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cx::{Cx, KEY_LIMIT};
use super::output::Output;
use super::words::{number, number32, signed};

/// Flags of a line.
pub(super) const MOST_FLAGS: usize = 17;
/// Longest opaque, with its letter.
const OPAQUE: usize = 32;

/// A key as it was sent, or decoded.
#[derive(Debug)]
pub(super) struct Key {
    bytes: [u8; KEY_LIMIT],
    len: usize,
    encoded: bool,
}

impl Key {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What a line asks for.
#[derive(Debug, Default)]
pub(super) struct Flags {
    pub(super) key_is_encoded: bool,
    pub(super) vivify: Option<u32>,
    pub(super) ttl: Option<u32>,
    pub(super) recache: Option<u32>,
    pub(super) value: bool,
    pub(super) stale: bool,
    pub(super) remove_value: bool,
    pub(super) quiet: bool,
    pub(super) no_update: bool,
    pub(super) client_flags: u32,
    pub(super) compare: Option<u64>,
    pub(super) new_cas: Option<u64>,
    pub(super) mode: u8,
    pub(super) delta: Option<u64>,
    pub(super) initial: u64,
}

const BAD_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format";

impl Flags {
    /// Reads `words`; the text of the error if they are wrong.
    pub(super) fn read(words: &[&[u8]], cx: &Cx<'_, '_>) -> Result<Self, &'static [u8]> {
        let mut flags = Flags::default();
        let (mut seen, mut error) = (0u128, None);
        let deadline = |word: &[u8]| Some(cx.held.store().deadline(signed(word)?));
        for word in words {
            let (letter, token) = (word[0], &word[1..]);
            if letter >= 127 || seen & (1 << letter) != 0 {
                return Err(b"CLIENT_ERROR duplicate flag");
            }
            seen |= 1 << letter;
            let mut need = |ok: bool, text: &'static [u8]| {
                if !ok {
                    error = Some(text);
                }
            };
            match letter {
                b'b' => flags.key_is_encoded = true,
                b'N' => {
                    flags.vivify = deadline(token);
                    need(flags.vivify.is_some(), BAD_TOKEN);
                }
                b'T' => {
                    flags.ttl = deadline(token);
                    need(flags.ttl.is_some(), BAD_TOKEN);
                }
                b'R' => {
                    flags.recache = deadline(token);
                    need(flags.recache.is_some(), BAD_TOKEN);
                }
                b'O' | b'P' | b'L' | b'k' | b's' | b't' | b'c' | b'f' | b'h' | b'l' => {}
                b'v' => flags.value = true,
                b'x' => flags.remove_value = true,
                b'u' => flags.no_update = true,
                b'q' => flags.quiet = true,
                b'I' => flags.stale = true,
                b'F' => {
                    let n = number32(token);
                    flags.client_flags = n.unwrap_or(0);
                    need(n.is_some(), b"CLIENT_ERROR bad command line format");
                }
                b'C' => {
                    flags.compare = number(token);
                    need(flags.compare.is_some(), BAD_TOKEN);
                }
                b'E' => {
                    flags.new_cas = number(token);
                    need(flags.new_cas.is_some(), BAD_TOKEN);
                }
                b'M' => {
                    need(token.len() == 1, b"CLIENT_ERROR incorrect length for M token");
                    flags.mode = token.first().copied().unwrap_or(0);
                }
                b'J' => {
                    let n = number(token);
                    flags.initial = n.unwrap_or(0);
                    need(n.is_some(), b"CLIENT_ERROR invalid numeric initial value");
                }
                b'D' => {
                    flags.delta = number(token);
                    need(flags.delta.is_some(), b"CLIENT_ERROR invalid numeric delta value");
                }
                _ => return Err(b"CLIENT_ERROR invalid flag"),
            }
        }
        error.map_or(Ok(flags), Err)
    }

    /// The key that `word` is.
    pub(super) fn key(&self, word: &[u8]) -> Result<Key, &'static [u8]> {
        Key::read(word, self.key_is_encoded).ok_or(b"CLIENT_ERROR error decoding key")
    }
}

impl Key {
    /// None: it is not what it should be, or too long.
    pub(super) fn read(word: &[u8], encoded: bool) -> Option<Self> {
        let mut key = Key { bytes: [0; KEY_LIMIT], len: word.len(), encoded };
        if encoded {
            key.len = STANDARD.decode_slice(word, &mut key.bytes).ok().filter(|n| *n > 0)?;
        } else {
            key.bytes.get_mut(..word.len())?.copy_from_slice(word);
        }
        Some(key)
    }

    /// Appends it as it was sent.
    pub(super) fn show(&self, out: &mut Output) {
        if !self.encoded {
            return out.push(self.bytes());
        }
        let mut text = [0; KEY_LIMIT.div_ceil(3) * 4];
        let n = STANDARD.encode_slice(self.bytes(), &mut text).unwrap_or(0);
        out.push(&text[..n]);
    }

    /// Appends it as the flag `k`.
    pub(super) fn flag(&self, out: &mut Output) {
        out.flag(b'k');
        self.show(out);
        if self.encoded {
            out.flag(b'b');
        }
    }
}

/// Appends an opaque as it came. False: it is too long.
pub(super) fn opaque(word: &[u8], out: &mut Output) -> bool {
    out.push(b" ");
    out.push(word);
    word.len() <= OPAQUE
}

/// What the reply to an `ms` tells, kept while its value comes.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) key: Key,
    /// The flags that go back, in their order: opaques as they are, the others by their letter.
    words: Vec<u8>,
    pub(super) new_cas: Option<u64>,
}

impl Returned {
    /// None: an opaque is too long.
    pub(super) fn new(key: Key, words: &[&[u8]], new_cas: Option<u64>) -> Option<Self> {
        let mut kept = Vec::new();
        for word in words {
            match word[0] {
                b'O' if word.len() > OPAQUE => return None,
                b'O' => kept.extend_from_slice(word),
                b'k' | b'c' => kept.push(word[0]),
                _ => continue,
            }
            kept.push(b' ');
        }
        Some(Returned { key, words: kept, new_cas })
    }

    pub(super) fn show(&self, cas: u64, out: &mut Output) {
        for word in self.words.split(|b| *b == b' ').filter(|w| !w.is_empty()) {
            match word[0] {
                b'O' => drop(opaque(word, out)),
                b'k' => self.key.flag(out),
                b'c' => {
                    out.flag(b'c');
                    out.number(cas);
                }
                _ => {}
            }
        }
    }
}
