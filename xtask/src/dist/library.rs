//! rustc's archive of everything, in one of three kinds.
//!
//! | kind | standard library | a panic inside ouzel | needs |
//! |---|---|---|---|
//! | trained | as small, compiled by a [profile](super::trained) | the same | the same, and its llvm-tools |
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

/// What a static library of Rust's needs of the system.
pub(crate) const SYSTEM: &str = "-lgcc_s -lpthread -ldl -lm";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trained,
    Small,
    WithMessages,
}

/// The inliner's threshold: with the usual one (275) a hello is a third larger, and a message of `echo.c` takes 1,869 instructions
/// instead of 1,961.
const FLAGS: &str = "-Zunstable-options -Cpanic=immediate-abort -Cforce-unwind-tables=no \
     -Cllvm-args=-inline-threshold=75 --cfg ouzel_immediate_abort";
/// A library that is to be an rlib too is not compiled in one piece: so it is to be this kind alone.
const BUILD: [&str; 8] =
    ["rustc", "-p", "ouzel-ffi", "--profile", "dist", "--lib", "--crate-type", "staticlib"];
const NAME: &str = "libouzel_ffi.a";

/// Builds the one with messages.
pub(super) fn with_messages(ws: &Workspace) -> Result<PathBuf, String> {
    archive(&mut ws.cargo(&BUILD))
}

/// Builds the small one in `folder`, with `more` flags.
pub(super) fn small(ws: &Workspace, folder: &str, more: &str) -> Result<PathBuf, String> {
    if !nightly::installed() {
        return Err("no nightly compiler (`rustup toolchain install nightly`)".into());
    }
    if !nightly::has_sources() {
        return Err(
            "no sources of the standard library (`rustup component add rust-src --toolchain nightly`)".into(),
        );
    }
    let mut cargo = nightly::cargo(ws, folder, format!("{FLAGS} {more}").trim_end());
    cargo.args(BUILD).args(["--target", nightly::TARGET]);
    archive(cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]))
}

fn archive(cargo: &mut std::process::Command) -> Result<PathBuf, String> {
    let mut files = cargo_build(cargo)?.into_iter().flat_map(|a| a.files);
    files.find(|f| f.ends_with(NAME)).ok_or_else(|| format!("cargo names no {NAME}"))
}
