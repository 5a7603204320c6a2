//! What the demo is made of: the static library, the C host on it, the load generator.

use crate::c;
use crate::workspace::{Workspace, build as cargo_build};
use std::path::{Path, PathBuf};

/// Files ready to run.
#[derive(Debug)]
pub(crate) struct Built {
    /// The C host.
    pub(crate) kv: PathBuf,
    /// The load generator.
    pub(crate) load: PathBuf,
    /// Where logs go.
    pub(crate) dir: PathBuf,
}

/// Builds everything; `host` replaces the C host.
pub(crate) fn build(ws: &Workspace, host: Option<&Path>) -> Result<Built, String> {
    let dir = ws.root.join("target/demo");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut cargo = ws.cargo(&["build", "-p", "ouzel-bench", "--profile", "plain", "--bin", "ouzel-load"]);
    let artifacts = cargo_build(&mut cargo)?;
    let load = artifacts.into_iter().filter(|a| a.name == "ouzel-load").find_map(|a| a.executable);
    let load = load.ok_or("cargo names no ouzel-load")?;
    let kv = match host {
        Some(path) => path.to_path_buf(),
        None => {
            let kv = dir.join("kv");
            c::compile(ws, "kv", &kv)?;
            kv
        }
    };
    Ok(Built { kv, load, dir })
}
