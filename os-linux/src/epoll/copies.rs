//! Small sends without an operation: their bytes are copied, gathered until the tasks have had their turn, and then sent
//! in one burst, as [lazy sends](super::lazy) are, and before those.
//!
//! ```text
//!   try_send ──▶ copied, behind the others ── burst ──▶ all of it went
//!      │                                        └─────▶ no room: the rest is an operation of our own, in line
//!      └──▶ not taken: something of the socket's is in line, or it is large
//! ```
//! Nobody waits for one. An error is kept with the descriptor and told at the next try.

use ouzel_core::op::Fd;

use crate::rests::{Keep, ROOM, Rests};

/// Sends gathered: the first have waited long enough.
const KEPT: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Where to, and how much of `bytes`; in this order.
    pub(super) kept: Vec<(Fd, usize, Keep)>,
    pub(super) bytes: Vec<u8>,
    /// What the operations of our own send.
    pub(super) rests: Rests<(Vec<u8>, Keep)>,
}

impl Copies {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn has_room(&self, more: usize) -> bool {
        self.kept.len() < KEPT && self.bytes.len() + more <= ROOM
    }

    /// Makes room for so many bytes more. False: there is no memory.
    #[inline]
    pub(super) fn make_room(&mut self, more: usize) -> bool {
        self.kept.try_reserve(1).is_ok() && self.bytes.try_reserve(more).is_ok()
    }

    #[inline]
    pub(super) fn keep(&mut self, fd: Fd, bytes: &[u8], keep: impl FnOnce() -> Keep) {
        self.bytes.extend_from_slice(bytes);
        match self.kept.last_mut() {
            Some((last, len, _)) if *last == fd => *len += bytes.len(),
            _ => self.kept.push((fd, bytes.len(), keep())),
        }
    }
}
