//! `cargo xtask cached`: the cache server of `programs/cached` under load, and under other people's clients.
//!
//! | what | |
//! |---|---|
//! | `ledger` | system calls, queue operations, allocations and copies per request, on both drivers |
//! | `bench` | CPU per request against memcached and redis, in rounds that take turns |
//! | `threads` | several threads: a shared store against owners of its parts |
//! | `clients` | memccapable, pymemcache, pylibmc |

mod bench;
mod clients;
mod ledger;
mod options;
mod servers;
mod threads;

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
        "clients" => clients::run(ws, &program(ws, SERVER, "dev")?),
        "ledger" => ledger::run(&built(ws)?, options),
        "threads" => {
            let example = program(ws, ["ouzel-cached", "--example", "owners"], "release")?;
            threads::run(&built(ws)?, &example, options)
        }
        _ => {
            let bare = program(ws, ["ouzel-bench", "--bin", "ouzel-bare"], "plain")?;
            bench::run(&built(ws)?, &bare, options)
        }
    }
}

/// Its package, and which of its programs.
const SERVER: [&str; 3] = ["ouzel-cached", "--bin", "ouzel-cached"];

/// A program, built.
fn program(ws: &Workspace, [package, kind, name]: [&str; 3], profile: &str) -> Result<PathBuf, String> {
    let artifacts = cargo_build(&mut ws.cargo(&["build", "-p", package, kind, name, "--profile", profile]))?;
    let found = artifacts.into_iter().filter(|a| a.name == name).find_map(|a| a.executable);
    found.ok_or_else(|| format!("cargo names no {name}"))
}

/// The server and the load generator, to be measured.
fn built(ws: &Workspace) -> Result<Built, String> {
    let server = program(ws, SERVER, "release")?;
    crate::demo::build::build(ws, Some(&server))
}
