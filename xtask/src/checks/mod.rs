//! The rules of the house that no compiler checks, one file each.
//!
//! Every check reads the whole [`Tree`] and returns what breaks its rule; `cargo xtask ci` runs them
//! all. Each has a unit test that plants a violation and sees it caught.

mod adapters;
mod atomics;
mod circles;
mod core_names;
mod crates;
mod findings;
mod layers;
mod length;
mod loom_cfg;
mod ordering;
mod safety;
mod target_os;
mod tokens;
mod tree;

use findings::Findings;
pub(crate) use tree::Tree;

/// A check: its name, and what does it.
pub(crate) type Check = (&'static str, fn(&Tree) -> Findings);

/// All of them, in the order in which they run.
pub(crate) const ALL: &[Check] = &[
    ("core names atomics in sync.rs alone", atomics::check),
    ("core names no OS, clock or std", core_names::check),
    ("adapters hold no atomic protocol", adapters::check),
    ("cfg(target_os) in src/platform.rs alone", target_os::check),
    ("cfg(ouzel_loom) in sync.rs, config.rs and tests", loom_cfg::check),
    ("core's modules import downwards", layers::check),
    ("crates import downwards", crates::check),
    ("no import circle", circles::check),
    ("every unsafe block has its SAFETY", safety::check),
    ("every ordering has its ORDERING", ordering::check),
    ("no long file without a reason", length::check),
];
