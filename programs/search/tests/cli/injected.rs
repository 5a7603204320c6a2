//! System calls that fail: the program runs under `strace`, which makes one call of a kind fail.

use std::process::{Command, Output, Stdio};

use crate::sessions::{BIN, Sessions};

/// Which one, on which file, and when.
type Call<'a> = (&'a str, &'a str, u32);

/// Counts with `engine` on one thread, while the `nth` time that a thread makes `call`, on `name` if that is not empty, ends in
/// `error`. `None`: there is no `strace`.
fn count(sessions: &Sessions, engine: &str, (call, name, nth): Call<'_>, error: &str) -> Option<Output> {
    let version =
        Command::new("strace").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no strace: install it (Debian package strace)");
        println!("skipped: no strace on this machine (Debian package strace)");
        return None;
    }
    let log = sessions.0.join("strace.log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "--seccomp-bpf", "-qqq", "-o"]).arg(&log);
    strace.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error={error}:when={nth}")]);
    if !name.is_empty() {
        strace.arg("-P").arg(sessions.0.join(name));
    }
    strace.args([BIN, "needle", "--count", "--threads", "1", "--engine", engine]).arg(&sessions.0);
    let output = strace.output().unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(log.matches("(INJECTED)").count(), 1, "{call} {nth}: {log}");
    Some(output)
}

/// What was found, what was told on one line, and the status.
fn told(output: &Output) -> (&str, &str, Option<i32>) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| std::str::from_utf8(bytes).unwrap());
    assert_eq!(err.lines().count(), 1, "{err}");
    (out.trim_end(), err.trim_end(), output.status.code())
}

/// Each directory is read by two calls: what is in it, and that there is no more.
#[test]
fn a_directory_that_cannot_be_read_to_its_end_is_told_and_what_came_before_is_searched() {
    let sessions = Sessions::new("injected-directory");
    let root = sessions.0.to_str().unwrap();
    for nth in 2..=6 {
        let Some(output) = count(&sessions, "ouzel", ("getdents64", "", nth), "EIO") else { return };
        let (found, said, code) = told(&output);
        let whose = ["", "/one", "/two"].into_iter().find(|name| said.contains(&format!("{root}{name}: ")));
        let expected = match (nth % 2 == 0, whose) {
            (true, Some(name)) if name.is_empty() == (nth == 2) => "3",
            (false, Some("/one")) => "2",
            (false, Some("/two")) => "1",
            _ => panic!("call {nth}: {said}"),
        };
        assert!(said.contains("Input/output error"), "{said}");
        assert_eq!((found, code), (expected, Some(0)), "call {nth}: {said}");
    }
    let Some(output) = count(&sessions, "ouzel", ("getdents64", "", 1), "EIO") else { return };
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"0\n"[..], Some(2)));
}

#[test]
fn a_file_that_cannot_be_opened_or_read_is_told_and_the_rest_is_searched() {
    let sessions = Sessions::new("injected-file");
    let file = sessions.0.join("one/a.jsonl");
    for (engine, call, error, text) in [
        ("ouzel", "openat2", "EMFILE", "Too many open files"),
        ("ouzel", "preadv2", "EIO", "Input/output error"),
        ("threads", "pread64", "EIO", "Input/output error"),
    ] {
        let Some(output) = count(&sessions, engine, (call, "one/a.jsonl", 1), error) else { return };
        let (found, said, code) = told(&output);
        assert!(said.contains(&format!("{}: {text}", file.display())), "{engine}, {call}: {said}");
        assert_eq!((found, code), ("2", Some(0)), "{engine}, {call}");
    }
}
