//! Which calls have a length, where it is, and what becomes of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use libc::{c_int, c_long, pid_t, user_regs_struct};
use ouzel_tests::dice::Dice;

use crate::ring::Rings;
use crate::trace::Memory;

/// Where a call says how much.
enum Length {
    /// In a register: the third argument.
    Third,
    Fourth,
    Fifth,
    /// Of the places (`iovec`) that the second argument points at, as many as the third says.
    Places,
    /// Of the places of the message (`msghdr`) that the second argument points at.
    Message,
}

/// Number, name, and where the length is. The descriptor is the first argument of each.
const CALLS: &[(c_long, &str, Length)] = &[
    (libc::SYS_read, "read", Length::Third),
    (libc::SYS_write, "write", Length::Third),
    (libc::SYS_pread64, "pread64", Length::Third),
    (libc::SYS_pwrite64, "pwrite64", Length::Third),
    (libc::SYS_recvfrom, "recvfrom", Length::Third),
    (libc::SYS_sendto, "sendto", Length::Third),
    (libc::SYS_sendfile, "sendfile", Length::Fourth),
    (libc::SYS_splice, "splice", Length::Fifth),
    (libc::SYS_copy_file_range, "copy_file_range", Length::Fifth),
    (libc::SYS_readv, "readv", Length::Places),
    (libc::SYS_writev, "writev", Length::Places),
    (libc::SYS_preadv, "preadv", Length::Places),
    (libc::SYS_pwritev, "pwritev", Length::Places),
    (libc::SYS_preadv2, "preadv2", Length::Places),
    (libc::SYS_pwritev2, "pwritev2", Length::Places),
    (libc::SYS_recvmsg, "recvmsg", Length::Message),
    (libc::SYS_sendmsg, "sendmsg", Length::Message),
];

/// Offsets in a `msghdr` and an `iovec`.
const PLACES: u64 = std::mem::offset_of!(libc::msghdr, msg_iov) as u64;
const PLACE_COUNT: u64 = std::mem::offset_of!(libc::msghdr, msg_iovlen) as u64;
const PLACE: u64 = size_of::<libc::iovec>() as u64;
const PLACE_LEN: u64 = std::mem::offset_of!(libc::iovec, iov_len) as u64;

/// No transfer is longer, so that a long one takes many.
const MOST: u64 = 5_000;

/// What is put back when a call is over.
#[derive(Default)]
pub(crate) struct Undo {
    /// Words of memory and what they were.
    words: Vec<(u64, u64)>,
    /// The third, fourth and fifth argument.
    arguments: Option<[u64; 3]>,
}

/// All calls of a program.
pub(crate) struct Calls {
    pub(crate) shortener: Shortener,
    rings: Rings,
    /// By thread.
    undo: HashMap<pid_t, Undo>,
}

/// What is shortened by how much, and how often it was.
pub(crate) struct Shortener {
    folder: PathBuf,
    dice: Dice,
    counts: BTreeMap<&'static str, u64>,
}

impl Shortener {
    /// A shorter length, now a byte, now all but one; none for what cannot be shorter.
    fn shorter(&mut self, len: u64) -> Option<u64> {
        (len > 1).then(|| match self.dice.below(4) {
            0 => 1,
            1 if len <= MOST => len - 1,
            _ => 1 + self.dice.below(MOST.min(len - 1)),
        })
    }

    /// Whether this descriptor's transfers may be of any length.
    pub(crate) fn is_stream(&self, memory: &Memory, fd: c_int) -> bool {
        let Ok(name) = fs::read_link(format!("/proc/{}/fd/{fd}", memory.process)) else { return false };
        let is = |kind: &str| name.as_os_str().as_encoded_bytes().starts_with(kind.as_bytes());
        is("socket:") || is("pipe:") || Path::starts_with(&name, &self.folder)
    }

    /// A length that is not in memory, made shorter.
    pub(crate) fn shorten(&mut self, name: &'static str, len: u64) -> Option<u64> {
        let shorter = self.shorter(len)?;
        *self.counts.entry(name).or_default() += 1;
        Some(shorter)
    }

