//! Taking what has arrived: lines, and values that come in parts.

use super::cx::{Cx, GET_LIMIT, LINE_LIMIT, OUT_LIMIT};
use super::run::run;
use super::session::{End, Kind, Mode, Session};
use super::value::Verb;
use super::words::{self, Words};

/// First byte of the binary protocol.
const BINARY: u8 = 0x80;
/// Memory kept for lines that come in parts.
const CARRY_KEPT: usize = 512;

impl Session {
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
            if self.mode == Mode::Line && self.carry.is_empty() {
                let n = run(rest, cx);
                if n > 0 {
                    at += n;
                    continue;
                }
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
            b"get" => return self.get(rest, Kind::GET, cx),
            b"gets" => return self.get(rest, Kind::GETS, cx),
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
            name => match Verb::named(name) {
                Some(verb) => self.update(verb, &words, cx),
                None => self.other(&words, cx),
            },
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
