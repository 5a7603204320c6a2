//! A cell that lives through the rounds of its case and measures again each time it is told to.
//!
//! ```text
//! started -> it says a figure -> (told: a line) -> another figure -> ... -> (its stdin ends) -> it ends
//! ```
//! Starting a server, its load and their connections takes longer than a turn of theirs. Without that a turn may be milliseconds,
//! so that all engines have theirs while the machine is in one state.

use super::answer::{Answer, ended, figure};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(super) struct Living {
    child: Child,
    /// None once it has been told to end.
    stdin: Option<ChildStdin>,
    /// What it says, until it has closed its stdout.
    lines: Receiver<String>,
    /// How long a turn may take.
    limit: Duration,
}

impl Living {
    /// Starts it; its first turn begins by itself.
    ///
    /// # Errors
    /// It could not be started at all.
    pub(super) fn start(command: &mut Command, limit: Duration) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = command.get_program().display().to_string();
        let mut child = command.spawn().map_err(|e| format!("{name}: {e}"))?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (say, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| say.send(line).map_err(drop))
        });
        Ok(Living { child, stdin, lines, limit })
    }

    /// Tells it to measure again.
    pub(super) fn again(&mut self) {
        // One that has ended says so where its figure is awaited.
        let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(b"\n"));
    }

    /// What the turn that has begun comes to.
    pub(super) fn answer(&mut self) -> Answer {
        match self.lines.recv_timeout(self.limit) {
            Ok(said) => figure(&said).unwrap_or_else(|| Answer::Failed(format!("it said {said:?}"))),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                Answer::Failed(format!("killed after {} s", self.limit.as_secs()))
            }
            Err(RecvTimeoutError::Disconnected) => ended(&mut self.child),
        }
    }
}

impl Drop for Living {
    /// Has it end, which takes no longer than a turn may.
    fn drop(&mut self) {
        drop(self.stdin.take());
        if self.lines.recv_timeout(self.limit) == Err(RecvTimeoutError::Timeout) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Living {
        Living::start(Command::new("sh").args(["-c", script]), limit).expect("there is a shell")
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn it_answers_a_turn_at_a_time() {
        let script = r#"n=1; echo '{"value": 1, "cpu_ns": 7, "workers": 2}'
            while read -r line; do n=$((n + 1)); echo "{\"value\": $n, \"cpu_ns\": 7, \"workers\": 2}"; done"#;
        let mut cell = shell(script, LONG);
        for turn in 1..=3u8 {
            if turn > 1 {
                cell.again();
            }
            assert_eq!(cell.answer(), Answer::Figure { value: turn.into(), cpu_ns: 7.0, workers: 2 });
        }
    }

    #[test]
    fn one_that_ends_or_hangs_says_why_at_every_stage() {
        assert_eq!(shell("exit 3", LONG).answer(), Answer::CannotRun);
        let Answer::Failed(why) = shell("echo because >&2; exit 1", LONG).answer() else {
            panic!("it passed")
        };
        assert!(why.ends_with(": because"), "{why}");
        let mut late = shell(r#"echo '{"value": 1, "cpu_ns": 7, "workers": 2}'; read -r line; exit 1"#, LONG);
        assert!(matches!(late.answer(), Answer::Figure { .. }));
        late.again();
        assert!(matches!(late.answer(), Answer::Failed(_)));
        let hung = shell("exec sleep 1000", Duration::from_millis(1)).answer();
        assert_eq!(hung, Answer::Failed("killed after 0 s".into()));
    }
}
