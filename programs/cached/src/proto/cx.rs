//! What a session works on, and the server around it.

use super::output::Output;
use crate::counters::Counters;
use crate::store::{At, Held};

/// Bytes of replies that may wait; one reply may lie beyond.
pub const OUT_LIMIT: usize = 256 * 1024;
/// Longest line but a `get`'s.
pub const LINE_LIMIT: usize = 2048;
/// Longest line of a `get`.
pub const GET_LIMIT: usize = 1 << 20;
/// Longest key.
pub const KEY_LIMIT: usize = 250;

/// What the protocol asks of the server around it.
pub trait Host {
    /// Appends the lines of `stats WHAT`, without the last; false if there is no such `what`.
    fn stats(&self, what: &[u8], out: &mut Vec<u8>) -> bool;
    /// `stats reset`.
    fn reset_stats(&self);
    /// `verbosity`.
    fn set_verbosity(&self, level: u32);
    /// Bytes of the longest value.
    fn item_max(&self) -> usize;
    /// Whether `flush_all` is obeyed.
    fn may_flush(&self) -> bool;
}

/// What stands for the server where there is none: in tests, fuzz targets, examples.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    /// Bytes of the longest value.
    pub item_max: usize,
}

impl Host for Alone {
    fn stats(&self, _: &[u8], _: &mut Vec<u8>) -> bool {
        true
    }
    fn reset_stats(&self) {}
    fn set_verbosity(&self, _: u32) {}
    fn item_max(&self) -> usize {
        self.item_max
    }
    fn may_flush(&self) -> bool {
        true
    }
}

/// What a session works on for the time of feed of a session.
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

/// A value went into an item or out of one: counted with its copies, the kernel's included.
pub(super) fn count_value(count: &Counters, copies: u64, bytes: usize) {
    count.value_ops.add(1);
    count.value_copies.add(copies);
    count.bytes_copied.add(copies * bytes as u64);
}

/// A reference to a found item: where, and in which shard.
pub(super) type Found = (usize, At);
