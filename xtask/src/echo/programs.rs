//! The servers that are compared, built as their users would build them.

use crate::dist::layout;
use crate::dist::library::{Kind, SYSTEM};
use crate::workspace::{Workspace, build, run as command};
use crate::zig;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server and how it is called.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) args: &'static [&'static str],
}

const URING: &[&str] = &["--driver", "uring"];
const EPOLL: &[&str] = &["--driver", "epoll"];
const FLAGS: [&str; 5] = ["-O2", "-g", "-Wall", "-Wextra", "-Werror"];

/// Loops without a runtime, which say what the kernel's part is: on epoll, also with as many receives before their sends as
/// ouzel makes, and on io_uring. And libuv's server again.
pub(super) fn bare(ws: &Workspace) -> Result<Vec<Contender>, String> {
    let folder = ws.target.join("echo");
    let built = |source: &str, program: &str| {
        let program = folder.join(program);
        let mut cc = compiler();
        command(cc.args(FLAGS).arg(ws.root.join("benches/c").join(source)).arg("-o").arg(&program))?;
        Ok::<_, String>(program)
    };
    let (epoll, uring) = (built("bare_echo.c", "bare")?, built("bare_uring.c", "bare-uring")?);
    let contender = |name, program: &Path, args| Contender { name, program: program.into(), args };
    Ok(vec![
        contender("libuv 2nd", &folder.join("uv"), &[]),
        contender("bare", &epoll, &[]),
        contender("bare x16", &epoll, &["16"]),
        contender("bare uring", &uring, &[]),
    ])
}

/// libuv's first, which the others are compared with.
pub(super) fn contenders(ws: &Workspace) -> Result<Vec<Contender>, String> {
    let folder = ws.target.join("echo");
    let prefix = folder.join("prefix");
    layout::make(ws, &prefix, Kind::Trained)?;
    let (uv, c, zig) = (folder.join("uv"), folder.join("c"), folder.join("zig"));
    let source = |name: &str| ws.root.join(name);

    let mut cc = compiler();
    cc.args(FLAGS).arg(source("benches/c/uv_echo.c")).arg("-o").arg(&uv).arg("-luv");
    command(&mut cc).map_err(|e| format!("{e}; libuv's headers are in Debian's package libuv1-dev"))?;
    let mut cc = compiler();
    cc.args(FLAGS).arg("-I").arg(prefix.join("include")).arg(source("ffi/examples/c/echo.c"));
    cc.arg("-o").arg(&c).arg(prefix.join("lib/libouzel.a")).arg("-Wl,--gc-sections");
    command(cc.args(SYSTEM.split(' ')))?;
    let contender = |name, program: &Path, args| Contender { name, program: program.into(), args };
    let mut all =
        vec![contender("libuv", &uv, &[]), contender("c uring", &c, URING), contender("c epoll", &c, EPOLL)];
    match zig::build_echo(ws, &prefix, &zig) {
        Ok(()) => all.extend([contender("zig uring", &zig, URING), contender("zig epoll", &zig, EPOLL)]),
        Err(e) => println!("Zig's is left out: {e}"),
    }
    Ok(all)
}

fn compiler() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

/// The load generator.
pub(super) fn load(ws: &Workspace) -> Result<PathBuf, String> {
    let args = ["build", "--profile", "plain", "-p", "ouzel-bench", "--bin", "ouzel-echo"];
    let found = build(&mut ws.cargo(&args))?
        .into_iter()
        .filter(|a| a.name == "ouzel-echo")
        .find_map(|a| a.executable);
    found.ok_or_else(|| "cargo names no ouzel-echo".into())
}
