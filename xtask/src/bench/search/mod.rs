//! `cargo xtask bench --cases search`: one matcher on several engines, over the same files.
//!
//! A process of `ouzel-search` is one figure: from its start to its end, with what the system counts of it. Engines take turns in
//! a round, and a ratio is of two figures of the same round, as in the other cases. Before a warm case all files and
//! the program are read anew, and before each round what is not in memory any more. In cold rounds the system's caches are dropped
//! before each process, where that is permitted, and the program is loaded again.

mod caches;
mod corpus;
mod engines;
pub(crate) mod overhead;
mod report;
mod row;
mod sample;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::options::Options;
use crate::progress::progress;
use crate::turns::order;
use crate::workspace::{self, Workspace, build};
use caches::{cold, keep_warm, load, warm};
use corpus::find_or_make;
use engines::{CASES, Case};
use row::Row;

/// Rounds at the least, unless told otherwise.
const ROUNDS: usize = 9;
/// Threads of every engine.
const THREADS: usize = 2;

/// Whether one of the names asked for is ours.
pub(super) fn is_asked_for(options: &Options) -> bool {
    options.cases.iter().any(|name| name.starts_with("search"))
}

/// Runs the cases asked for, and only those.
///
/// # Errors
/// Something does not build, there are no files to search, or a process failed.
pub(super) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    if let Some(other) = options.cases.iter().find(|name| !name.starts_with("search")) {
        return Err(format!("the cases of search run by themselves, without {other}"));
    }
    let cases: Vec<&Case> =
        CASES.iter().filter(|c| options.cases.iter().any(|name| c.name.starts_with(name.as_str()))).collect();
    if options.list {
        CASES.iter().for_each(|c| println!("{:<14} {}", c.name, c.about));
        return Ok(());
    }
    let program = program(ws)?;
    let files = find_or_make(ws, options.corpus.as_deref(), if options.quick { 0.05 } else { 1.0 })?;
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { ROUNDS });
    let mut all = Vec::new();
    for case in cases {
        if case.cold && cold().is_err() {
            println!("\n{}: skipped, the system's caches cannot be dropped here", case.name);
            continue;
        }
        let rows = measure(&program, &files, case, options, rounds)?;
        progress("");
        print!("{}", report::table(case, &rows));
        all.push((case, rows));
    }
    println!("{}", report::goals(&all));
    if let Some(path) = &options.json {
        report::write_json(path, &all)?;
    }
    Ok(())
}

/// The search with every engine.
///
/// # Errors
/// It does not build.
fn program(ws: &Workspace) -> Result<PathBuf, String> {
    let mut cargo = ws.cargo(&["build", "--release", "-p", "ouzel-search", "--features", "peers"]);
    let artifacts = build(&mut cargo)?;
    let program = artifacts.into_iter().filter(|a| a.name == "ouzel-search").find_map(|a| a.executable);
    program.ok_or_else(|| "cargo names no ouzel-search".into())
}

fn measure(
    program: &Path,
    files: &Path,
    case: &'static Case,
    options: &Options,
    rounds: usize,
) -> Result<Vec<Row>, String> {
    let wanted = |name: &str| {
        options.engines.is_empty() || options.engines.iter().any(|e| name.starts_with(e.as_str()))
    };
    let there = case.contenders.iter().filter(|c| wanted(c.name) && c.is_here());
    let mut rows: Vec<Row> = there.map(|contender| Row { contender, samples: Vec::new() }).collect();
    let threads = options.workers.unwrap_or(THREADS);
    if !case.cold {
        warm(files)?;
        load(program)?;
    }
    // One round more, which is not counted: programs come into memory.
    for round in 0..=rounds {
        if !case.cold {
            keep_warm(files)?;
        }
        for at in order(round, rows.len()) {
            let contender = rows[at].contender;
            progress(&format!("{}, round {round} of {rounds}: {}", case.name, contender.name));
            if case.cold {
                cold()?;
                // What the system loads to start a program at all is on no engine's account: 40 ms from a disk.
                load(program)?;
                workspace::run(Command::new(program).arg("--version").stdout(Stdio::null()))?;
            }
            let sample = contender.run(program, files, case, threads, options.limit)?;
            if round > 0 {
                rows[at].samples.push(sample);
            }
        }
    }
    Ok(rows)
}
