//! Other people's clients against the server: libmemcached's own tests, pymemcache, pylibmc.

use crate::demo::build::Built;
use crate::demo::server::Server;
use crate::python;
use crate::workspace::{Workspace, run as command};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PYMEMCACHE: &str = "pymemcache==4.0.0";
const PYLIBMC: &str = "pylibmc==1.6.3";

pub(super) fn run(ws: &Workspace, program: &Path) -> Result<(), String> {
    let dir = ws.root.join("target/demo");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let built = Built { kv: program.to_path_buf(), load: PathBuf::new(), dir };
    let python = python::with(ws, "venv", PYMEMCACHE)?;
    for driver in super::options::DRIVERS {
        let server = match Server::start_with(&built, driver, &["-t", "2", "-m", "64", "-l", "127.0.0.1"]) {
            Ok(server) => server,
            Err(e) => {
                println!("{driver} is left out: {e}");
                continue;
            }
        };
        memccapable(&server)?;
        suite(ws, &server, &python, "cached_pymemcache.py")?;
        match python::with(ws, "venv-pylibmc", PYLIBMC) {
            Ok(python) => suite(ws, &server, &python, "cached_pylibmc.py")?,
            Err(e) => println!("(skipped: {e}; building pylibmc needs libmemcached-dev)"),
        }
        server.stop()?;
    }
    command(
        Command::new(python)
            .arg("programs/cached/tests/py/cached_ring.py")
            .arg(program)
            .current_dir(&ws.root)
            .stdin(Stdio::null()),
    )
}

/// The text protocol's part of libmemcached's conformance test, by the names of its tests.
const MEMCCAPABLE: [&str; 27] = [
    "version",
    "quit",
    "verbosity",
    "set",
    "set noreply",
    "get",
    "gets",
    "mget",
    "flush",
    "flush noreply",
    "add",
    "add noreply",
    "replace",
    "replace noreply",
    "cas",
    "cas noreply",
    "delete",
    "delete noreply",
    "incr",
    "incr noreply",
    "decr",
    "decr noreply",
    "append",
    "append noreply",
    "prepend",
    "prepend noreply",
    "stat",
];

fn memccapable(server: &Server) -> Result<(), String> {
    let port = server.addr().port().to_string();
    for name in MEMCCAPABLE {
        let name = format!("ascii {name}");
        let output = Command::new("memccapable")
            .args(["-h", "127.0.0.1", "-p", &port, "-t", "10", "-T", &name])
            .output();
        let output = match output {
            Ok(output) => output,
            Err(e) => {
                println!("(skipped: memccapable: {e}; on Debian: apt-get install libmemcached-tools)");
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || !text.contains("[pass]") {
            return Err(format!("memccapable on {}: {}", server.driver(), text.trim()));
        }
    }
    println!("{}: all {} text tests of memccapable pass", server.driver(), MEMCCAPABLE.len());
    Ok(())
}

fn suite(ws: &Workspace, server: &Server, python: &Path, script: &str) -> Result<(), String> {
    command(
        Command::new(python)
            .arg(format!("programs/cached/tests/py/{script}"))
            .args(["--port", &server.addr().port().to_string(), "--label", server.driver()])
            .current_dir(&ws.root)
            .stdin(Stdio::null()),
    )
}
