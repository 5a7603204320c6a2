//! The program as its users have it.

mod injected;
mod sessions;
mod terminal;

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use sessions::{BIN, Sessions, user};

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn matches_are_ordered_filtered_and_limited() {
    let sessions = Sessions::new("filters");
    // The system's line is of 11:00 UTC; the summary has its time, and comes behind it.
    assert_eq!(sessions.places(&["needle"]), ["b1", "b2", "a1"]);
    assert_eq!(sessions.places(&["needle", "--oldest"]), ["a1", "b2", "b1"]);
    assert_eq!(sessions.places(&["needle", "--limit", "2"]), ["b1", "b2"]);
    assert_eq!(sessions.places(&["needle", "--oldest", "--limit", "1"]), ["a1"]);
    assert_eq!(sessions.places(&["needle", "--limit", "0"]), [""; 0]);
    assert_eq!(sessions.places(&["needle", "--role", "summary"]), ["b2"]);
    assert_eq!(sessions.places(&["needle", "--session", "s2"]), ["b1"]);
    assert_eq!(sessions.places(&["needle", "--project", "on"]), ["a1"]);
    assert_eq!(sessions.places(&["needle", "--after", "2025-01-01T11:00:00Z"]), ["b1", "b2"]);
    assert_eq!(sessions.places(&["needle", "--before", "2025-01-01T10:30"]), ["a1"]);
    assert_eq!(code(&sessions.run(&["needle", "--since", "2 days ago"])), Some(1));
    for engine in ["ouzel", "threads", "whole"] {
        let args = ["needle", "--engine", engine, "--threads", "3"];
        assert_eq!(sessions.places(&args), ["b1", "b2", "a1"], "{engine}");
    }
}

#[test]
fn each_format_says_all_there_is() {
    let sessions = Sessions::new("formats");
    let text = sessions.found(&["then"]);
    let file = sessions.0.join("one/a.jsonl");
    let said = "2025-01-01T10:00:00Z user: first Needle, then another needle s1 u1";
    assert_eq!(text, format!("{}:1: {said}\n", file.display()));
    let colored = sessions.found(&["needle", "--role", "user", "--color", "always"]);
    assert!(
        colored.contains("first \x1b[1;31mNeedle\x1b[0m, then another \x1b[1;31mneedle\x1b[0m"),
        "{colored:?}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&sessions.found(&["needle", "--format", "json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
    assert_eq!(
        json[2],
        serde_json::json!({
            "file": file, "line": 1, "role": "user", "timestamp": "2025-01-01T10:00:00Z", "session": "s1",
            "text": "first Needle, then\nanother needle\ns1\nu1",
        })
    );
    assert_eq!(json[1]["session"], serde_json::Value::Null);
    let nothing = sessions.run(&["nowhere", "--format", "json"]);
    assert_eq!((code(&nothing), nothing.stdout.as_slice()), (Some(1), &b"[]\n"[..]));
}

#[test]
fn counts_files_and_statistics() {
    let sessions = Sessions::new("counts");
    assert_eq!(sessions.found(&["needle", "--count", "--limit", "1"]), "3\n");
    let files = sessions.found(&["needle", "--files-with-matches"]);
    let expected = ["two/b.jsonl", "one/a.jsonl"].map(|f| format!("{}\n", sessions.0.join(f).display()));
    assert_eq!(files, expected.concat());
    let output = sessions.run(&["needle", "--stats", "--count"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("3 matches in 2 of 2 files, "), "{said}");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_searched() {
    let sessions = Sessions::new("unreadable");
    std::os::unix::fs::symlink("nowhere", sessions.0.join("gone.jsonl")).unwrap();
    let output = sessions.run(&["needle", "--count"]);
    assert_eq!((code(&output), output.stdout.as_slice()), (Some(0), &b"3\n"[..]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("gone.jsonl") && said.lines().count() == 1, "{said}");
    assert_eq!(code(&sessions.run(&["no such thing"])), Some(2));
}

#[test]
fn nobody_listening_for_warnings_changes_nothing() {
    let sessions = Sessions::new("deaf");
    std::os::unix::fs::symlink("nowhere", sessions.0.join("gone.jsonl")).unwrap();
    for (args, expected) in [
        (&["needle", "--count", "--stats", "--measure"][..], Some(0)),
        (&["nowhere", "--count"], Some(2)),
        (&["a", "--loud"], Some(2)),
    ] {
        let (gone, stderr) = std::io::pipe().unwrap();
        drop(gone);
        let output = sessions.command(args).stderr(stderr).output().unwrap();
        assert_eq!(code(&output), expected, "{args:?}");
    }
}

#[test]
fn bad_usage_is_one_line_and_status_two() {
    let sessions = Sessions::new("usage");
    for args in [
        &["a AND"][..],
        &["/(/"],
        &["a", "--role", "king"],
        &["a", "--limit", "x"],
        &["a", "--after", "soon"],
        &["a", "--engine", "steam"],
        &["a", "--threads", "0"],
        &["a", "--count", "--format", "json"],
        &["a", "--loud"],
    ] {
        let output = sessions.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{args:?}: {said}");
    }
    assert_eq!(Command::new(BIN).output().unwrap().status.code(), Some(2));
    let nowhere = Command::new(BIN).args(["a", "/no/such/place"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn help_has_examples_and_every_shell_a_script() {
    let said = |args: &[&str]| {
        let output = Command::new(BIN).args(args).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said(&["--help"]).contains("examples\n  ouzel-search "));
    assert!(said(&["--version"]).starts_with("ouzel-search "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["--completions", shell]).contains("files-with-matches"));
    }
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(said(&["--completions", "bash"]).as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success(), "bash reads it");
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let sessions = Sessions::new("pipe");
    let lines: Vec<String> = (0..20_000).map(|_| user("u", "2025-01-01T10:00:00Z", "needle")).collect();
    sessions.write("big.jsonl", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut child = Command::new(BIN)
        .args(["needle", "--format", "jsonl"])
        .arg(&sessions.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn the_usual_place_is_below_home() {
    let sessions = Sessions::new("home");
    let projects = sessions.0.join(".claude/projects/p");
    std::fs::create_dir_all(&projects).unwrap();
    std::fs::write(projects.join("x.jsonl"), user("u", "2025-01-01T10:00:00Z", "home")).unwrap();
    let output = Command::new(BIN).args(["home", "--count"]).env("HOME", &sessions.0).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"1\n"[..]));
}
