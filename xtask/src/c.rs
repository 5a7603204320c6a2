//! C programs on the static library.

use crate::workspace::{Workspace, build, run};
use std::path::Path;
use std::process::Command;

/// Builds the library for release, and compiles `ffi/examples/c/NAME.c` with it to `program`, with the system's C compiler.
///
/// # Errors
/// There is no C compiler, or something does not build.
pub(crate) fn compile(ws: &Workspace, name: &str, program: &Path) -> Result<(), String> {
    let artifacts = build(&mut ws.cargo(&["build", "-p", "ouzel-ffi", "--profile", "plain", "--lib"]))?;
    let library = artifacts
        .into_iter()
        .flat_map(|a| a.files)
        .find(|f| f.file_name().is_some_and(|n| n == "libouzel_ffi.a"))
        .ok_or("cargo names no libouzel_ffi.a")?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let found = Command::new(&compiler).arg("--version").output().is_ok();
    if !found {
        return Err("no C compiler: install gcc or clang, or name one in CC".into());
    }
    let mut cc = Command::new(compiler);
    cc.current_dir(&ws.root)
        .args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Iffi/include"])
        .arg(format!("ffi/examples/c/{name}.c"))
        .arg(library)
        .arg("-o")
        .arg(program)
        .args(["-lpthread", "-ldl", "-lm"]);
    run(&mut cc)
}
