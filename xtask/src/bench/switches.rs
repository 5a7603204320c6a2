//! `cargo xtask bench --switches all`: variants of the scheduler against the one that ships.
//!
//! Each is ouzel built with `--cfg ouzel_switch="NAME"` (`core/src/config.rs`) into a folder of its own; rounds take
//! turns as between engines, and a ratio is to the default in the same round.

use super::cell::Programs;
use super::list::List;
use super::options::Options;
use super::report;
use super::rows::{Row, Sample, find};
use crate::progress::progress;
use crate::turns::order;
use crate::workspace::Workspace;
use std::time::Instant;

/// What ships.
const DEFAULT: &str = "default";

/// The variants: name, and what is different.
const SWITCHES: &[(&str, &str)] = &[
    ("lifo_0", "no LIFO slot"),
    ("lifo_4", "four LIFO slots in place of one"),
    ("shards_1", "one injection shard in place of up to eight"),
    ("inject_stack", "producers push by CAS in place of a lock"),
    ("boxed", "each future in a malloc of its own in place of its slab cell"),
    ("membarrier", "no fence for who pushes; who parks pays for both"),
    ("spin", "look for work a little longer where sleeps are short"),
];

/// Message passing, bursts, and for each what should hurt it most.
const CASES: &[&str] = &[
    "ping_pong",
    "chained_spawn",
    "yield_many",
    "behind_long_poll",
    "behind_40ms_poll",
    "spawn_join",
    "spawn_detached",
    "fork_join",
    "fan_out",
    "remote_inject_1",
    "remote_inject_4",
    "wake_storm",
];

/// Builds the chosen variants and measures them.
pub(super) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    let mut variants = vec![(DEFAULT, build_variant(ws, None)?)];
    for name in chosen(&options.switches)? {
        variants.push((name, build_variant(ws, Some(name))?));
    }
    let list = List::read(&variants[0].1.list()?)?;
    let default_cases: Vec<String> = CASES.iter().map(|c| c.to_string()).collect();
    let wanted = if options.cases.is_empty() { &default_cases } else { &options.cases };
    let mut rows: Vec<Row> = Vec::new();
    let start = Instant::now();
    for case in list.select_cases(wanted)? {
        let mut of_case: Vec<Row> = variants.iter().map(|(name, _)| Row::new(case, name)).collect();
        for round in 0..options.rounds() {
            for i in order(round, variants.len()) {
                let (name, programs) = &variants[i];
                progress(&format!("{}, round {} of {}: {name}", case.name, round + 1, options.rounds()));
                if of_case[i].error.is_none() {
                    of_case[i].note(round, programs.run(case, "ouzel", options)?);
                }
            }
        }
        progress("");
        println!("{}: {}", case.name, case.about);
        of_case[1..].iter().for_each(|row| println!("  {:<13} {}", row.engine, ratios(row, &of_case)));
        rows.extend(of_case);
        if let Some(path) = &options.json {
            report::write_json(path, &rows)?;
        }
    }
    println!("{} rounds, {:.0} s beside the builds", options.rounds(), start.elapsed().as_secs_f64());
    println!("\n{}", markdown(&variants.iter().map(|v| v.0).collect::<Vec<_>>(), &rows));
    let failed: Vec<_> =
        rows.iter().filter(|r| r.error.is_some()).map(|r| format!("{} {}", r.engine, r.case)).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// The names asked for, `all` being all.
fn chosen(wanted: &[String]) -> Result<Vec<&'static str>, String> {
    let names = || SWITCHES.iter().map(|s| s.0);
    if wanted.iter().any(|w| w == "all") {
        return Ok(names().collect());
    }
    let find = |want: &String| {
        let list = || SWITCHES.iter().map(|(n, about)| format!("\n  {n:<13} {about}")).collect::<String>();
        names()
            .find(|n| n == want)
            .ok_or_else(|| format!("no switch is called {want:?}; there are{}", list()))
    };
    wanted.iter().map(find).collect()
}

fn build_variant(ws: &Workspace, switch: Option<&str>) -> Result<Programs, String> {
    let mut cargo = ws.cargo(&["build", "--profile", "plain", "-p", "ouzel-bench"]);
    cargo.arg("--target-dir").arg(ws.target.join("switches").join(switch.unwrap_or(DEFAULT)));
    if let Some(switch) = switch {
        cargo.env("RUSTFLAGS", format!("--cfg ouzel_switch=\"{switch}\""));
    }
    Programs::build(&mut cargo)
}

/// Ratio to the default with its spread, then that of CPU time.
fn ratios(row: &Row, all: &[Row]) -> String {
    let of = |part: fn(&Sample) -> f64| row.ratio(find(all, &row.case, DEFAULT)?, part);
    match (of(|s| s.value), of(|s| s.cpu_ns), &row.error) {
        (_, _, Some(why)) => why.clone(),
        (Some(r), Some(cpu), None) => {
            format!("{:.2} ({:.2}..{:.2}), cpu {:.2}", r.median, r.min, r.max, cpu.median)
        }
        _ => "-".into(),
    }
}

/// The table for `docs/design-decisions.md`: a line for each case, a column for each variant.
fn markdown(variants: &[&str], rows: &[Row]) -> String {
    let mut out = format!("| case | {} |\n|---|{}\n", variants.join(" | "), "---|".repeat(variants.len()));
    for default in rows.iter().filter(|r| r.engine == DEFAULT) {
        let figure = default.figures().map_or("-".into(), |f| format!("{:.1} {}", f.median, default.unit));
        let others = variants[1..]
            .iter()
            .map(|v| find(rows, &default.case, v).map_or("-".into(), |row| ratios(row, rows)));
        out += &format!("| {} | {figure} | {} |\n", default.case, others.collect::<Vec<_>>().join(" | "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::row;
    use super::*;

    #[test]
    fn every_switch_is_one_that_the_compiler_checks() {
        let manifest = include_str!("../../../Cargo.toml");
        let line = manifest.lines().find(|l| l.contains("cfg(ouzel_switch")).expect("the lint knows them");
        let known: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        assert_eq!(known, SWITCHES.iter().map(|s| s.0).collect::<Vec<_>>());
    }

    #[test]
    fn all_is_all_and_an_unknown_one_is_told_what_there_is() {
        assert_eq!(chosen(&["all".into()]).unwrap().len(), SWITCHES.len());
        assert_eq!(chosen(&["spin".into(), "lifo_0".into()]).unwrap(), ["spin", "lifo_0"]);
        assert!(chosen(&["lifo".into()]).unwrap_err().contains("lifo_4"));
    }

    #[test]
    fn the_table_has_ratios_to_the_default() {
        let rows = [row(DEFAULT, &[10.0, 20.0], None), row("spin", &[5.0, 30.0], None)];
        let table = markdown(&[DEFAULT, "spin"], &rows);
        assert!(table.ends_with("| spin | 15.0 ns | 1.00 (0.50..1.50), cpu 1.00 |\n"), "{table}");
    }
}
