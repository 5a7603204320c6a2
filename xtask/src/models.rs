//! `cargo xtask loom` and `cargo xtask shuttle`: runs the models and says what each explored.
//!
//! A model prints `loom-model NAME SCHEDULES SECONDS` (or `shuttle-model ..`) when it is done. One that
//! explored a hundred schedules or fewer proves nothing (its threads never meet) and counts as failed.
//!
//! | tool | what it explores | of |
//! |---|---|---|
//! | loom | every schedule within a bound, and every value that the orderings allow a load | one protocol |
//! | shuttle | random schedules from given seeds, all orderings taken for SeqCst | the scheduler as it is |

use crate::workspace::{Tool, Workspace, build};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A model must explore more schedules than this.
const FEW: u64 = 100;
/// Longest time without a word from the models. Each takes seconds, on a machine that does nothing else.
const SILENCE: Duration = Duration::from_secs(600);
/// The same for those that take minutes each.
const LONG_SILENCE: Duration = Duration::from_secs(3600);

/// What one model printed.
#[derive(Debug, PartialEq)]
struct Model {
    name: String,
    schedules: u64,
    seconds: f64,
}

/// Which models to run, and how far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice<'a> {
    /// Part of the names; empty for all.
    pub(crate) filter: &'a str,
    /// Those that are ignored for taking minutes, instead of the others.
    pub(crate) long: bool,
    /// shuttle's seeds: the first, and how many. Without them its own fixed set.
    pub(crate) seeds: Option<(u64, u64)>,
    /// When to stop, whatever is left: that is no failure.
    pub(crate) until: Option<Instant>,
}

/// Builds and runs the models that `choice` names.
///
/// # Errors
/// A model failed or explored too little, or there was none.
pub(crate) fn run(ws: &Workspace, tool: Tool, choice: Choice<'_>) -> Result<(), String> {
    let Choice { filter, long, seeds, until } = choice;
    let binary = build_models(ws.cargo_under(tool, &[]))?;
    println!("{:<60} {:>10} {:>9}", "model", "schedules", "seconds");
    let start = Instant::now();
    let mut command = Command::new(binary);
    if let Some((first, seeds)) = seeds {
        command.env("OUZEL_SHUTTLE_FIRST", first.to_string()).env("OUZEL_SHUTTLE_SEEDS", seeds.to_string());
    }
    let mut child = command
        .args([if filter.is_empty() { tool.models() } else { filter }, "--nocapture"])
        .args(long.then_some("--ignored"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("the models: {e}"))?;
    let mut models = Vec::new();
    let mut said = Vec::new();
    let lines = lines_of(child.stdout.take().expect("it is piped"));
    let patience = if long { LONG_SILENCE } else { SILENCE };
    let (mut over, mut stuck) = (false, false);
    loop {
        let left = until.map_or(patience, |until| until.saturating_duration_since(Instant::now()));
        match lines.recv_timeout(left.min(patience)) {
            Ok(line) => match parse(tool, &line) {
                Some(model) => {
                    println!("{:<60} {:>10} {:>9.2}", model.name, model.schedules, model.seconds);
                    models.push(model);
                }
                None => {
                    if line.contains("running for over") {
                        println!("{line}");
                    }
                    said.push(line);
                }
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                (over, stuck) = (left < patience, left >= patience);
                break;
            }
        }
    }
    if over || stuck {
        child.kill().map_err(|e| format!("the models: {e}"))?;
    }
    let status = child.wait().map_err(|e| format!("the models: {e}"))?;
    let schedules: u64 = models.iter().map(|m| m.schedules).sum();
    let few: Vec<&str> = models.iter().filter(|m| m.schedules <= FEW).map(|m| &*m.name).collect();
    let result = if stuck {
        println!("{}", said.join("\n"));
        Err(format!("no model ended for {} s: one explores too much", patience.as_secs()))
    } else if over && !said.iter().any(|line| line.ends_with("FAILED")) {
        println!("(stopped: the time is over)");
        Ok(())
    } else if !status.success() {
        println!("{}", said.join("\n"));
        Err(format!("a model failed: {status}"))
    } else if models.is_empty() {
        Err(format!("no model's name contains {filter:?}"))
    } else if !few.is_empty() {
        Err(format!("{FEW} schedules or fewer: {}", few.join(", ")))
    } else {
        Ok(())
    };
    println!("{} models, {schedules} schedules, {:.1} s", models.len(), start.elapsed().as_secs_f64());
    result
}

/// The lines of a pipe, read by a thread so that the reader can lose patience.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        lines.take_while(|line| send.send(line.clone()).is_ok()).for_each(drop);
    });
    receive
}

/// Builds the test program of core that holds the models; `cargo` is a bare command of the right kind.
///
/// # Errors
/// It does not compile.
pub(crate) fn build_models(mut cargo: Command) -> Result<PathBuf, String> {
    let args = ["test", "-p", "ouzel-core", "--features", "std", "--profile", "plain", "--lib", "--no-run"];
    let artifacts = build(cargo.args(args))?;
    let found = artifacts.into_iter().filter(|a| a.name == "ouzel_core").find_map(|a| a.executable);
    found.ok_or_else(|| "cargo names no test program of ouzel-core".into())
}

/// Reads a model's line, which may stand behind what the test harness had printed on it.
fn parse(tool: Tool, line: &str) -> Option<Model> {
    let (_, rest) = line.split_once(&format!("{}-model ", tool.name()))?;
    let mut words = rest.split_whitespace();
    let name = words.next()?.to_string();
    Some(Model { name, schedules: words.next()?.parse().ok()?, seconds: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_with_and_without_the_harness_before_it() {
        let want = Some(Model { name: "ring".into(), schedules: 467, seconds: 0.04 });
        assert_eq!(parse(Tool::Loom, "loom-model ring 467 0.04"), want);
        assert_eq!(parse(Tool::Shuttle, "test a::whole_ring ... shuttle-model ring 467 0.04"), want);
        assert_eq!(parse(Tool::Loom, "test queue::loom_tests::loom_ring ... ok"), None);
    }
}
