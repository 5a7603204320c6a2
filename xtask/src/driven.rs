//! A load generator in another process, told by lines when to begin.
//!
//! ```text
//! it says a line: ready -> (it is told: a line) -> a turn -> it says a line -> (told again: another turn; its stdin ends: it ends)
//! ```

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// See the module. It holds its connections open until it is ended.
#[derive(Debug)]
pub(crate) struct Driven {
    name: String,
    child: Child,
    /// None once it has been told to end.
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Driven {
    /// Starts `load` and waits until it is ready.
    pub(crate) fn start(mut load: Command) -> Result<Self, String> {
        let name = load.get_program().display().to_string();
        let spawned = load.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|e| format!("{name}: {e}"))?;
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut driven = Driven { name, child, stdin, lines };
        driven.line()?;
        Ok(driven)
    }

    /// Has it do its turn, and looks before and after; between them what it says of it.
    pub(crate) fn turn<T>(
        &mut self,
        look: &mut dyn FnMut() -> Result<T, String>,
    ) -> Result<(T, String, T), String> {
        let before = look()?;
        let stdin = self.stdin.as_mut().expect("it has not been told to end");
        let told = stdin.write_all(b"\n").and_then(|()| stdin.flush());
        told.map_err(|e| format!("{}: {e}", self.name))?;
        let said = self.line()?;
        Ok((before, said, look()?))
    }

    /// What it says next.
    pub(crate) fn line(&mut self) -> Result<String, String> {
        match self.lines.next() {
            Some(Ok(line)) => Ok(line),
            _ => Err(format!("{} failed (its reason is above)", self.name)),
        }
    }

    /// Has it close its connections and end, which must go well.
    pub(crate) fn end(mut self) -> Result<(), String> {
        drop(self.stdin.take());
        let status = self.child.wait().map_err(|e| format!("{}: {e}", self.name))?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.name)) }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Driven, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Driven::start(command)
    }

    #[test]
    fn it_takes_turns_until_it_is_ended() {
        let mut load = shell("echo ready; while read -r line; do n=$((n + 1)); echo turn $n; done").unwrap();
        let mut looks = 0;
        for turn in 1..=3 {
            let mut look = || {
                looks += 1;
                Ok(looks)
            };
            let (before, said, after) = load.turn(&mut look).unwrap();
            assert_eq!((before, said, after), (2 * turn - 1, format!("turn {turn}"), 2 * turn));
        }
        load.end().unwrap();
    }

    #[test]
    fn one_that_fails_is_an_error_at_every_stage() {
        assert!(shell("exit 3").unwrap_err().contains("sh failed"));
        let mut early = shell("echo ready; read -r line; exit 3").unwrap();
        assert!(early.turn(&mut || Ok(())).unwrap_err().contains("sh failed"));
        let late = shell("echo ready; read -r line; exit 3").unwrap();
        assert!(late.end().unwrap_err().contains("exit status: 3"));
    }
}
