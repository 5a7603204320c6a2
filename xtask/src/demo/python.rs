//! A real client library against the server: pymemcache, in a virtual environment under `target/`.

use super::server::Server;
use crate::workspace::{Workspace, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CLIENT: &str = "pymemcache==4.0.0";
const SEED: u32 = 2;

/// Writes and reads back `count` values on each server; the contents must be the same.
pub(super) fn round_trip(ws: &Workspace, servers: &mut [Server], count: u32) -> Result<(), String> {
    let python = environment(ws)?;
    println!();
    for server in servers {
        let result = run(Command::new(&python)
            .arg("benches/py/roundtrip.py")
            .args(["--port", &server.addr().port().to_string()])
            .args(["--values", &count.to_string(), "--seed", &SEED.to_string()])
            .args(["--label", server.driver()])
            .current_dir(&ws.root)
            .stdin(Stdio::null()));
        result.map_err(|e| format!("pymemcache on {}: {e}", server.driver()))?;
    }
    Ok(())
}

/// The environment's Python, made and filled if it is not there yet.
fn environment(ws: &Workspace) -> Result<PathBuf, String> {
    let dir = ws.root.join("target/venv");
    let python = dir.join("bin/python");
    if has_client(&python) {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir).output();
    match made {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let first = said.lines().find(|l| !l.trim().is_empty()).unwrap_or("no reason given").to_string();
            return Err(format!("python3 -m venv failed ({first}); on Debian: apt-get install python3-venv"));
        }
        Err(e) => return Err(format!("python3: {e}; the demo needs Python 3 with venv")),
    }
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", CLIENT]))
        .map_err(|e| format!("{e}; {CLIENT} comes from PyPI"))?;
    Ok(python)
}

fn has_client(python: &Path) -> bool {
    let output = Command::new(python).args(["-c", "import pymemcache"]).stderr(Stdio::null()).status();
    output.is_ok_and(|status| status.success())
}
