//! What the echo servers of all engines have in common.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a connection's buffer on every engine.
pub const ECHO_BUFFER: usize = 16 * 1024;

/// Bytes that were read and are being sent back.
#[derive(Debug, Default)]
pub struct Echoed {
    count: AtomicU64,
}

impl Echoed {
    /// Counts `n` bytes. Called before they are sent, so that nobody has an answer that is not counted.
    pub(crate) fn add(&self, n: usize) {
        self.count.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Bytes so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
