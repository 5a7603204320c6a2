//! The files to search.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{Workspace, run};

/// `given`, or the corpus in the build folder, which is made if it is not there: its generator is kept beside the repository, in
/// `shared/corpus`, or where `OUZEL_CORPUS` says.
///
/// # Errors
/// There is no generator, or it failed.
pub(super) fn find_or_make(ws: &Workspace, given: Option<&Path>, scale: f64) -> Result<PathBuf, String> {
    if let Some(given) = given {
        return if given.is_dir() {
            Ok(given.into())
        } else {
            Err(format!("{}: no folder", given.display()))
        };
    }
    let folder = ws.target.join(format!("corpus/{scale}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let beside = ws.root.join("../shared/corpus");
    let generator = std::env::var_os("OUZEL_CORPUS").map_or(beside, PathBuf::from).join("gen.py");
    if !generator.is_file() {
        return Err(format!("no {}: name a folder of sessions with --corpus", generator.display()));
    }
    let making = ws.target.join(format!("corpus/{scale}.making"));
    let _ = std::fs::remove_dir_all(&making);
    std::fs::create_dir_all(&making).map_err(|e| format!("{}: {e}", making.display()))?;
    println!("making files to search in {}", folder.display());
    run(Command::new("python3").arg(generator).arg(&making).args(["--scale", &scale.to_string()]))?;
    std::fs::rename(&making, &folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}
