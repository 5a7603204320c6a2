//! The small library compiled by a profile: what is often run is inlined and lies side by side, what is rare is out of its way.
//!
//! ```text
//!  library that counts ──▶ programs on it, at work ──▶ profile ──▶ library
//! ```
//! A message of `echo.c` (one connection, io_uring) took 1,961 instructions without and 1,587 with it; its code lay in 208 lines
//! of a cache and 25 pages, then in 145 and 11. After each message the kernel has had the cache, so that it is lines that count.
//!
//! What no program does is compiled for size: so the programs are the servers under load, every case of `cost.c`, and the C tests,
//! which call every function. A profile differs a little from time to time, and the library with it.

use super::library::{self, SYSTEM};
use super::training_server::Server;
use crate::nightly;
use crate::workspace::{Workspace, run as command, run_quietly};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const DRIVERS: [&str; 2] = ["uring", "epoll"];
/// Cases of `cost.c`, and how often each is done.
const COST: [&str; 8] =
    ["self_wake", "checked_wake", "nop", "nop_waker", "nop_done", "timer", "timer_abandon", "echo"];
const TIMES: &str = "20000";
/// C tests that are told a driver and a number of workers.
pub(super) const TESTS: [&str; 9] =
    ["tasks", "sync", "spawn", "wakers", "ops", "files", "sockets", "timers", "try_send"];
/// What makes up the last hundredth of all that is run is compiled for size, and but what makes up the first 95 hundredths is inlined
/// without regard to it. Usually it is the last millionth, and 99: a hello is then larger by a third, 408 thousand bytes in place
/// of 310, and a message takes 1,527 instructions in place of 1,587.
const BY_PROFILE: &str = "-Cllvm-args=-pgso-lwss-only=false -Cllvm-args=-profile-summary-cutoff-cold=990000 \
     -Cllvm-args=-profile-summary-cutoff-hot=950000";
/// Connections, messages in flight on each, and how often.
const TALKS: [(usize, usize, usize); 3] = [(1, 1, 20_000), (64, 1, 2_000), (64, 16, 500)];
/// A command for `kv.c`, and its answer.
const COMMAND: &[u8] = b"set key 0 0 10\r\n0123456789\r\nget key\r\nget none\r\n";
const ANSWER: &[u8] = b"STORED\r\nVALUE key 0 10\r\n0123456789\r\nEND\r\nEND\r\n";

/// Builds it, after training if the library that counts is newer than the profile.
///
/// # Errors
/// The compiler or its tools lack something, or a program fails.
pub(super) fn build(ws: &Workspace) -> Result<PathBuf, String> {
    let tool = nightly::profile_tool()?;
    let runtime = nightly::profile_runtime()?;
    let folder = ws.target.join("dist-training");
    let profile = folder.join("ouzel.profdata");
    if profile.to_string_lossy().contains(char::is_whitespace) {
        return Err(format!("{} has a space in it, which RUSTFLAGS has no way to say", profile.display()));
    }
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    // Its own runtime for counting cannot be built from rustc's sources: the programs are linked with the one that comes with it.
    let counting = library::small(ws, "dist-counting", "-Cprofile-generate -Zno-profiler-runtime")?;
    if made(&profile) < made(&counting) {
        println!("training: the servers, the cases of cost.c, the C tests");
        let training = Training { ws, folder, library: counting, runtime };
        let raw = training.all()?;
        command(Command::new(tool).args(["merge", "-failure-mode=all", "-o"]).arg(&profile).arg(&raw))?;
        fs::remove_dir_all(&raw).map_err(|e| format!("{}: {e}", raw.display()))?;
    }
    library::small(ws, "dist-trained", &format!("-Cprofile-use={} {BY_PROFILE}", profile.display()))
}

/// Before everything if it is not there.
fn made(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

struct Training<'a> {
    ws: &'a Workspace,
    folder: PathBuf,
    library: PathBuf,
    runtime: PathBuf,
}

impl Training<'_> {
    /// Runs everything; the folder with what was counted.
    fn all(&self) -> Result<PathBuf, String> {
        let raw = self.folder.join("raw");
        let _none = fs::remove_dir_all(&raw);
        let cost = self.program("ffi/examples/c/cost.c")?;
        for case in COST {
            self.run(&cost, &[case, TIMES, TIMES])?;
        }
        let echo = self.program("ffi/examples/c/echo.c")?;
        let kv = self.program("ffi/examples/c/kv.c")?;
        let tests: Vec<_> =
            TESTS.iter().map(|t| self.program(&format!("ffi/tests/c/{t}.c"))).collect::<Result<_, _>>()?;
        for driver in DRIVERS {
            if let Err(e) = self.talk(&echo, driver, &[b'e'; 64], &[b'e'; 64]) {
                println!("warning: not trained on {driver}: {e}");
                continue;
            }
            self.talk(&kv, driver, COMMAND, ANSWER)?;
            for test in &tests {
                self.run(test, &[driver, "0"])?;
                self.run(test, &[driver, "1"])?;
            }
        }
        Ok(raw)
    }

    /// Compiles a program that counts.
    fn program(&self, source: &str) -> Result<PathBuf, String> {
        let source = self.ws.root.join(source);
        let program = self.folder.join(source.file_stem().unwrap_or_default());
        let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        cc.current_dir(&self.ws.root).args(["-O2", "-Iffi/include", "-o"]).arg(&program).arg(source);
        cc.args([&self.library, &self.runtime]).arg("-Wl,-u,__llvm_profile_runtime");
        command(cc.args(SYSTEM.split(' ')))?;
        Ok(program)
    }

    /// Where a process leaves what it counted.
    fn counts(&self) -> (&'static str, PathBuf) {
        ("LLVM_PROFILE_FILE", self.folder.join("raw/%p.profraw"))
    }

    fn run(&self, program: &Path, args: &[&str]) -> Result<(), String> {
        let (name, place) = self.counts();
        run_quietly(Command::new(program).args(args).env(name, place))
    }

    /// Has a server answer.
    fn talk(&self, program: &Path, driver: &str, message: &[u8], answer: &[u8]) -> Result<(), String> {
        for (connections, depth, times) in TALKS {
            let mut command = Command::new(program);
            let (name, place) = self.counts();
            let mut server = Server::start(command.args(["--driver", driver]).env(name, place))?;
            server.talk(connections, times, &message.repeat(depth), &answer.repeat(depth))?;
            server.stop()?;
        }
        Ok(())
    }
}
