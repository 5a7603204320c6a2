//! Lazy sends: kept until the tasks have had their turn, then made one after the other.
//!
//! A burst wakes the reader once where sends spread over the tasks' work wake it again and again, each time for
//! the sender to pay. Measured on a key-value server with 64 connections of depth 1, CPU per request against
//! io_uring in the same run: 1.18 without and 1.09 with it.

use ouzel_core::op::{Completion, OpKey, Request};

/// More are not kept: the first have waited long enough.
pub(super) const KEPT: usize = 64;

/// Sends that nobody waits for.
#[derive(Debug, Default)]
pub(super) struct Lazy {
    pub(super) kept: Vec<(OpKey, Request)>,
    pub(super) made: Vec<(OpKey, Completion)>,
}

impl Lazy {
    /// Whether one more can be kept, without an allocation.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.kept.len() < KEPT && self.kept.len() < self.kept.capacity()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.made.len()
    }
}
