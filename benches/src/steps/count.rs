//! What one run found, or why it found nothing.

use std::collections::BTreeMap;

/// What went wrong, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The counts between the marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions.
    pub insns: u64,
    /// Atomic read-modify-writes among them.
    pub rmw: u64,
    /// System calls among them.
    pub syscalls: u64,
    /// Where the read-modify-writes are: address in the program (none: in a library), how often.
    pub places: BTreeMap<Option<u64>, u64>,
}
