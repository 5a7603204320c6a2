//! Programs and libraries from PyPI, in virtual environments under `target/`.

use crate::workspace::{Workspace, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python of the environment `name`, with `package` (`name==version`) in it.
///
/// # Errors
/// No Python with `venv`, or PyPI could not be reached.
pub(crate) fn with(ws: &Workspace, name: &str, package: &str) -> Result<PathBuf, String> {
    let dir = ws.root.join("target").join(name);
    let python = dir.join("bin/python");
    if !works(&python) {
        make(&dir)?;
    }
    if !has(&python, package) {
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))
            .map_err(|e| format!("{e}; {package} comes from PyPI"))?;
    }
    Ok(python)
}

fn make(dir: &Path) -> Result<(), String> {
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(dir).output();
    match made {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let first = said.lines().find(|l| !l.trim().is_empty()).unwrap_or("no reason given").to_string();
            Err(format!("python3 -m venv failed ({first}); on Debian: apt-get install python3-venv"))
        }
        Err(e) => Err(format!("python3: {e}; this needs Python 3 with venv")),
    }
}

fn works(python: &Path) -> bool {
    succeeds(Command::new(python).arg("--version"))
}

/// Whether exactly this version is there.
fn has(python: &Path, package: &str) -> bool {
    let (name, version) = package.split_once("==").unwrap_or((package, ""));
    let ask = format!("import importlib.metadata as m; assert m.version({name:?}).startswith({version:?})");
    succeeds(Command::new(python).args(["-c", &ask]))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
