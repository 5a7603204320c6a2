//! What is different where a terminal listens.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::sessions::{BIN, Sessions, user};

/// The other end of a terminal.
struct Terminal {
    outside: OwnedFd,
    said: String,
}

impl Terminal {
    /// A terminal, and what a program has of it.
    fn new() -> (Terminal, File) {
        let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&outside).unwrap();
        unlockpt(&outside).unwrap();
        let name = ptsname(&outside, Vec::new()).unwrap();
        // It shall not become this process' own.
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY);
        let inside = options.open(name.to_str().unwrap()).unwrap();
        (Terminal { outside, said: String::new() }, inside)
    }

    /// Hears more, or that nobody will say more.
    fn hear(&mut self) -> bool {
        // A watchdog, not a measure.
        let patience = Timespec { tv_sec: 120, tv_nsec: 0 };
        let events = poll(&mut [PollFd::new(&self.outside, PollFlags::IN)], Some(&patience)).unwrap();
        assert!(events > 0, "nothing more than {:?}", self.said);
        let mut part = [0; 4096];
        match rustix::io::read(&self.outside, &mut part) {
            Ok(n) if n > 0 => {
                self.said.push_str(&String::from_utf8_lossy(&part[..n]));
                true
            }
            // The last one inside has gone.
            Ok(_) | Err(rustix::io::Errno::IO) => false,
            Err(e) => panic!("{e}"),
        }
    }

    /// Everything, with lines that end as the program ended them.
    fn all(mut self) -> String {
        while self.hear() {}
        self.said.replace("\r\n", "\n")
    }
}

/// What the program prints on a terminal.
fn shown(sessions: &Sessions, args: &[&str], no_color: Option<&str>) -> String {
    let (terminal, inside) = Terminal::new();
    let mut command = Command::new(BIN);
    command.args(args).arg(&sessions.0).stdin(Stdio::null()).stdout(inside).stderr(Stdio::null());
    match no_color {
        Some(value) => command.env("NO_COLOR", value),
        None => command.env_remove("NO_COLOR"),
    };
    let mut child = command.spawn().unwrap();
    // What this process has of the inside goes with it.
    drop(command);
    let all = terminal.all();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    all
}

#[test]
fn a_terminal_gets_fifty_matches_unless_told_otherwise() {
    let sessions = Sessions::new("fifty");
    let lines: Vec<String> =
        (0..60).map(|n| user(&format!("u{n}"), "2025-01-01T10:00:00Z", "many")).collect();
    sessions.write("many.jsonl", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let count = |args: &[&str]| shown(&sessions, args, None).lines().count();
    assert_eq!(count(&["many"]), 50);
    assert_eq!(count(&["many", "--limit", "55"]), 55);
    assert_eq!(shown(&sessions, &["many", "--count"], None), "60\n");
    assert_eq!(sessions.found(&["many"]).lines().count(), 60, "all, if it is no terminal");
}

#[test]
fn a_terminal_gets_colour_unless_somebody_objects() {
    let sessions = Sessions::new("colour");
    let colored = |args: &[&str], no_color| {
        let text = shown(&sessions, args, no_color);
        assert!(text.contains("then"), "{text:?}");
        text.contains("\x1b[1;31mthen\x1b[0m")
    };
    assert!(colored(&["then"], None));
    assert!(colored(&["then"], Some("")), "empty is as if it were not set");
    assert!(!colored(&["then"], Some("1")));
    assert!(colored(&["then", "--color", "always"], Some("1")));
    assert!(!colored(&["then", "--color", "never"], None));
}

/// Begins to search a pipe, which holds the search up until somebody writes into it.
fn held_up(sessions: &Sessions, pipe: &str, stderr: Stdio) -> (Child, impl FnOnce() + use<>) {
    let path = sessions.0.join(pipe);
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let child = Command::new(BIN)
        .args(["needle", "--count", "--engine", "whole"])
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let release = move || {
        let line = user("u1", "2025-01-01T10:00:00Z", "a needle");
        OpenOptions::new().write(true).open(&path).unwrap().write_all(line.as_bytes()).unwrap();
    };
    (child, release)
}

#[test]
fn whoever_waits_at_a_terminal_is_told_how_far_it_is() {
    let sessions = Sessions::new("progress");
    // It has been at it for longer than the other one when that says something.
    let (quiet, release_quiet) = held_up(&sessions, "a", Stdio::piped());
    let (mut terminal, inside) = Terminal::new();
    let (told, release) = held_up(&sessions, "b", inside.into());
    while !terminal.said.contains("\r0 of 1 files") {
        assert!(terminal.hear(), "{:?}", terminal.said);
    }
    release();
    release_quiet();
    let said = terminal.all();
    assert!(said.ends_with("\r\x1b[K"), "nothing is left of it: {said:?}");
    for child in [told, quiet] {
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"1\n"[..], &b""[..]));
        assert_eq!(output.status.code(), Some(0));
    }
}
