//! `ouzel-steps`: see `ouzel_bench::steps`. Prints one JSON object.

use lexopt::prelude::*;
use ouzel_bench::steps::scenario;
use std::io::Write as _;
use std::process::ExitCode;

const USAGE: &str = "\
ouzel-steps: counts instructions and atomic read-modify-writes per operation by stepping the thread

usage: ouzel-steps [--engine E] [--scenario S] [--ops N] [--where]
  --engine E    only this engine
  --scenario S  only this scenario
  --ops N       operations to count (128), after as many that are not
  --where       say where in the source the read-modify-writes are
exit status: 0 done, 1 it failed, 2 bad usage";

/// What to count.
#[derive(Debug)]
struct Options {
    engine: Option<String>,
    scenario: Option<String>,
    ops: u64,
    places: bool,
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", engine, scenario, n] => {
            n.parse().map_err(|e| format!("{e}")).and_then(|n| scenario::run(engine, scenario, n))
        }
        _ => match parse() {
            Ok(Some(options)) => steps::print(&options),
            Ok(None) => {
                let _ = writeln!(std::io::stdout(), "{USAGE}");
                Ok(())
            }
            Err(e) => {
                eprintln!("ouzel-steps: {e}; see --help");
                return ExitCode::from(2);
            }
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ouzel-steps: {e}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options { engine: None, scenario: None, ops: 128, places: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Long("engine") => options.engine = Some(parser.value()?.string()?),
            Long("scenario") => options.scenario = Some(parser.value()?.string()?),
            Long("ops") => options.ops = parser.value()?.parse()?,
            Long("where") => options.places = true,
            other => return Err(other.unexpected()),
        }
    }
    let known = |name: &Option<String>, mut names: Box<dyn Iterator<Item = &str>>| {
        name.as_deref().is_none_or(|name| names.any(|n| n == name))
    };
    if !known(&options.engine, Box::new(scenario::ENGINES.iter().copied())) {
        return Err(format!("no such engine; there are {}", scenario::ENGINES.join(", ")).into());
    }
    if !known(&options.scenario, Box::new(scenario::SCENARIOS.iter().map(|s| s.name))) {
        return Err("no such scenario".into());
    }
    Ok(Some(options))
}

#[cfg(all(feature = "steps", target_arch = "x86_64"))]
mod steps {
    use super::{Options, scenario};
    use ouzel_bench::steps::count::Counts;
    use ouzel_bench::steps::places::Places;
    use ouzel_bench::steps::trace;
    use serde_json::{Value, json};

    pub(super) fn print(options: &Options) -> Result<(), String> {
        let places = if options.places { Some(Places::new().map_err(|e| e.to_string())?) } else { None };
        let mut cells = Vec::new();
        for s in scenario::SCENARIOS {
            for &engine in scenario::ENGINES {
                if options.engine.as_deref().is_some_and(|e| e != engine)
                    || options.scenario.as_deref().is_some_and(|n| n != s.name)
                {
                    continue;
                }
                // Twice: what does not repeat is said to.
                let run = || {
                    trace::count(engine, s.name, options.ops)
                        .map_err(|e| format!("{engine}, {}: {e}", s.name))
                };
                let (counts, again) = (run()?, run()?);
                let per_op = |n: u64| n as f64 / options.ops as f64;
                cells.push(json!({
                    "engine": engine, "scenario": s.name, "about": s.about,
                    "goal": match engine { "ouzel" => json!(s.goal), "ouzel-local" => json!(0), _ => Value::Null },
                    "rmw": per_op(counts.rmw), "rmw_again": per_op(again.rmw),
                    "insns": per_op(counts.insns), "insns_again": per_op(again.insns),
                    "syscalls": per_op(counts.syscalls),
                    "where": places.as_ref().map(|p| places_of(p, &counts, options.ops)).transpose()?,
                }));
            }
        }
        println!("{}", json!({"ops": options.ops, "cells": cells}));
        Ok(())
    }

    /// The places of a run, the most frequent first.
    fn places_of(places: &Places, counts: &Counts, ops: u64) -> Result<Value, String> {
        let mut all: Vec<_> = counts.places.iter().collect();
        all.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let all = all.into_iter().map(|(at, n)| {
            let frames = places.of(*at).map_err(|e| e.to_string())?;
            Ok(json!({"rmw": *n as f64 / ops as f64, "frames": frames}))
        });
        all.collect()
    }
}

#[cfg(not(all(feature = "steps", target_arch = "x86_64")))]
mod steps {
    pub(super) fn print(_: &super::Options) -> Result<(), String> {
        Err("this build cannot step: it takes Linux on x86-64 and the feature `steps`".into())
    }
}
