//! `ouzel-cell`: one case on one engine, in this process; prints one JSON object.

use lexopt::prelude::*;
use ouzel_bench::case::CASES;
use ouzel_bench::cell::{ENGINES, NoOutcome, find_case, run};
use ouzel_bench::measure::Plan;
use serde_json::{Value, json};
use std::process::ExitCode;

const USAGE: &str = "\
ouzel-cell: runs one case on one engine and prints one JSON object

usage: ouzel-cell --engine E --case C [options]
  --ops N       operations to measure, exactly (the case's own number)
  --warmup N    operations before that (a tenth)
  --workers N   worker threads of engines that have them (one per CPU)
  --list        print the engines of this build and the cases, as JSON
exit status: 0 done; 1 it failed; 2 bad usage; 3 this engine cannot run this case";

fn main() -> ExitCode {
    match parse() {
        Ok(Command::Help) => println!("{USAGE}"),
        Ok(Command::List) => println!("{}", list()),
        Ok(Command::Run { engine, case, ops, warmup, workers }) => {
            return cell(&engine, &case, ops, warmup, workers).unwrap_or_else(|e| {
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
    Run { engine: String, case: String, ops: Option<u64>, warmup: Option<u64>, workers: Option<usize> },
}

fn parse() -> Result<Command, lexopt::Error> {
    let (mut engine, mut case, mut ops, mut warmup, mut workers) = (None, None, None, None, None);
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
            other => return Err(other.unexpected()),
        }
    }
    let (Some(engine), Some(case)) = (engine, case) else {
        return Err("--engine and --case are needed".into());
    };
    Ok(Command::Run { engine, case, ops, warmup, workers })
}

fn list() -> Value {
    let cases: Vec<_> = CASES
        .iter()
        .map(|c| {
            json!({
                "name": c.name, "about": c.about, "unit": c.unit, "ops": c.ops, "base": c.goal.base,
                "goals": {"ouzel": c.goal.shared, "ouzel-local": c.goal.local},
            })
        })
        .collect();
    json!({"engines": ENGINES, "cases": cases})
}

fn cell(
    engine: &str,
    case: &str,
    ops: Option<u64>,
    warmup: Option<u64>,
    workers: Option<usize>,
) -> Result<ExitCode, NoOutcome> {
    let case = find_case(case)?;
    let ops = ops.unwrap_or(case.ops);
    let workers = workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let plan = Plan { ops, warmup: warmup.unwrap_or(ops / 10), workers };
    let outcome = run(engine, case, plan)?;
    println!(
        "{}",
        json!({
            "engine": engine, "case": case.name, "unit": case.unit, "workers": workers,
            "ops": outcome.done, "value": outcome.value(), "cpu_ns": outcome.cpu_ns(),
        })
    );
    Ok(ExitCode::SUCCESS)
}
