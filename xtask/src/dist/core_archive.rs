//! `libouzel_core.a`: tasks and wakers for hosts that bring their own driver, without std.
//!
//! Built by itself (`ffi/core` is no package of the workspace), since a sibling's features would bring std in. What it
//! needs of the program it is linked into is [`NEEDS`] and no more.

use super::{archive, header, object};
use crate::workspace::{Workspace, build, run as command};
use ::object::{Object as _, ObjectSymbol as _};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What compilers take for granted in any program.
const NEEDS: [&str; 5] = ["bcmp", "memcmp", "memcpy", "memmove", "memset"];

/// Builds it, and writes it to `to`.
pub(super) fn make(ws: &Workspace, to: &Path) -> Result<(), String> {
    let work = ws.target.join("dist-core");
    fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    let mut cargo = cargo(ws, "build");
    let built = build(cargo.args(["--release", "--locked"]))?;
    let mut files = built.into_iter().flat_map(|a| a.files);
    let library =
        files.find(|f| f.ends_with("libouzel_ffi_core.a")).ok_or("cargo names no libouzel_ffi_core.a")?;
    let names = header::functions_of(ws, "ouzel_core.h")?;
    let one = object::merge(&library, &names, &work)?;
    let bytes = fs::read(&one).map_err(|e| format!("{}: {e}", one.display()))?;
    let extra = strangers(&bytes)?;
    if !extra.is_empty() {
        return Err(format!("libouzel_core.a needs {extra:?}"));
    }
    archive::write(&one, &names, to)
}

/// Formats and lints the package, which `--workspace` leaves out.
pub(crate) fn lint(ws: &Workspace) -> Result<(), String> {
    command(cargo(ws, "fmt").args(["--", "--check"]))?;
    command(cargo(ws, "clippy").args(["--release", "--locked", "--", "-D", "warnings"]))
}

fn cargo(ws: &Workspace, what: &str) -> Command {
    let mut cargo = ws.cargo(&[what]);
    cargo.current_dir(ws.root.join("ffi/core")).env("CARGO_TARGET_DIR", ws.target.join("core"));
    cargo
}

/// The names that an object needs and [`NEEDS`] does not have.
fn strangers(object: &[u8]) -> Result<Vec<String>, String> {
    let file = ::object::File::parse(object).map_err(|e| e.to_string())?;
    let undefined = file.symbols().filter(|s| s.is_undefined()).filter_map(|s| s.name().ok());
    Ok(undefined.filter(|n| !n.is_empty() && !NEEDS.contains(n)).map(str::to_owned).collect())
}
