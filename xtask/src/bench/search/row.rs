//! One contender at one case, over all rounds.

use super::engines::Contender;
use super::sample::Sample;

/// See the module.
pub(super) struct Row {
    pub(super) contender: &'static Contender,
    /// One for each round.
    pub(super) samples: Vec<Sample>,
}
