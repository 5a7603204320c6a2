//! Files to search, and the program run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_ouzel-search");

/// A folder of sessions, removed in the end.
pub(crate) struct Sessions(pub(crate) PathBuf);

impl Sessions {
    pub(crate) fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("ouzel-search-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let sessions = Sessions(root);
        sessions.write(
            "one/a.jsonl",
            &[
                &user("u1", "2025-01-01T10:00:00Z", "first Needle, then\\nanother needle"),
                "not json needle",
                &user("u2", "2025-01-01T12:00:00Z", "nothing here"),
            ],
        );
        sessions.write(
            "two/b.jsonl",
            &[
                r#"{"type":"system","content":"needle by the system","uuid":"u3","sessionId":"s2","timestamp":"2025-01-01T20:00:00+09:00"}"#,
                r#"{"type":"summary","summary":"a needle summed up","leafUuid":"u4"}"#,
            ],
        );
        sessions.write("two/c.txt", &["needle"]);
        sessions
    }

    pub(crate) fn write(&self, name: &str, lines: &[&str]) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, lines.join("\n")).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        command.args(args).arg(&self.0).env_remove("NO_COLOR");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What it prints, which it says was found.
    pub(crate) fn found(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `file:line` of what it finds, in order.
    pub(crate) fn places(&self, args: &[&str]) -> Vec<String> {
        let text = self.found(&[args, &["--format", "jsonl"]].concat());
        let place = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let file = Path::new(value["file"].as_str().unwrap()).file_stem().unwrap();
            format!("{}{}", file.to_str().unwrap(), value["line"])
        };
        text.lines().map(place).collect()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn user(uuid: &str, time: &str, text: &str) -> String {
    format!(
        r#"{{"type":"user","message":{{"content":"{text}"}},"uuid":"{uuid}","sessionId":"s1","timestamp":"{time}"}}"#
    )
}
