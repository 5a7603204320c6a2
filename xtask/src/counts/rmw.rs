//! `cargo xtask rmw`: has `ouzel-steps` count, and shows what it says.

use super::program;
use super::table::{Cell, json, judge, table};
use crate::workspace::Workspace;
use lexopt::prelude::*;
use serde_json::Value;
use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The options of `rmw`.
#[derive(Debug)]
pub(crate) struct Rmw {
    /// Handed on.
    args: Vec<String>,
    json: Option<PathBuf>,
}

impl Rmw {
    /// Reads what follows `rmw` on the command line. `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut o = Rmw { args: Vec::new(), json: None };
        while let Some(arg) = parser.next()? {
            let name = match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("json") => {
                    o.json = Some(parser.value()?.into());
                    continue;
                }
                Long("where") => {
                    o.args.push("--where".into());
                    continue;
                }
                Long("engine") => "--engine",
                Long("scenario") => "--scenario",
                Long("ops") => "--ops",
                other => return Err(other.unexpected()),
            };
            o.args.extend([name.into(), parser.value()?.string()?]);
        }
        Ok(Some(o))
    }

    /// Counts, and prints the tables.
    ///
    /// # Errors
    /// It does not build, cannot be traced, or misses a goal.
    pub(crate) fn run(&self, ws: &Workspace) -> Result<(), String> {
        if (env::consts::OS, env::consts::ARCH) != ("linux", "x86_64") {
            return Err("rmw steps with ptrace and knows the instructions of x86-64: it takes Linux on \
                        an x86-64 processor"
                .into());
        }
        let steps = program(ws, "ouzel-steps", "peers,steps")?;
        let output = Command::new(steps).args(&self.args).stderr(Stdio::inherit()).output();
        let output = output.map_err(|e| format!("ouzel-steps: {e}"))?;
        if !output.status.success() {
            return Err(format!("ouzel-steps failed: {}", output.status));
        }
        let said: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("ouzel-steps: {e}"))?;
        let cells = said["cells"].as_array().map_or(&[][..], Vec::as_slice);
        let rmw = figures(cells, "rmw", true);
        let insns = figures(cells, "insns", false);
        println!("one worker; {} operations a cell, counted twice\n", said["ops"]);
        println!("atomic read-modify-writes per operation\n{}", table(&rmw, 2));
        println!("instructions per operation\n{}", table(&insns, 1));
        for cell in cells {
            print!("{}{}", unsteady(cell), places(cell));
        }
        if let Some(path) = &self.json {
            let all = json(&[("rmw", &rmw), ("insns", &insns)]);
            std::fs::write(path, format!("{all:#}\n")).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        judge(&rmw)
    }
}

fn text<'a>(cell: &'a Value, name: &str) -> &'a str {
    cell[name].as_str().unwrap_or_default()
}

fn figures(cells: &[Value], name: &str, goals: bool) -> Vec<Cell> {
    let figure = |cell: &Value| Cell {
        engine: text(cell, "engine").into(),
        work: text(cell, "scenario").into(),
        figure: cell[name].as_f64().unwrap_or(f64::NAN),
        goal: cell["goal"].as_f64().filter(|_| goals),
    };
    cells.iter().map(figure).collect()
}

/// A line for a cell whose second run found something else.
fn unsteady(cell: &Value) -> String {
    let mut out = String::new();
    for name in ["rmw", "insns"] {
        let (first, again) = (&cell[name], &cell[format!("{name}_again")]);
        if let (Some(a), Some(b)) = (first.as_f64(), again.as_f64())
            && a != b
        {
            let (engine, work) = (text(cell, "engine"), text(cell, "scenario"));
            out += &format!("{engine} {work}: {name} {a} and, counted again, {b}\n");
        }
    }
    out
}

/// What `--where` adds.
fn places(cell: &Value) -> String {
    let Some(places) = cell["where"].as_array() else { return String::new() };
    let mut out = format!("\n{} {}: read-modify-writes\n", text(cell, "engine"), text(cell, "scenario"));
    for place in places {
        let frames = place["frames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for (i, frame) in frames.enumerate() {
            let count = place["rmw"].as_f64().filter(|_| i == 0).map_or(String::new(), |n| format!("{n:.3}"));
            out += &format!("{count:>8}  {:indent$}{frame}\n", "", indent = 2 * i.min(1));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell() -> Value {
        json!({
            "engine": "ouzel", "scenario": "self_wake", "goal": 2.0, "rmw": 1.0, "rmw_again": 1.0,
            "insns": 170.0, "insns_again": 171.5, "where": [{"rmw": 1.0, "frames": ["cas (a.rs:1)", "pop (b.rs:2)"]}],
        })
    }

    #[test]
    fn a_cell_becomes_figures_and_only_read_modify_writes_have_goals() {
        let cells = [cell()];
        assert_eq!(figures(&cells, "rmw", true)[0].goal, Some(2.0));
        let insns = &figures(&cells, "insns", false)[0];
        assert_eq!((insns.figure, insns.goal), (170.0, None));
    }

    #[test]
    fn what_does_not_repeat_is_said() {
        assert_eq!(
            unsteady(&cell()),
            "ouzel self_wake: insns 170.0 and, counted again, 171.5\n".replace(".0 ", " ")
        );
    }

    #[test]
    fn places_are_listed_with_their_callers() {
        let listed = places(&cell());
        assert!(listed.contains("1.000  cas (a.rs:1)") && listed.contains("pop (b.rs:2)"), "{listed}");
    }
}
