//! `cargo xtask asan`: the behaviour tests under AddressSanitizer and LeakSanitizer.
//!
//! They see what no assertion can: a buffer freed while the kernel still writes to it, a task freed twice, a
//! payload that nobody freed. The sanitizers come with a nightly compiler; where none is installed the
//! step says so and passes.

use crate::workspace::{Workspace, run as command};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds and runs the tests in `target/asan`.
pub(crate) fn run(ws: &Workspace) -> Result<(), String> {
    if !nightly() {
        println!("(skipped: no nightly compiler for {TARGET}; `rustup toolchain install nightly` adds it)");
        return Ok(());
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["+nightly", "test", "-p", "ouzel-tests", "--tests", "--target", TARGET])
        .current_dir(&ws.root)
        .env("CARGO_TARGET_DIR", ws.target.join("asan"))
        .env("RUSTFLAGS", "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer");
    for inherited in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
        cargo.env_remove(inherited);
    }
    command(&mut cargo)
}

fn nightly() -> bool {
    let version = Command::new("rustc").args(["+nightly", "-vV"]).env_remove("RUSTUP_TOOLCHAIN").output();
    version.is_ok_and(|v| v.status.success() && String::from_utf8_lossy(&v.stdout).contains(TARGET))
}
