//! Tables and goals.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::engines::Case;
use super::row::Row;
use super::sample::Sample;
use crate::bench::stats::Spread;

fn spread(row: &Row, of: fn(&Sample) -> f64) -> Option<Spread> {
    Spread::of(row.samples.iter().map(of))
}

fn median(row: &Row, of: fn(&Sample) -> f64) -> f64 {
    spread(row, of).map_or(f64::NAN, |s| s.median)
}

fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|r| r.contender.name == name)
}

/// `of` of `one` over that of the best of `others`, round by round.
fn ratio(rows: &[Row], one: &str, others: &[&str], of: fn(&Sample) -> f64) -> Option<Spread> {
    let ours = find(rows, one)?;
    let others: Vec<&Row> = others.iter().filter_map(|name| find(rows, name)).collect();
    let best = |round: usize| others.iter().map(|r| of(&r.samples[round])).fold(f64::INFINITY, f64::min);
    let rounds = ours.samples.iter().enumerate();
    let ratios = rounds.map(|(round, sample)| of(sample) / best(round)).filter(|_| !others.is_empty());
    Spread::of(ratios)
}

/// The rows of a case.
pub(super) fn table(case: &Case, rows: &[Row]) -> String {
    let mut out = format!("\n{}: {}\n", case.name, case.about);
    let _ = writeln!(
        out,
        "{:<15} {:>8} {:>15} {:>8} {:>7} {:>9} {:>7} {:>7} {:>10} {:>9}",
        "engine",
        "wall ms",
        "q1 to q3",
        "cpu ms",
        "waits",
        "preempted",
        "faults",
        "RSS MiB",
        "ouzel/this",
        "cpu"
    );
    for row in rows {
        let Some(wall) = spread(row, |s| s.wall_ms) else { continue };
        let of = |of: fn(&Sample) -> f64| {
            ratio(rows, "ouzel", &[row.contender.name], of).map_or(f64::NAN, |s| s.median)
        };
        let _ = writeln!(
            out,
            "{:<15} {:>8.1} {:>7.1} {:>7.1} {:>8.1} {:>7.0} {:>9.0} {:>7.0} {:>7.1} {:>10.3} {:>9.3}",
            row.contender.name,
            wall.median,
            wall.q1,
            wall.q3,
            median(row, |s| s.cpu_ms),
            median(row, |s| s.waits),
            median(row, |s| s.preempted),
            median(row, |s| s.faults),
            median(row, |s| s.resident_mib),
            of(|s| s.wall_ms),
            of(|s| s.cpu_ms),
        );
    }
    out
}

/// What was to be reached, and what was; and what was by whoever has no runtime.
pub(super) fn goals(all: &[(&Case, Vec<Row>)]) -> String {
    let mut out = String::from("\ngoals, wall time of ouzel over the best of these, medians over rounds\n");
    for (case, rows) in all {
        for goal in case.goals {
            let Some(reached) = ratio(rows, "ouzel", goal.of, |s| s.wall_ms) else { continue };
            let floor = case.floor.and_then(|name| Some((name, ratio(rows, name, goal.of, |s| s.wall_ms)?)));
            let floor = floor.map_or(String::new(), |(name, s)| format!("; {name} {:.3}", s.median));
            let met = if reached.median <= goal.at_most { "met" } else { "NOT met" };
            let cpu = ratio(rows, "ouzel", goal.of, |s| s.cpu_ms).map_or(f64::NAN, |s| s.median);
            let _ = writeln!(
                out,
                "{:<14} {:<18} at most {:.2}: {:.3} ({:.3} to {:.3}), cpu {cpu:.3}, {met}{floor}",
                case.name,
                goal.of.join(", "),
                goal.at_most,
                reached.median,
                reached.q1,
                reached.q3,
            );
        }
    }
    out
}

/// Every sample.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_json(path: &Path, all: &[(&Case, Vec<Row>)]) -> Result<(), String> {
    let sample = |s: &Sample| {
        json!({"wall_ms": s.wall_ms, "cpu_ms": s.cpu_ms, "waits": s.waits, "preempted": s.preempted,
            "faults": s.faults, "resident_mib": s.resident_mib})
    };
    let row = |case: &Case, row: &Row| {
        let samples: Vec<_> = row.samples.iter().map(sample).collect();
        json!({"case": case.name, "engine": row.contender.name, "samples": samples})
    };
    let rows: Vec<_> = all.iter().flat_map(|(case, rows)| rows.iter().map(|r| row(case, r))).collect();
    let text = serde_json::to_string_pretty(&rows).map_err(|e| e.to_string())?;
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
