//! The rows as tables for people and as JSON for programs.

use super::list::Case;
use super::rows::{Row, Sample, find};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The table of one case.
pub(super) fn table(case: &Case, rows: &[Row]) -> String {
    let mut out = format!("\n{}: {}\n", case.name, case.about);
    let _ = writeln!(
        out,
        "  {:<12} {:>9}  {:<17} {:>9}  {:<32} {:<32} goal",
        "engine",
        case.unit,
        "min..max",
        "cpu ns",
        "/ tokio-mt (min..max), of cpu",
        "/ tokio-ct (min..max), of cpu",
    );
    for row in rows {
        let Some((figures, cpu)) = row.figures().zip(row.cpu()) else {
            let _ = writeln!(out, "  {:<12} {:>9}  {}", row.engine, "-", row.error.as_deref().unwrap_or(""));
            continue;
        };
        let ratio = |base| find(rows, &row.case, base).map_or("-".into(), |base| ratios(row, base));
        let _ = writeln!(
            out,
            "  {:<12} {:>9}  {:<17} {:>9}  {:<32} {:<32} {}",
            row.engine,
            figure(figures.median),
            format!("{}..{}", figure(figures.min), figure(figures.max)),
            figure(cpu.median),
            ratio("tokio-mt"),
            ratio("tokio-ct"),
            row.error.clone().unwrap_or_else(|| goal(row, rows)),
        );
    }
    out
}

/// Three digits, or so.
pub(super) fn figure(v: f64) -> String {
    match v.abs() {
        a if a >= 100.0 => format!("{v:.0}"),
        a if a >= 10.0 => format!("{v:.1}"),
        a if a >= 1.0 => format!("{v:.2}"),
        _ => format!("{v:.3}"),
    }
}

/// The ratio of figures with its spread, and that of CPU times, which a busy machine spoils less.
fn ratios(row: &Row, base: &Row) -> String {
    let Some(r) = row.ratio(base, |s| s.value) else { return "-".into() };
    let cpu = row.ratio(base, |s| s.cpu_ns).map_or(String::new(), |r| format!(", {:.3}", r.median));
    format!("{:.3} ({:.3}..{:.3}){cpu}", r.median, r.min, r.max)
}

fn goal(row: &Row, rows: &[Row]) -> String {
    let Some(goal) = &row.goal else { return String::new() };
    let of = goal.base.as_ref().map_or(String::new(), |base| format!(" of {base}"));
    let met = match row.met(rows) {
        Some(true) => ", met",
        Some(false) => ", MISSED",
        None => "",
    };
    format!("{}{of}{met}", goal.at_most)
}

/// One line that counts the goals, and a line for each that was missed.
pub(super) fn goals(rows: &[Row]) -> String {
    let judged: Vec<(&Row, bool)> = rows.iter().filter_map(|r| Some((r, r.met(rows)?))).collect();
    let met = judged.iter().filter(|(_, met)| *met).count();
    let mut out = format!("goals: {met} of {} met", judged.len());
    for (row, _) in judged.iter().filter(|(_, met)| !met) {
        let reached = row.reached(rows).map_or("-".into(), |r| format!("{r:.3}"));
        let _ = write!(out, "\n  {} {}: {reached}, goal {}", row.engine, row.case, goal(row, rows));
    }
    out
}

/// Writes the rows as a list of objects.
pub(super) fn write_json(path: &Path, rows: &[Row]) -> Result<(), String> {
    let list: Vec<Value> = rows.iter().map(|row| object(row, rows)).collect();
    let text = serde_json::to_string_pretty(&list).map_err(|e| e.to_string())?;
    std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))
}

fn object(row: &Row, rows: &[Row]) -> Value {
    let ratio =
        |base, of: fn(&Sample) -> f64| find(rows, &row.case, base).and_then(|base| row.ratio(base, of));
    let status = match (&row.error, row.cannot) {
        (Some(_), _) => "failed",
        (None, true) => "cannot",
        (None, false) => "ok",
    };
    json!({
        "case": row.case,
        "engine": row.engine,
        "status": status,
        "error": row.error,
        "unit": row.unit,
        "workers": row.workers,
        "rounds": row.samples.len(),
        "median": row.figures().map(|s| s.median),
        "spread": row.figures(),
        "cpu_ns": row.cpu(),
        "ratio_tokio_mt": ratio("tokio-mt", |s| s.value),
        "ratio_tokio_ct": ratio("tokio-ct", |s| s.value),
        "cpu_ratio_tokio_mt": ratio("tokio-mt", |s| s.cpu_ns),
        "cpu_ratio_tokio_ct": ratio("tokio-ct", |s| s.cpu_ns),
        "goal": row.goal.as_ref().map(|g| g.at_most),
        "goal_base": row.goal.as_ref().and_then(|g| g.base.as_ref()),
        "reached": row.reached(rows),
        "met": row.met(rows),
    })
}

#[cfg(test)]
mod tests {
    use super::super::rows::Goal;
    use super::super::rows::tests::row;
    use super::*;

    fn rows() -> Vec<Row> {
        let goal = Some(Goal { base: Some("tokio-mt".into()), at_most: 0.4 });
        let mut rayon = row("rayon", &[], None);
        rayon.cannot = true;
        let mut smol = row("smol", &[], None);
        smol.error = Some("killed after 60 s".into());
        vec![row("ouzel", &[50.0, 60.0, 70.0], goal), row("tokio-mt", &[100.0; 3], None), rayon, smol]
    }

    #[test]
    fn what_was_not_measured_is_a_dash_and_null() {
        let rows = rows();
        let case = Case {
            name: "spin".into(),
            about: "turn".into(),
            unit: "ns".into(),
            ops: 1,
            base: None,
            goals: std::collections::HashMap::new(),
            counted: false,
            turns: false,
        };
        let table = table(&case, &rows);
        let line = |engine: &str| table.lines().find(|l| l.trim().starts_with(engine)).unwrap().trim();
        assert_eq!(line("rayon"), "rayon                -");
        assert!(line("smol").ends_with("-  killed after 60 s"), "{table}");
        assert!(line("ouzel").contains("0.600 (0.500..0.700)"), "{table}");
        assert!(line("ouzel").ends_with("0.4 of tokio-mt, MISSED"), "{table}");
        let o = object(&rows[2], &rows);
        assert_eq!((&o["status"], &o["median"], &o["met"]), (&json!("cannot"), &Value::Null, &Value::Null));
        assert_eq!(object(&rows[3], &rows)["error"], "killed after 60 s");
    }

    #[test]
    fn json_has_the_median_the_spread_and_the_goal() {
        let rows = rows();
        let o = object(&rows[0], &rows);
        assert_eq!(
            (&o["median"], &o["spread"]["min"], &o["spread"]["max"]),
            (&json!(60.0), &json!(50.0), &json!(70.0))
        );
        assert_eq!(o["ratio_tokio_mt"]["median"], 0.6);
        assert_eq!(o["cpu_ratio_tokio_mt"]["median"], 0.6);
        assert_eq!(
            (&o["goal"], &o["goal_base"], &o["met"]),
            (&json!(0.4), &json!("tokio-mt"), &json!(false))
        );
        assert_eq!(o["rounds"], 3);
    }

    #[test]
    fn missed_goals_are_listed() {
        assert_eq!(goals(&rows()), "goals: 0 of 1 met\n  ouzel spin: 0.600, goal 0.4 of tokio-mt, MISSED");
    }
}
