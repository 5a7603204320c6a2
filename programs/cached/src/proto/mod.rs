//! The memcached text protocol: bytes in, replies out, no I/O.
//!
//! ```text
//!   Line ──get──▶ (Keys while the output is full) ──▶ Line
//!   Line ──set──▶ Body ──all bytes──▶ Tail ──two bytes──▶ Line
//!   Line ──refused set──▶ Swallow ──▶ Line
//! ```
//!
//! Input is looked at where it lies: only a line whose end has not arrived is copied, and a value's bytes go from the
//! receive buffer into the item. In step, whatever comes: a refused value is swallowed with the line end behind it.
//! Texts and their order are memcached's (`tests/differential.rs` compares them with one, where there is one).
//!
//! Output is bounded: before each request and each key the output is compared with [`OUT_LIMIT`], and at the limit
//! [`Session::feed`] returns, to be called again when the replies are sent.

mod commands;
mod get;
mod meta;
mod meta_flags;
mod output;
mod update;
mod words;

use crate::counters::Counters;
use crate::store::{At, Held, Store};
pub use output::{Output, PIN_FROM, Pinned};
use update::Update;
use words::Words;

pub use commands::VERSION;

/// Bytes of replies that may wait; one reply may lie beyond.
pub const OUT_LIMIT: usize = 256 * 1024;
/// Longest line but a `get`'s.
pub const LINE_LIMIT: usize = 2048;
/// Longest line of a `get`.
pub const GET_LIMIT: usize = 8 << 20;
/// Longest key.
pub const KEY_LIMIT: usize = 250;
/// First byte of the binary protocol.
const BINARY: u8 = 0x80;
/// Memory kept for lines that come in parts.
const CARRY_KEPT: usize = 512;

/// What the protocol asks of the server around it.
pub trait Host {
    /// Appends the lines of `stats WHAT`, without the last; false if there is no such `what`.
    fn stats(&self, what: &[u8], out: &mut Vec<u8>) -> bool;
    /// `stats reset`.
    fn reset_stats(&self);
    /// `verbosity`.
    fn set_verbosity(&self, level: u32);
    /// Bytes of the longest item.
    fn item_max(&self) -> usize;
    /// Whether `flush_all` is obeyed.
    fn may_flush(&self) -> bool;
}

/// What a session works on for the time of one [`Session::feed`].
#[expect(missing_debug_implementations, reason = "the host is anything")]
pub struct Cx<'s, 'c> {
    /// The store, with what is locked of it.
    pub held: Held<'s>,
    /// Where replies go.
    pub out: &'c mut Output,
    /// The thread's counts.
    pub count: &'c Counters,
    /// The server.
    pub host: &'c dyn Host,
    /// The store's time.
    pub now: u32,
    /// Requests that may still be served before it is others' turn.
    pub turns: u32,
}

/// Why a session takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client said `quit`.
    Quit,
    /// It is nothing this server understands.
    Garbage(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Line,
    /// Keys of a `get` are left in `carry`.
    Keys(get::Kind),
    /// So many bytes of a value are still to come.
    Body(usize),
    /// The end of a value's line; the first byte of it, if it has come.
    Tail(Option<u8>),
    Swallow(usize),
}

/// One client's place in the protocol. [`Session::close`] ends it.
#[derive(Debug)]
pub struct Session {
    mode: Mode,
    end: Option<End>,
    noreply: bool,
    /// The start of a line, or the keys that are left of a get.
    carry: Vec<u8>,
    filling: Option<Update>,
    begun: bool,
}

impl Default for Session {
    fn default() -> Self {
        Session::new()
    }
}

impl Session {
    /// Of a client that has sent nothing.
    #[must_use]
    pub fn new() -> Self {
        Session { mode: Mode::Line, end: None, noreply: false, carry: Vec::new(), filling: None, begun: false }
    }

    /// Whether it takes no more.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether there are replies to be made without further input.
    #[must_use]
    pub fn owes_replies(&self) -> bool {
        matches!(self.mode, Mode::Keys(_))
    }

    /// Takes what has arrived, and says how many bytes of it. Fewer than all: the output is full, or the turns are
    /// used up, or it has ended.
    pub fn feed(&mut self, input: &[u8], cx: &mut Cx<'_, '_>) -> usize {
        let mut at = 0;
        if !self.begun && !input.is_empty() {
            self.begun = true;
            if input[0] == BINARY {
                self.end = Some(End::Garbage("the binary protocol is not spoken here"));
            }
        }
        while self.end.is_none() && cx.turns > 0 && cx.out.len() < OUT_LIMIT {
            let rest = &input[at..];
            if rest.is_empty() && !self.owes_replies() {
                break;
            }
            at += self.step(rest, cx);
        }
        cx.held.release();
        at
    }

