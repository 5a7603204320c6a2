//! A real client library against the server: pymemcache, in a virtual environment under `target/`.

use super::server::Server;
use crate::python;
use crate::workspace::{Workspace, run};
use std::process::{Command, Stdio};

const CLIENT: &str = "pymemcache==4.0.0";
const SEED: u32 = 2;

/// Writes and reads back `count` values on each server; the contents must be the same.
pub(super) fn round_trip(ws: &Workspace, servers: &mut [Server], count: u32) -> Result<(), String> {
    let python = python::with(ws, "venv", CLIENT)?;
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
