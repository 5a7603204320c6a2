//! One running echo server, however it was built and under whatever tool.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// See the module. Says `listening on HOST:PORT ...` first, and ends well on SIGTERM.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    child: Child,
    said: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
    /// Of the server itself, not of the tool it runs under.
    pub(crate) pid: u32,
}

impl Server {
    /// Starts `program` with `args`, under the words of `tool`.
    pub(crate) fn start(tool: &[String], program: &Path, args: &[&str]) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("{}: {e}", program.display());
        let mut command = match tool {
            [] => Command::new(program),
            [first, words @ ..] => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
        };
        let mut child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).map_err(failed)?;
        let pid = server_of(child.id(), program);
        let addr =
            line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next()?.trim().parse().ok());
        let unset = SocketAddr::from(([0, 0, 0, 0], 0));
        let server = Server { program: program.into(), child, said, addr: addr.unwrap_or(unset), pid };
        if addr.is_none() {
            return Err(format!("{} said {line:?}", program.display()));
        }
        Ok(server)
    }

    /// Asks it to end, which must go well; returns what else it said.
    pub(crate) fn stop(mut self) -> Result<String, String> {
        let failed = |e: std::io::Error| e.to_string();
        let asked = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status();
        asked.map_err(|e| format!("kill: {e}"))?;
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).map_err(failed)?;
        let status = self.child.wait().map_err(failed)?;
        if status.success() { Ok(rest) } else { Err(format!("{}: {status}", self.program.display())) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The process that runs `program`: `child`, or one that it started.
fn server_of(child: u32, program: &Path) -> u32 {
    let children =
        std::fs::read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap_or_default();
    let runs_it = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(runs_it).unwrap_or(child)
}