    /// One line, or part of a value.
    fn step(&mut self, rest: &[u8], cx: &mut Cx<'_, '_>) -> usize {
        match self.mode {
            Mode::Line => self.line(rest, cx),
            Mode::Keys(kind) => {
                let keys = std::mem::take(&mut self.carry);
                self.mode = Mode::Line;
                self.get_keys(&keys, kind, cx);
                if self.carry.is_empty() {
                    self.keep_carry(keys);
                }
                0
            }
            Mode::Body(left) => {
                let n = left.min(rest.len());
                if let Some(update) = &mut self.filling {
                    update.fill(&rest[..n], left);
                }
                self.mode = if n == left { Mode::Tail(None) } else { Mode::Body(left - n) };
                n
            }
            Mode::Tail(None) if rest.len() == 1 => {
                self.mode = Mode::Tail(Some(rest[0]));
                1
            }
            Mode::Tail(first) => {
                let (whole, n) = match first {
                    Some(first) => (first == b'\r' && rest[0] == b'\n', 1),
                    None => (rest[0] == b'\r' && rest[1] == b'\n', 2),
                };
                self.mode = Mode::Line;
                cx.turns -= 1;
                self.end_of_value(whole, cx);
                n
            }
            Mode::Swallow(left) => {
                let n = left.min(rest.len());
                self.mode = if n == left { Mode::Line } else { Mode::Swallow(left - n) };
                n
            }
        }
    }

    fn line(&mut self, rest: &[u8], cx: &mut Cx<'_, '_>) -> usize {
        let Some(n) = memchr::memchr(b'\n', rest) else {
            self.carry.extend_from_slice(rest);
            let limit = if is_get(&self.carry) { GET_LIMIT } else { LINE_LIMIT };
            if self.carry.len() > limit {
                self.end = Some(End::Garbage("a line without an end"));
            }
            return rest.len();
        };
        cx.turns -= 1;
        if self.carry.is_empty() {
            self.command(without_cr(&rest[..n]), cx);
        } else {
            let mut line = std::mem::take(&mut self.carry);
            line.extend_from_slice(&rest[..n]);
            self.command(without_cr(&line), cx);
            if self.carry.is_empty() {
                self.keep_carry(line);
            }
        }
        n + 1
    }

    /// Keeps the memory of a line for the next one, unless it is much.
    fn keep_carry(&mut self, mut line: Vec<u8>) {
        if line.capacity() <= CARRY_KEPT {
            line.clear();
            self.carry = line;
        }
    }

    /// One line, without its end.
    fn command(&mut self, line: &[u8], cx: &mut Cx<'_, '_>) {
        self.noreply = false;
        let mut rest = line;
        match words::next(&mut rest).unwrap_or_default() {
            b"get" => return self.get(rest, get::Kind::GET, cx),
            b"gets" => return self.get(rest, get::Kind::GETS, cx),
            b"gat" => return self.get_and_touch(rest, false, cx),
            b"gats" => return self.get_and_touch(rest, true, cx),
            _ => {}
        }
        let words = Words::of(line);
        match words.get(0) {
            b"mg" => self.meta_get(&words, cx),
            b"ms" => self.meta_set(&words, cx),
            b"md" => self.meta_delete(&words, cx),
            b"ma" => self.meta_arithmetic(&words, cx),
            b"mn" => cx.out.line(b"MN"),
            b"me" => self.meta_debug(&words, cx),
            name => match update::Verb::named(name) {
                Some(verb) => self.update(verb, &words, cx),
                None => self.other(&words, cx),
            },
        }
    }

    /// A reply, unless none is wanted.
    fn reply(&mut self, text: &[u8], cx: &mut Cx<'_, '_>) {
        if !self.noreply {
            cx.out.line(text);
        }
    }

    /// A reply, wanted or not.
    fn error(&mut self, text: &[u8], cx: &mut Cx<'_, '_>) {
        self.noreply = false;
        cx.out.line(text);
    }

    /// Gives back what a value that has not come whole had taken of the store.
    pub fn close(&mut self, store: &Store) {
        if let Some(update) = self.filling.take() {
            update.give_up(store);
        }
    }
}

fn is_get(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(b"get ") || line.starts_with(b"gets ")
}

fn without_cr(line: &[u8]) -> &[u8] {
    // A line of `\r` alone is a word.
    if line.len() > 1 { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
}

/// A value went into an item or out of one: counted with its copies, the kernel's included.
fn count_value(count: &Counters, copies: u64, bytes: usize) {
    count.value_ops.add(1);
    count.value_copies.add(copies);
    count.bytes_copied.add(copies * bytes as u64);
}

/// A reference to a found item: where, and in which shard.
type Found = (usize, At);

#[cfg(test)]
mod tests;
