//! `cargo xtask insns --ffi`: what C pays for the same work as Rust.
//!
//! `ffi/examples/c/cost.c` and `ffi/examples/cost.rs` do the same things, each built for release. A goal is a ratio to
//! Rust in this very run; and no case allocates once it is warm.

use super::callgrind;
use super::slope::{slope, words};
use super::table::{Cell, judge, table};
use crate::c;
use crate::progress::progress;
use crate::workspace::{Workspace, build};
use std::path::Path;
use std::process::Command;

/// A case of C's, what does the same in Rust, and how many times that it may take.
const CASES: &[(&str, Option<&str>, Option<f64>)] = &[
    ("self_wake", Some("self_wake"), Some(1.10)),
    ("checked_wake", Some("self_wake"), Some(1.40)),
    ("nop", Some("nop"), None),
    ("nop_waker", None, None),
    ("nop_done", None, None),
    ("timer", Some("timer"), None),
    ("timer_abandon", Some("timer_abandon"), None),
    ("echo", Some("echo"), None),
];

/// Times of the two runs, and of the warm-up before each.
const TIMES: [u64; 2] = [3200, 8000];

/// Counts, and prints the table.
///
/// # Errors
/// There is no valgrind, something does not build or fails, a case allocates, or a goal is missed.
pub(super) fn run(ws: &Workspace) -> Result<(), String> {
    callgrind::find()?;
    let in_c = ws.target.join("cost");
    c::compile(ws, "cost", &in_c)?;
    let built =
        build(&mut ws.cargo(&["build", "-p", "ouzel-ffi", "--profile", "plain", "--example", "cost"]))?;
    let in_rust = built.into_iter().filter(|a| a.name == "cost").find_map(|a| a.executable);
    let in_rust = in_rust.ok_or("cargo names no cost")?;
    let mut cells = Vec::new();
    for (case, twin, ratio) in CASES {
        progress(&format!("{case} in C"));
        does_not_allocate(&in_c, case)?;
        let figure = per_time(&in_c, case)?;
        let rust = match twin {
            None => None,
            Some(twin) => {
                progress(&format!("{twin} in Rust"));
                Some(per_time(&in_rust, twin)?)
            }
        };
        let goal = rust.zip(*ratio).map(|(rust, ratio)| (rust * ratio * 10.0).round() / 10.0);
        cells.push(Cell { engine: "C".into(), work: case.to_string(), figure, goal });
        if let Some(figure) = rust {
            cells.push(Cell { engine: "Rust".into(), work: case.to_string(), figure, goal: None });
        }
    }
    progress("");
    println!("instructions per time under callgrind, outside the kernel; epoll\n\n{}", table(&cells, 1));
    judge(&cells)
}

fn per_time(program: &Path, case: &str) -> Result<f64, String> {
    let mut counts = [0; 2];
    for (count, times) in counts.iter_mut().zip(TIMES) {
        *count = callgrind::instructions(program, &words(&format!("{case} {} {times}", TIMES[1])))?;
    }
    Ok(slope(counts, TIMES))
}

/// Runs a case of C's without valgrind.
fn does_not_allocate(program: &Path, case: &str) -> Result<(), String> {
    let times = TIMES[1].to_string();
    let output = Command::new(program)
        .args([case, &times, &times])
        .env("OUZEL_DRIVER", "epoll")
        .output()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = format!("done {times} allocs 0");
    if output.status.success() && said.trim() == expected {
        Ok(())
    } else {
        Err(format!("{case}: {}, said {:?}, not {expected:?}", output.status, said.trim()))
    }
}
