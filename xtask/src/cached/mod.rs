//! `cargo xtask cached`: the cache server of `programs/cached` under load, and under other people's clients.
//!
//! | what | |
//! |---|---|
//! | `ledger` | system calls, queue operations, allocations and copies per request, on both drivers |
//! | `bench` | CPU per request against memcached and redis, in rounds that take turns |
//! | `clients` | memccapable, pymemcache, pylibmc |

mod bench;
mod clients;
mod ledger;
mod options;

use crate::demo::build::Built;
use crate::workspace::{Workspace, build as cargo_build};
pub(crate) use options::Options;
use std::path::PathBuf;

/// Does it.
///
/// # Errors
/// Something does not build or start, a goal is missed that is a count, or a byte was wrong.
pub(crate) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    match &*options.what {
        "clients" => clients::run(ws, &program(ws, "dev")?),
        "ledger" => ledger::run(&built(ws)?, options),
        _ => bench::run(&built(ws)?, options),
    }
}

/// The server, built.
fn program(ws: &Workspace, profile: &str) -> Result<PathBuf, String> {
    let mut cargo = ws.cargo(&["build", "-p", "ouzel-cached", "--bin", "ouzel-cached", "--profile", profile]);
    let artifacts = cargo_build(&mut cargo)?;
    let found = artifacts.into_iter().filter(|a| a.name == "ouzel-cached").find_map(|a| a.executable);
    found.ok_or_else(|| "cargo names no ouzel-cached".into())
}

/// The server and the load generator, to be measured.
fn built(ws: &Workspace) -> Result<Built, String> {
    let server = program(ws, "release")?;
    crate::demo::build::build(ws, Some(&server))
}
