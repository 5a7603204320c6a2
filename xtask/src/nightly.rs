//! A nightly compiler, for what the stable one cannot do; nothing here needs one.

use crate::workspace::{Workspace, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The system we build for and on.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Whether one is installed.
pub(crate) fn installed() -> bool {
    asked(&["-vV"]).is_some_and(|version| version.contains(TARGET))
}

/// Whether it has the sources of the standard library, so that cargo can build that anew.
pub(crate) fn has_sources() -> bool {
    let root = asked(&["--print", "sysroot"]);
    root.is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/std").is_dir())
}

/// Its tool for profiles, which is asked for from rustup if need be.
///
/// # Errors
/// It is not there and cannot be had.
pub(crate) fn profile_tool() -> Result<PathBuf, String> {
    let tool = libraries()?.join("../bin/llvm-profdata");
    if !tool.is_file() {
        let add = ["component", "add", "llvm-tools", "--toolchain", "nightly"];
        run(Command::new("rustup").args(add)).map_err(|e| format!("no llvm-tools: {e}"))?;
    }
    Ok(tool)
}

/// What a program that counts for a profile is linked with.
///
/// # Errors
/// It is not there.
pub(crate) fn profile_runtime() -> Result<PathBuf, String> {
    let libraries = libraries()?;
    let files = std::fs::read_dir(&libraries).map_err(|e| format!("{}: {e}", libraries.display()))?;
    let is_it = |p: &PathBuf| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libprofiler_builtins-") && name.ends_with(".rlib")
    };
    let found = files.flatten().map(|f| f.path()).find(is_it);
    found.ok_or_else(|| format!("no profiler_builtins in {}", libraries.display()))
}

/// The folder of its compiled standard library.
fn libraries() -> Result<PathBuf, String> {
    let folder = asked(&["--print", "target-libdir"]).ok_or("no nightly compiler")?;
    Ok(PathBuf::from(folder.trim()))
}

fn asked(args: &[&str]) -> Option<String> {
    let output = Command::new("rustc").arg("+nightly").args(args).env_remove("RUSTUP_TOOLCHAIN").output();
    let output = output.ok().filter(|o| o.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// Its `cargo`, in the repository, building into the folder `folder` with `flags`.
pub(crate) fn cargo(ws: &Workspace, folder: &str, flags: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.arg("+nightly").current_dir(&ws.root).stdin(std::process::Stdio::null());
    cargo.env("CARGO_TARGET_DIR", ws.target.join(folder)).env("RUSTFLAGS", flags);
    for inherited in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
        cargo.env_remove(inherited);
    }
    cargo
}
