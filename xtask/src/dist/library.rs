//! rustc's archive of everything, in one of two kinds.
//!
//! | kind | standard library | a panic inside ouzel | needs |
//! |---|---|---|---|
//! | small | built anew with ours, without unwind tables | ends the process on the spot (SIGILL), says nothing | a nightly compiler with the library's sources |
//! | with messages | as it comes | is told on stderr and to the host's panic hook, then aborts | nothing |
//!
//! A stripped hello (x86-64, thousand bytes): 714 with std as it comes, 519 with one built anew that prints no backtrace,
//! 396 where panics say nothing, 359 without unwind tables. Later ones are in `docs/c-api.md`. Without those an exception that leaves a callback ends in
//! `std::terminate` rather than running through our frames; a debugger that stops inside ouzel finds no way back to the
//! host's frames.
//!
//! `opt-level` stays 3. A message of `echo.c` (64 connections, epoll) took 3,509 instructions with 3, 4,674 with `s` and 6,915
//! with `z`, for programs of 359, 346 and 314 thousand bytes.

use crate::nightly;
use crate::workspace::{Workspace, build as cargo_build};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Small,
    WithMessages,
}

const FLAGS: &str =
    "-Zunstable-options -Cpanic=immediate-abort -Cforce-unwind-tables=no --cfg ouzel_immediate_abort";
const BUILD: [&str; 8] =
    ["rustc", "-p", "ouzel-ffi", "--profile", "dist", "--lib", "--crate-type", "staticlib"];
const NAME: &str = "libouzel_ffi.a";

/// Builds it, small if that is wanted and can be; says so if it cannot.
pub(super) fn build(ws: &Workspace, wanted: Kind) -> Result<(PathBuf, Kind), String> {
    if wanted == Kind::Small {
        match small(ws) {
            Ok(library) => return Ok((library, Kind::Small)),
            Err(why) => println!("warning: {why}; the libraries keep panic messages and are twice as large"),
        }
    }
    Ok((archive(&mut ws.cargo(&BUILD))?, Kind::WithMessages))
}

fn small(ws: &Workspace) -> Result<PathBuf, String> {
    if !nightly::installed() {
        return Err("no nightly compiler (`rustup toolchain install nightly`)".into());
    }
    if !nightly::has_sources() {
        return Err(
            "no sources of the standard library (`rustup component add rust-src --toolchain nightly`)".into(),
        );
    }
    let mut cargo = nightly::cargo(ws, "dist-std", FLAGS);
    cargo.args(BUILD).args(["--target", nightly::TARGET]);
    archive(cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]))
}

fn archive(cargo: &mut std::process::Command) -> Result<PathBuf, String> {
    let mut files = cargo_build(cargo)?.into_iter().flat_map(|a| a.files);
    files.find(|f| f.ends_with(NAME)).ok_or_else(|| format!("cargo names no {NAME}"))
}
