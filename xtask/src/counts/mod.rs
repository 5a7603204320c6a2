//! `cargo xtask rmw` and `cargo xtask insns`: what an operation costs, counted and not timed.
//!
//! Both print a table of engines by what they did, the goal of ours, and whether it is met; both fail if one is
//! missed. `docs/counts.md` has the figures.

mod callgrind;
mod ffi;
mod insns;
mod rmw;
mod slope;
mod table;

pub(crate) use callgrind::collected;
pub(crate) use insns::Insns;
pub(crate) use rmw::Rmw;

use crate::workspace::{Workspace, build};
use std::path::PathBuf;

/// Builds a program of the benches, with the peers, for release.
fn program(ws: &Workspace, name: &str, features: &str) -> Result<PathBuf, String> {
    let args = ["build", "--profile", "plain", "-p", "ouzel-bench", "--features", features, "--bin", name];
    let artifacts = build(&mut ws.cargo(&args))?;
    let found = artifacts.into_iter().find(|a| a.name == name).and_then(|a| a.executable);
    found.ok_or_else(|| format!("cargo names no {name}"))
}
