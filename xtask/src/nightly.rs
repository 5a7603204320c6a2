//! A nightly compiler, for what the stable one cannot do; nothing here needs one.

use crate::workspace::Workspace;
use std::path::Path;
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
