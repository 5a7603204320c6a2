//! The figures of the cells, and how they stand to their goals.

use serde_json::{Map, Value, json};
use std::fmt::Write;

/// One figure: an engine at one kind of work.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) engine: String,
    pub(super) work: String,
    pub(super) figure: f64,
    /// At most so much. None: an engine that is not ours, or work without a goal.
    pub(super) goal: Option<f64>,
}

impl Cell {
    /// Whether a goal is missed, by more than the table shows.
    pub(super) fn missed(&self) -> bool {
        self.goal.is_some_and(|goal| self.figure > goal + 0.05)
    }
}

/// A row for each kind of work, a column for each engine; ours with their goals.
pub(super) fn table(cells: &[Cell], digits: usize) -> String {
    let (mut engines, mut works) = (Vec::new(), Vec::new());
    for cell in cells {
        if !engines.contains(&&cell.engine) {
            engines.push(&cell.engine);
        }
        if !works.contains(&&cell.work) {
            works.push(&cell.work);
        }
    }
    let mut out = format!("{:<16}", "");
    for engine in &engines {
        let _ = write!(out, "{engine:>22}");
    }
    for work in works {
        let _ = write!(out, "\n{work:<16}");
        for engine in &engines {
            let cell = cells.iter().find(|c| &c.engine == *engine && &c.work == work);
            let text = cell.map_or_else(String::new, |cell| {
                let figure = format!("{:.digits$}", cell.figure);
                match cell.goal {
                    None => figure,
                    Some(goal) => {
                        format!("{figure} <= {goal} {}", if cell.missed() { "MISSED" } else { "met" })
                    }
                }
            });
            let _ = write!(out, "{text:>22}");
        }
    }
    out.push('\n');
    out
}

/// `{engine: {work: {name: figure}}}`.
pub(super) fn json(parts: &[(&str, &[Cell])]) -> Value {
    let mut engines = Map::new();
    for (name, cells) in parts {
        for cell in *cells {
            let engine = engines.entry(cell.engine.clone()).or_insert_with(|| json!({}));
            engine[&cell.work][name] = json!(cell.figure);
        }
    }
    Value::Object(engines)
}

/// # Errors
/// One of the goals is missed: which.
pub(super) fn judge(cells: &[Cell]) -> Result<(), String> {
    let missed: Vec<_> =
        cells.iter().filter(|c| c.missed()).map(|c| format!("{} {}", c.engine, c.work)).collect();
    let goals = cells.iter().filter(|c| c.goal.is_some()).count();
    println!("{} of {goals} goals met", goals - missed.len());
    if missed.is_empty() { Ok(()) } else { Err(format!("goals missed: {}", missed.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(engine: &str, work: &str, figure: f64, goal: Option<f64>) -> Cell {
        Cell { engine: engine.into(), work: work.into(), figure, goal }
    }

    #[test]
    fn a_goal_is_met_up_to_what_the_table_shows() {
        assert!(!cell("a", "w", 7.04, Some(7.0)).missed());
        assert!(cell("a", "w", 7.06, Some(7.0)).missed());
        assert!(!cell("a", "w", 900.0, None).missed());
    }

    #[test]
    fn rows_are_work_and_columns_engines() {
        let cells = [cell("ouzel", "spawn", 8.0, Some(7.0)), cell("tokio", "spawn", 30.0, None)];
        let table = table(&cells, 1);
        let rows: Vec<Vec<_>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows, [vec!["ouzel", "tokio"], vec!["spawn", "8.0", "<=", "7", "MISSED", "30.0"]]);
        assert!(judge(&cells).unwrap_err().contains("ouzel spawn"));
        assert!(judge(&cells[1..]).is_ok());
    }

    #[test]
    fn json_goes_by_engine_then_work() {
        let cells = [cell("e", "w", 2.0, None)];
        let two = [("rmw", &cells[..]), ("insns", &cells[..])];
        assert_eq!(json(&two), json!({"e": {"w": {"rmw": 2.0, "insns": 2.0}}}));
    }
}
