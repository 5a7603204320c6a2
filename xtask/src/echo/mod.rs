//! `cargo xtask echo`: the echo servers in C and Zig beside the same on libuv.
//!
//! ```text
//! for each cell (connections x depth): start the servers, each with a load; for each round: a turn of each load
//!   -> CPU time of the server for a message, ratio to libuv's of the same round
//! --bare: loops on epoll and io_uring without a runtime take part, and libuv's server once more: what that differs by is noise
//! --counts: instructions (callgrind) and system calls (strace) for a message
//! ```
//! Servers share a CPU and loads another; one pair is at work, the others wait. Each round begins with another one. A machine
//! whose pace changes within seconds is best measured by many short rounds: `--quick`. Counts are differences of two runs, so
//! that start-up is not in them.

mod counts;
mod load;
mod programs;
pub(crate) mod server;

use crate::progress::progress;
use crate::turns::order;
use crate::workspace::Workspace;
use lexopt::prelude::*;
use load::{Cell, Load, Sample};
use programs::Contender;
use server::Server;

/// A cell, what C may cost there as a multiple of libuv, and messages of a round.
const CELLS: [(Cell, f64, u64); 3] =
    [((1, 1), 1.00, 20_000), ((64, 1), 0.95, 100_000), ((64, 16), 0.95, 800_000)];
/// Zig may cost so much, as a multiple of C on the same driver.
const ZIG: f64 = 1.05;

/// The options of `echo`.
#[derive(Debug)]
pub(crate) struct Options {
    rounds: usize,
    /// A hundredth of the messages.
    quick: bool,
    counts: bool,
    bare: bool,
    only: Option<String>,
}

impl Options {
    /// Reads what follows `echo` on the command line. `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Options { rounds: 5, quick: false, counts: false, bare: false, only: None };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("quick") => options.quick = true,
                Long("counts") => options.counts = true,
                Long("bare") => options.bare = true,
                Long("cell") => options.only = Some(parser.value()?.parse_with(cell)?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn name((connections, depth): Cell) -> String {
    format!("{connections}x{depth}")
}

fn cell(s: &str) -> Result<String, String> {
    let names: Vec<_> = CELLS.iter().map(|(cell, ..)| name(*cell)).collect();
    if names.iter().any(|n| n == s) { Ok(s.into()) } else { Err(format!("there are {}", names.join(", "))) }
}

/// Builds the servers, measures, prints.
///
/// # Errors
/// Something does not build, or a byte was wrong. A missed goal is printed and is none.
pub(crate) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    let mut contenders = programs::contenders(ws)?;
    if options.bare {
        contenders.extend(programs::bare(ws)?);
    }
    let program = programs::load(ws)?;
    for (cell, goal, ops) in CELLS {
        if options.only.as_ref().is_some_and(|only| *only != name(cell)) {
            continue;
        }
        let load = Load {
            program: &program,
            cell,
            ops: if options.quick { ops / 100 } else { ops },
            warmup: ops / 10,
        };
        if options.counts {
            counts::print(&name(cell), &contenders, load)?;
            continue;
        }
        let rounds = measure(&contenders, load, options.rounds)?;
        println!("\n{}", table(&name(cell), goal, &contenders, &rounds));
    }
    Ok(())
}

/// By round, then by contender.
fn measure(contenders: &[Contender], load: Load<'_>, rounds: usize) -> Result<Vec<Vec<Sample>>, String> {
    let pinned = ["taskset", "-c", "0"].map(String::from);
    let mut running = Vec::new();
    for contender in contenders {
        progress(&format!("{}: {}", name(load.cell), contender.name));
        let server = Server::start(&pinned, &contender.program, contender.args)?;
        let load = load.start(&server, Some(1)).map_err(|e| format!("{}: {e}", contender.name))?;
        running.push((server, load));
    }
    let mut all = Vec::new();
    for round in 0..rounds {
        let mut samples = vec![None; contenders.len()];
        for i in order(round, contenders.len()) {
            let contender = contenders[i].name;
            progress(&format!("{}, round {} of {rounds}: {contender}", name(load.cell), round + 1));
            samples[i] = Some(running[i].1.turn().map_err(|e| format!("{contender}: {e}"))?);
        }
        all.push(samples.into_iter().flatten().collect());
    }
    progress("");
    for (server, load) in running {
        load.end()?;
        server.stop()?;
    }
    Ok(all)
}

fn median(all: Vec<f64>) -> f64 {
    at(&sorted(all), 2)
}

fn sorted(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_by(f64::total_cmp);
    all
}

/// What so many quarters of all are below.
fn at(sorted: &[f64], quarters: usize) -> f64 {
    sorted.get(sorted.len() * quarters / 4).copied().unwrap_or(f64::NAN)
}

fn table(cell: &str, goal: f64, contenders: &[Contender], rounds: &[Vec<Sample>]) -> String {
    let mut out = format!(
        "{cell:<11} {:>8} {:>8} {:>8}   {:<24} goal\n",
        "cpu us", "p50 us", "p99 us", "/ libuv (quartiles)"
    );
    for (i, contender) in contenders.iter().enumerate() {
        let of = |f: fn(&Sample) -> f64| median(rounds.iter().map(|r| f(&r[i])).collect());
        let ratio_to =
            |base: usize| -> Vec<f64> { rounds.iter().map(|r| r[i].cpu_us / r[base].cpu_us).collect() };
        let ratios = sorted(ratio_to(0));
        let [low, middle, high] = [1, 2, 3].map(|quarter| at(&ratios, quarter));
        let judged = match contender.name.split_once(' ') {
            Some(("c", _)) => format!("{goal:.2}, {}", met(middle <= goal)),
            Some(("zig", driver)) => {
                let base = contenders.iter().position(|c| c.name == format!("c {driver}")).unwrap_or(0);
                let to_c = median(ratio_to(base));
                format!("{to_c:.3} of C, {ZIG}, {}", met(to_c <= ZIG))
            }
            _ => String::new(),
        };
        out += &format!(
            "{:<11} {:>8.2} {:>8.1} {:>8.1}   {:<24} {judged}\n",
            contender.name,
            of(|s| s.cpu_us),
            of(|s| s.p50_us),
            of(|s| s.p99_us),
            format!("{middle:.3} ({low:.3}..{high:.3})"),
        );
    }
    out
}

fn met(yes: bool) -> &'static str {
    if yes { "met" } else { "MISSED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round_and_zig_is_held_against_c() {
        let contender = |name| Contender { name, program: "x".into(), args: &[] };
        let contenders = [contender("libuv"), contender("c uring"), contender("zig uring")];
        let sample = |cpu_us| Sample { cpu_us, p50_us: 1.0, p99_us: 2.0 };
        // The machine was four times slower in the second round: the ratio does not show it.
        let rounds =
            [vec![sample(2.0), sample(1.0), sample(1.1)], vec![sample(8.0), sample(4.0), sample(4.4)]];
        let table = table("1x1", 0.95, &contenders, &rounds);
        assert!(table.contains("0.500 (0.500..0.500)     0.95, met"), "{table}");
        assert!(table.contains("1.100 of C, 1.05, MISSED"), "{table}");
    }

    #[test]
    fn a_cell_that_is_none_is_refused() {
        assert!(cell("64x16").is_ok());
        assert!(cell("2x2").unwrap_err().contains("64x1"));
    }
}