    /// Makes the last of some places shorter, and fewer of them; how many are left.
    pub(crate) fn shorten_places(
        &mut self,
        name: &'static str,
        memory: &Memory,
        (at, count): (u64, u64),
        undo: &mut Undo,
    ) -> io::Result<Option<u64>> {
        let mut lens = Vec::new();
        for i in 0..count {
            lens.push(memory.read_u64(at + i * PLACE + PLACE_LEN)?);
        }
        let Some(mut left) = self.shorten(name, lens.iter().sum()) else { return Ok(None) };
        for (i, len) in (0..).zip(lens) {
            if left <= len {
                undo.set(memory, at + i * PLACE + PLACE_LEN, left)?;
                return Ok(Some(i + 1));
            }
            left -= len;
        }
        unreachable!("it is shorter than all of them together")
    }

    /// The same of the places of a message.
    pub(crate) fn shorten_message(
        &mut self,
        name: &'static str,
        memory: &Memory,
        message: u64,
        undo: &mut Undo,
    ) -> io::Result<bool> {
        let places = (memory.read_u64(message + PLACES)?, memory.read_u64(message + PLACE_COUNT)?);
        let left = self.shorten_places(name, memory, places, undo)?;
        if let Some(left) = left {
            undo.set(memory, message + PLACE_COUNT, left)?;
        }
        Ok(left.is_some())
    }
}

impl Undo {
    /// Writes a word that is to be put back.
    fn set(&mut self, memory: &Memory, at: u64, word: u64) -> io::Result<()> {
        self.words.push((at, memory.read_u64(at)?));
        memory.write(at, &word.to_ne_bytes())
    }
}

impl Calls {
    /// Of a program whose files are in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        let shortener = Shortener { folder, dice: Dice(1), counts: BTreeMap::new() };
        Calls { shortener, rings: Rings::default(), undo: HashMap::new() }
    }

    /// A thread is about to make a call: whether its registers are others now.
    pub(crate) fn begins(&mut self, memory: &Memory, thread: pid_t, regs: &mut user_regs_struct) -> bool {
        let mut undo = Undo::default();
        // What cannot be read is the kernel's to refuse.
        let changed = self.shortened(memory, regs, &mut undo).unwrap_or(false);
        if undo.arguments.is_some() || !undo.words.is_empty() {
            self.undo.insert(thread, undo);
        }
        changed
    }

    fn shortened(
        &mut self,
        memory: &Memory,
        regs: &mut user_regs_struct,
        undo: &mut Undo,
    ) -> io::Result<bool> {
        let number = regs.orig_rax.cast_signed();
        if number == libc::SYS_io_uring_enter {
            self.rings.submitted(memory, regs, &mut self.shortener, undo)?;
            return Ok(false);
        }
        let Some((_, name, length)) = CALLS.iter().find(|call| call.0 == number) else { return Ok(false) };
        if !self.shortener.is_stream(memory, regs.rdi as c_int) {
            return Ok(false);
        }
        let before = [regs.rdx, regs.r10, regs.r8];
        let shorter = match length {
            Length::Message => {
                self.shortener.shorten_message(name, memory, regs.rsi, undo)?;
                return Ok(false);
            }
            Length::Third => self.shortener.shorten(name, regs.rdx).map(|len| regs.rdx = len),
            Length::Fourth => self.shortener.shorten(name, regs.r10).map(|len| regs.r10 = len),
            Length::Fifth => self.shortener.shorten(name, regs.r8).map(|len| regs.r8 = len),
            Length::Places => {
                let left = self.shortener.shorten_places(name, memory, (regs.rsi, regs.rdx), undo)?;
                left.map(|count| regs.rdx = count)
            }
        };
        if shorter.is_some() {
            undo.arguments = Some(before);
        }
        Ok(shorter.is_some())
    }

    /// A thread has made its call: whether its registers are others now.
    pub(crate) fn ended(&mut self, memory: &Memory, thread: pid_t, regs: &mut user_regs_struct) -> bool {
        self.rings.ended(memory, regs);
        let Some(undo) = self.undo.remove(&thread) else { return false };
        for (at, word) in undo.words {
            memory.write(at, &word.to_ne_bytes()).expect("it was written to before");
        }
        // The program takes its arguments to be what they were, and an interrupted call is made again with them.
        let Some(arguments) = undo.arguments else { return false };
        [regs.rdx, regs.r10, regs.r8] = arguments;
        true
    }

    /// Names and counts.
    pub(crate) fn told(&self) -> String {
        let mut text = String::new();
        for (name, count) in &self.shortener.counts {
            let _ = writeln!(text, "{name} {count}");
        }
        text
    }
}
