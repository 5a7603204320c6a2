//! What the demo is made of: the static library, the C host on it, the load generator.

use crate::workspace::{Workspace, build as cargo_build, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files ready to run.
#[derive(Debug)]
pub(super) struct Built {
    /// The C host.
    pub(super) kv: PathBuf,
    /// The load generator.
    pub(super) load: PathBuf,
    /// Where logs go.
    pub(super) dir: PathBuf,
}

/// Builds everything; `host` replaces the C host.
pub(super) fn build(ws: &Workspace, host: Option<&Path>) -> Result<Built, String> {
    let dir = ws.root.join("target/demo");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut cargo = ws.cargo(&["build", "-p", "ouzel-bench", "--release", "--bin", "ouzel-load"]);
    let artifacts = cargo_build(&mut cargo)?;
    let load = artifacts.into_iter().filter(|a| a.name == "ouzel-load").find_map(|a| a.executable);
    let load = load.ok_or("cargo names no ouzel-load")?;
    let kv = match host {
        Some(path) => path.to_path_buf(),
        None => compile_kv(ws, &dir)?,
    };
    Ok(Built { kv, load, dir })
}

/// Compiles `ffi/examples/c/kv.c` with the system's C compiler against the static library.
fn compile_kv(ws: &Workspace, dir: &Path) -> Result<PathBuf, String> {
    let artifacts = cargo_build(&mut ws.cargo(&["build", "-p", "ouzel-ffi", "--release", "--lib"]))?;
    let library = artifacts
        .into_iter()
        .flat_map(|a| a.files)
        .find(|f| f.file_name().is_some_and(|n| n == "libouzel_ffi.a"))
        .ok_or("cargo names no libouzel_ffi.a")?;
    let kv = dir.join("kv");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let found = Command::new(&compiler).arg("--version").output().is_ok();
    if !found {
        return Err("no C compiler: install gcc or clang, or name one in CC".into());
    }
    let mut cc = Command::new(compiler);
    cc.current_dir(&ws.root)
        .args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Iffi/include", "ffi/examples/c/kv.c"])
        .arg(library)
        .arg("-o")
        .arg(&kv)
        .args(["-lpthread", "-ldl", "-lm"]);
    run(&mut cc)?;
    Ok(kv)
}
