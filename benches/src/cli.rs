//! The command line of a cell: one case on one engine, in this process; prints one JSON object.
//!
//! Two programs share it. `ouzel-cell` measures time; `ouzel-cell-counted` runs under an allocator that
//! counts, for the cases that want it.

use crate::case::CASES;
use crate::cell::{ENGINES, NoOutcome, find_case, run};
use crate::echo::{cpus, pin};
use crate::measure::{Loader, Outcome, Plan, Told};
use lexopt::prelude::*;
use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;

const USAGE: &str = "\
ouzel-cell: runs one case on one engine and prints one JSON object

usage: ouzel-cell --engine E --case C [options]
  --ops N       operations to measure, exactly (the case's own number)
  --warmup N    operations before that (a tenth)
  --workers N   worker threads of engines that have them (one per CPU)
  --turns       of an echo: after its object wait on stdin, for a line, which begins another turn over the same
                connections, or the end
  --list        print the engines of this build and the cases, as JSON
exit status: 0 done; 1 it failed; 2 bad usage; 3 this engine cannot run this case";

/// What both programs do.
#[must_use]
pub fn main() -> ExitCode {
    match parse() {
        Ok(Command::Help) => drop(writeln!(std::io::stdout(), "{USAGE}")),
        Ok(Command::List) => println!("{}", list()),
        Ok(Command::Run(asked)) => {
            return cell(&asked).unwrap_or_else(|e| {
                eprintln!("ouzel-cell: {e}");
                ExitCode::from(match e {
                    NoOutcome::Unknown(_) => 2,
                    NoOutcome::CannotRun => 3,
                    NoOutcome::Wrong(_) => 1,
                })
            });
        }
        Err(e) => {
            eprintln!("ouzel-cell: {e}; see --help");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

enum Command {
    Help,
    List,
    Run(Asked),
}

/// What to run.
struct Asked {
    engine: String,
    case: String,
    ops: Option<u64>,
    warmup: Option<u64>,
    workers: Option<usize>,
    turns: bool,
}

fn parse() -> Result<Command, lexopt::Error> {
    let (mut engine, mut case, mut ops, mut warmup, mut workers) = (None, None, None, None, None);
    let mut turns = false;
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("list") => return Ok(Command::List),
            Long("engine") => engine = Some(parser.value()?.string()?),
            Long("case") => case = Some(parser.value()?.string()?),
            Long("ops") => ops = Some(parser.value()?.parse()?),
            Long("warmup") => warmup = Some(parser.value()?.parse()?),
            Long("workers") => workers = Some(parser.value()?.parse()?),
            Long("turns") => turns = true,
            other => return Err(other.unexpected()),
        }
    }
    let (Some(engine), Some(case)) = (engine, case) else {
        return Err("--engine and --case are needed".into());
    };
    Ok(Command::Run(Asked { engine, case, ops, warmup, workers, turns }))
}

fn list() -> Value {
    let cases: Vec<_> = CASES
        .iter()
        .map(|c| {
            json!({
                "name": c.name, "about": c.about, "unit": c.unit, "ops": c.ops, "base": c.goal.base,
                "counted": c.counted, "turns": c.has_turns(),
                "goals": {"ouzel": c.goal.shared, "ouzel-local": c.goal.local},
            })
        })
        .collect();
    json!({"engines": ENGINES, "cases": cases})
}

fn cell(asked: &Asked) -> Result<ExitCode, NoOutcome> {
    let case = find_case(&asked.case)?;
    if asked.turns && !case.has_turns() {
        return Err(NoOutcome::Unknown(format!("{} has no turns", case.name)));
    }
    let ops = asked.ops.unwrap_or(case.ops);
    let workers = asked.workers.unwrap_or_else(|| available_parallelism().map_or(1, |n| n.get()));
    let mut plan = Plan { ops, warmup: asked.warmup.unwrap_or(ops / 10), workers, loader: None };
    if case.has_turns() {
        let told = if asked.turns { say_and_wait } else { |_: &Plan, _: &Outcome| false };
        keep_apart(&mut plan, told).map_err(|e| NoOutcome::Wrong(format!("no outside load: {e}")))?;
    }
    let outcome = run(&asked.engine, case, plan)?;
    if !asked.turns {
        say(&plan, &outcome);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says a turn's outcome and waits for a line; false at the end of stdin, and when not all was done, which [`run`] reports.
fn say_and_wait(plan: &Plan, outcome: &Outcome) -> bool {
    if outcome.done != plan.ops {
        return false;
    }
    say(plan, outcome);
    std::io::stdin().lock().read_line(&mut String::new()).is_ok_and(|n| n > 0)
}

fn say(plan: &Plan, outcome: &Outcome) {
    let (value, cpu_ns) = (outcome.value(), outcome.cpu_ns());
    println!("{}", json!({"workers": plan.workers, "ops": outcome.done, "value": value, "cpu_ns": cpu_ns}));
}

/// Gives the load the last CPU for itself and the server the others, with at most a worker on each.
fn keep_apart(plan: &mut Plan, told: Told) -> std::io::Result<()> {
    let program: &Path = Box::leak(std::env::current_exe()?.with_file_name("ouzel-echo").into_boxed_path());
    let cpus = cpus()?;
    let cpu = match cpus.split_last() {
        Some((last, others)) if !others.is_empty() => {
            pin(others)?;
            plan.workers = plan.workers.min(others.len());
            Some(*last)
        }
        _ => None,
    };
    plan.loader = Some(Loader { program, cpu, told });
    Ok(())
}
