//! `cargo xtask bench`: ouzel and its peers at the same work.
//!
//! ```text
//! build ouzel-cell with the peers -> ask it for engines and cases
//!   -> for each case, for each round, for each engine: one process, one figure (of an echo: a turn of a process that lives through
//!      the rounds)
//!   -> ratios within a round, their median and spread -> table, JSON
//! ```
//! A process runs one case on one engine, so that nothing one leaves behind (warm memory, threads) is
//! another's head start. Engines take turns within a round and each round begins with another one, so that a
//! machine that is busy for a while is busy for all; a ratio is of two figures of the same round.

mod answer;
mod cell;
mod list;
mod living;
mod markdown;
mod options;
mod report;
mod rows;
pub(crate) mod search;
mod stats;
mod switches;

use crate::progress::progress;
use crate::turns::order;
use crate::workspace::Workspace;
use answer::Answer;
use cell::Programs;
use list::{Case, List};
use living::Living;
pub(crate) use options::Options;
use rows::Row;

/// Runs the benchmarks.
///
/// # Errors
/// Something does not build, a name is unknown, or a cell of ours failed. Of a peer's that is told and no
/// more.
pub(crate) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    if !options.switches.is_empty() {
        return switches::run(ws, options);
    }
    if search::is_asked_for(options) {
        return search::run(ws, options);
    }
    let programs = build_programs(ws)?;
    let list = List::read(&programs.list()?)?;
    if options.list {
        println!("{list}");
        return Ok(());
    }
    let engines = list.select_engines(&options.engines)?;
    let cases = list.select_cases(&options.cases)?;
    let mut rows = Vec::new();
    let mut bar = Bar { done: 0, total: cases.len() * engines.len() * options.rounds() };
    for case in cases {
        let of_case = measure(&programs, case, &engines, options, &mut bar)?;
        progress("");
        print!("{}", report::table(case, &of_case));
        rows.extend(of_case);
        if let Some(path) = &options.json {
            report::write_json(path, &rows)?;
        }
        if let Some(path) = &options.markdown {
            markdown::write(path, &rows)?;
        }
    }
    println!("\n{}", report::goals(&rows));
    let ours = rows.iter().filter(|r| r.engine.starts_with("ouzel"));
    let failed: Vec<_> =
        ours.filter(|r| r.error.is_some()).map(|r| format!("{} {}", r.engine, r.case)).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Builds the programs that run a cell, with the peers.
fn build_programs(ws: &Workspace) -> Result<Programs, String> {
    let mut cargo = ws.cargo(&["build", "--profile", "plain", "-p", "ouzel-bench", "--features", "peers"]);
    Programs::build(&mut cargo)
}

/// How far it is.
struct Bar {
    done: usize,
    total: usize,
}

fn measure(
    programs: &Programs,
    case: &Case,
    engines: &[String],
    options: &Options,
    bar: &mut Bar,
) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = engines.iter().map(|engine| Row::new(case, engine)).collect();
    let mut contestants: Vec<_> = engines.iter().map(|_| Contestant::default()).collect();
    for round in 0..options.rounds() {
        for at in order(round, engines.len()) {
            let row = &mut rows[at];
            bar.done += 1;
            if row.cannot || row.error.is_some() {
                continue;
            }
            progress(&format!(
                "[{}/{}] {}, round {} of {}: {}",
                bar.done,
                bar.total,
                case.name,
                round + 1,
                options.rounds(),
                row.engine
            ));
            row.note(round, contestants[at].answer(programs, case, &row.engine, options)?);
        }
    }
    Ok(rows)
}

/// An engine at a case, round after round.
#[derive(Default)]
struct Contestant {
    /// Of a case that has turns, from the first on.
    living: Option<Living>,
}

impl Contestant {
    fn answer(
        &mut self,
        programs: &Programs,
        case: &Case,
        engine: &str,
        options: &Options,
    ) -> Result<Answer, String> {
        if !case.turns {
            return programs.run(case, engine, options);
        }
        let living = match self.living.take() {
            Some(mut living) => {
                living.again();
                living
            }
            None => programs.start(case, engine, options)?,
        };
        Ok(self.living.insert(living).answer())
    }
}
