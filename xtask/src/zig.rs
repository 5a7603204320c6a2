//! The Zig binding: its tests, the documents' programs, the echo example under load, the key-value server beside C's, and a
//! `zig build`, with every version of Zig we support, from PyPI.

use crate::dist::{header::functions, layout, library::Kind};
use crate::echo::server::Server;
use crate::python;
use crate::workspace::{Workspace, run as command};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The one before `std.Io`, whose `zig build` starts in seconds, and the one with it, which compiles its build system for minutes
/// first.
const VERSIONS: [(&str, Generation); 2] = [("0.15.2", Generation::Before), ("0.17.1", Generation::Io)];
const SAFE: &[&str] = &["-OReleaseSafe"];
const CLIENTS: usize = 20;
/// More than the socket buffers hold.
const BYTES: usize = 300_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs all of it, or what takes seconds.
pub(crate) fn check(ws: &Workspace, quick: bool) -> Result<(), String> {
    declarations(ws)?;
    let prefix = ws.target.join("zig/prefix");
    layout::make(ws, &prefix, Kind::Trained)?;
    for (version, generation) in VERSIONS {
        let zig = Zig::new(ws, version, &prefix)?;
        let build = generation == Generation::Before || !quick;
        zig.all(build, generation).map_err(|e| format!("zig {version}: {e}"))?;
        let io = if generation == Generation::Io { ", std.Io" } else { "" };
        println!("zig {version}: tests{io}, echo server{}: ok", if build { ", zig build" } else { "" });
    }
    if quick { Ok(()) } else { kv(ws) }
}

/// The key-value server in C and with each version, asked the same by one client; `test` runs it with the others.
fn kv(ws: &Workspace) -> Result<(), String> {
    command(&mut ws.cargo(&["test", "-p", "ouzel-ffi", "--test", "kv"]))?;
    println!("kv server in C and Zig: ok");
    Ok(())
}

/// Builds the echo example for speed with the first version, for any CPU as C's is, against what lies under `prefix`.
pub(crate) fn build_echo(ws: &Workspace, prefix: &Path, to: &Path) -> Result<(), String> {
    let zig = Zig::new(ws, VERSIONS[0].0, prefix)?;
    zig.build_exe(&["-OReleaseFast", "-mcpu=baseline"], "ouzel", &zig.source("examples/zig/echo.zig"), to)
}

