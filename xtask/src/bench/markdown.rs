//! The rows as two tables for `docs/`: all medians, and our goals.

use super::report::figure;
use super::rows::{Row, find};
use std::fmt::Write;
use std::path::Path;

/// Writes both tables.
pub(super) fn write(path: &Path, rows: &[Row]) -> Result<(), String> {
    let text = format!("{}\n{}", medians(rows), goals(rows));
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// A line for each case, a column for each engine. Best in bold.
fn medians(rows: &[Row]) -> String {
    let mut engines: Vec<&str> = Vec::new();
    let mut cases: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !engines.contains(&&*row.engine) {
            engines.push(&row.engine);
        }
        if !cases.contains(&(&row.case, &row.unit)) {
            cases.push((&row.case, &row.unit));
        }
    }
    let mut out = format!("| case | {} |\n|---|{}\n", engines.join(" | "), "---:|".repeat(engines.len()));
    for (case, unit) in cases {
        let medians: Vec<Option<f64>> = engines
            .iter()
            .map(|engine| find(rows, case, engine).and_then(Row::figures).map(|s| s.median))
            .collect();
        let best = medians.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let cells: Vec<String> = medians
            .into_iter()
            .map(|m| match m {
                Some(m) if figure(m) == figure(best) => format!("**{}**", figure(m)),
                Some(m) => figure(m),
                None => "-".into(),
            })
            .collect();
        let _ = writeln!(out, "| {case}, {unit} | {} |", cells.join(" | "));
    }
    out
}

/// A line for each goal.
fn goals(rows: &[Row]) -> String {
    let mut out = "| case | engine | base | ratio or figure (min..max) | of CPU time | goal | met |\n\
                   |---|---|---|---|---:|---:|---|\n"
        .to_string();
    for row in rows {
        let Some((goal, met)) = row.goal.as_ref().zip(row.met(rows)) else { continue };
        let base = goal.base.as_ref().and_then(|base| find(rows, &row.case, base));
        let reached = base.map_or_else(|| row.figures(), |base| row.ratio(base, |s| s.value));
        let Some(r) = reached else { continue };
        let cpu = base.and_then(|base| row.ratio(base, |s| s.cpu_ns));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} ({}..{}) | {} | {} | {} |",
            row.case,
            row.engine,
            goal.base.as_deref().unwrap_or("-"),
            figure(r.median),
            figure(r.min),
            figure(r.max),
            cpu.map_or("-".into(), |s| figure(s.median)),
            goal.at_most,
            if met { "yes" } else { "**no**" },
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::rows::Goal;
    use super::super::rows::tests::row;
    use super::*;

    #[test]
    fn medians_in_columns_and_goals_in_lines() {
        let goal = Some(Goal { base: Some("tokio-mt".into()), at_most: 0.4 });
        let mut rayon = row("rayon", &[], None);
        rayon.cannot = true;
        let rows = [row("ouzel", &[5.0, 6.0, 7.0], goal), row("tokio-mt", &[10.0; 3], None), rayon];
        let medians = medians(&rows);
        assert!(
            medians.starts_with("| case | ouzel | tokio-mt | rayon |\n|---|---:|---:|---:|\n"),
            "{medians}"
        );
        assert!(medians.ends_with("| spin, ns | **6.00** | 10.0 | - |\n"), "{medians}");
        let goals = goals(&rows);
        assert_eq!(goals.lines().count(), 3);
        let line = "| spin | ouzel | tokio-mt | 0.600 (0.500..0.700) | 0.600 | 0.4 | **no** |\n";
        assert!(goals.ends_with(line), "{goals}");
    }
}