/// Every function and every code of the header is declared for Zig, and nothing else.
fn declarations(ws: &Workspace) -> Result<(), String> {
    let read = |name: &str| {
        let path = ws.root.join("ffi").join(name);
        fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    let (header, zig) = (read("include/ouzel.h")?, read("zig/c.zig")?);
    let there = functions(&header);
    let mut declared: Vec<_> = zig
        .lines()
        .filter_map(|line| Some(line.strip_prefix("pub extern \"c\" fn ")?.split_once('(')?.0.to_owned()))
        .collect();
    declared.sort();
    if there != declared {
        let wrong = there
            .iter()
            .filter(|n| !declared.contains(n))
            .chain(declared.iter().filter(|n| !there.contains(n)));
        return Err(format!("ouzel.h and c.zig differ in {:?}", wrong.collect::<Vec<_>>()));
    }
    let codes = codes(&header, "#define OUZEL_E", &[" (", ")"]);
    let ours = codes_of_zig(&zig);
    if codes.is_empty() || codes != ours {
        return Err(format!("the header's codes are {codes:?}, c.zig's {ours:?}"));
    }
    Ok(())
}

fn codes(text: &str, prefix: &str, around: &[&str; 2]) -> Vec<(String, i32)> {
    let code = |line: &str| {
        let (name, rest) = line.strip_prefix(prefix)?.split_once(around[0])?;
        Some((format!("E{}", name.trim()), rest.split(around[1]).next()?.trim().parse().ok()?))
    };
    text.lines().filter_map(code).collect()
}

fn codes_of_zig(text: &str) -> Vec<(String, i32)> {
    codes(text, "pub const E", &[": i32 = ", ";"])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Generation {
    Before,
    Io,
}

struct Zig<'a> {
    ws: &'a Workspace,
    python: PathBuf,
    prefix: PathBuf,
    work: PathBuf,
}

impl<'a> Zig<'a> {
    fn new(ws: &'a Workspace, version: &str, prefix: &Path) -> Result<Self, String> {
        let python = python::with(ws, &format!("zig-{version}"), &format!("ziglang=={version}"))?;
        let work = ws.target.join("zig").join(version);
        fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
        Ok(Zig { ws, python, prefix: prefix.into(), work })
    }

    fn all(&self, build: bool, generation: Generation) -> Result<(), String> {
        self.tests("zig/test.zig")?;
        self.documents("ouzel", "zig")?;
        if generation == Generation::Io {
            self.tests("zig/std_io_test.zig")?;
            self.documents("std_io", "zig-0.17")?;
        }
        let echo = self.work.join("echo");
        self.build_exe(SAFE, "ouzel", &self.source("examples/zig/echo.zig"), &echo)?;
        serve(&echo)?;
        if build { self.build() } else { Ok(()) }
    }

    fn zig(&self, args: &[&str]) -> Command {
        let mut zig = Command::new(&self.python);
        zig.args(["-m", "ziglang"]).args(args).stdin(Stdio::null());
        zig.env("ZIG_LOCAL_CACHE_DIR", self.work.join("cache"))
            .env("ZIG_GLOBAL_CACHE_DIR", self.work.join("global"));
        zig
    }

    fn source(&self, name: &str) -> PathBuf {
        self.ws.root.join("ffi").join(name)
    }

    fn tests(&self, source: &str) -> Result<(), String> {
        let mut test = self.zig(&["test", "-lc", "-lunwind"]);
        test.arg(self.source(source)).arg(self.source("zig/layout.c"));
        command(test.arg("-I").arg(self.prefix.join("include")).arg(self.prefix.join("lib/libouzel.a")))
    }

    /// With `module`, one of the two that are shipped.
    fn build_exe(&self, mode: &[&str], module: &str, source: &Path, to: &Path) -> Result<(), String> {
        let mut build = self.zig(&["build-exe", "--dep", module, "-lc", "-lunwind"]);
        build.args(mode).arg(format!("-Mroot={}", source.display()));
        let shipped = self.prefix.join("zig").join(module).with_extension("zig");
        build.arg(format!("-M{module}={}", shipped.display()));
        command(build.arg(self.prefix.join("lib/libouzel.a")).arg(format!("-femit-bin={}", to.display())))
    }

    /// The documents' programs in `language` compile, run, and end well.
    fn documents(&self, module: &str, language: &str) -> Result<(), String> {
        let names: &[&str] = if module == "ouzel" { &["README.md", "docs/zig.md"] } else { &["docs/zig.md"] };
        for name in names {
            let text = fs::read_to_string(self.ws.root.join(name)).map_err(|e| format!("{name}: {e}"))?;
            let blocks = blocks(&text, language);
            if blocks.is_empty() {
                return Err(format!("{name} has no program in {language}"));
            }
            for block in blocks {
                let (source, program) = (self.work.join("document.zig"), self.work.join("document"));
                fs::write(&source, block).map_err(|e| format!("{}: {e}", source.display()))?;
                self.build_exe(SAFE, module, &source, &program)?;
                command(&mut Command::new(&program)).map_err(|e| format!("{name}: {e}"))?;
            }
        }
        Ok(())
    }

    /// A project of a user's, out of the `build.zig` that is shipped.
    fn build(&self) -> Result<(), String> {
        let project = self.work.join("project");
        fs::create_dir_all(&project).map_err(|e| format!("{}: {e}", project.display()))?;
        let files = ["zig/build.zig", "examples/zig/echo.zig", "examples/zig/tcp.zig"];
        for (from, to) in files.into_iter().zip(["build.zig", "main.zig", "tcp.zig"]) {
            fs::copy(self.source(from), project.join(to)).map_err(|e| format!("{from}: {e}"))?;
        }
        let mut build = self.zig(&["build"]);
        command(build.current_dir(&project).arg(format!("-Douzel={}", self.prefix.display())))?;
        serve(&project.join("zig-out/bin/main"))
    }
}

/// The programs of a document.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&*fence).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect()
}

/// Starts an echo server, has many clients compare what it answers, and ends it.
fn serve(echo: &Path) -> Result<(), String> {
    let server = Server::start(&[], echo, &[])?;
    let addr = server.addr;
    let threads: Vec<_> = (0..CLIENTS).map(|n| thread::spawn(move || client(addr, n))).collect();
    threads.into_iter().try_for_each(|t| t.join().map_err(|_| "a client panicked".to_string())?)?;
    server.stop().map(drop)
}

fn client(addr: SocketAddr, n: usize) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("client {n}: {e}");
    let mut stream = TcpStream::connect(addr).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let bytes: Vec<u8> = (0..BYTES).map(|i| (i * 31 + i / 251 + n * 7) as u8).collect();
    let (mut out, sent) = (stream.try_clone().map_err(failed)?, bytes.clone());
    let writer = thread::spawn(move || out.write_all(&sent).and_then(|()| out.shutdown(Shutdown::Write)));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).map_err(failed)?;
    writer.join().map_err(|_| "a writer panicked")?.map_err(failed)?;
    if got == bytes {
        Ok(())
    } else {
        Err(format!("client {n}: {} bytes came back, not those sent", got.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_documents() {
        let text = "a\n```zig\none\n```\n```sh\nno\n```\n```zig\ntwo\n```\n```zig-0.17\nio\n```\n";
        assert_eq!(blocks(text, "zig"), ["one\n", "two\n"]);
        assert_eq!(blocks(text, "zig-0.17"), ["io\n"]);
    }

    #[test]
    fn codes_are_read_from_both() {
        let header = "#define OUZEL_ENULL (-10001)        /* a pointer */\n#define OUZEL_OK 0\n";
        let zig = "pub const ENULL: i32 = -10001;\npub const ok: i32 = 0;\n";
        assert_eq!(codes(header, "#define OUZEL_E", &[" (", ")"]), [("ENULL".to_string(), -10001)]);
        assert_eq!(codes_of_zig(zig), [("ENULL".to_string(), -10001)]);
    }
}
