//! `cargo xtask coverage`: which lines of core its tests run.
//!
//! Core's unit tests and the behaviour tests are built with `-C instrument-coverage`; the count is over the
//! lines of `core/src` that are not test code, as the checks tell it. Below [`GOAL`] it fails, and it lists
//! the lines that no test runs.

use crate::checks::Tree;
use crate::llvm::Tools;
use crate::workspace::{Workspace, build, run as command};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Percent of core's lines.
const GOAL: f64 = 95.0;
/// What is built, and run.
const TESTS: &[&str] =
    &["test", "-p", "ouzel-core", "-p", "ouzel-tests", "--features", "ouzel-core/std", "--lib", "--tests"];

/// Times each line was run, by file.
type Counts = BTreeMap<String, BTreeMap<usize, u64>>;

/// Builds into `target/coverage`, runs, prints.
///
/// # Errors
/// A test fails, LLVM's tools cannot be had, or the goal is missed.
pub(crate) fn run(ws: &Workspace) -> Result<(), String> {
    let tools = Tools::find(ws)?;
    let folder = ws.target.join("coverage");
    let profiles = folder.join("profiles");
    // What an earlier run left would count.
    let _there_were_none = std::fs::remove_dir_all(&profiles);
    std::fs::create_dir_all(&profiles).map_err(|e| format!("{}: {e}", profiles.display()))?;
    let mut cargo = ws.cargo(TESTS);
    cargo.arg("--no-run").env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", "-Cinstrument-coverage");
    // Build scripts and macros are instrumented too, and write where they run.
    cargo.env("LLVM_PROFILE_FILE", folder.join("build-%p.tmp"));
    let tests = build(&mut cargo)?.into_iter().filter(|a| a.is_test);
    let programs: Vec<PathBuf> = tests.filter_map(|a| a.executable).collect();
    for program in &programs {
        let mut test = std::process::Command::new(program);
        test.current_dir(&ws.root).env("LLVM_PROFILE_FILE", profiles.join("%m-%p.profraw"));
        command(&mut test)?;
    }
    let merged = folder.join("merged.profdata");
    tools.merge(&profiles, &merged)?;
    let root = format!("{}/", ws.root.display());
    let counts = read(&tools.lcov(&merged, &programs)?, &root);
    let tree = ws.metadata().and_then(|metadata| Tree::read(&ws.root, metadata))?;
    report(&tree, &counts)
}

/// Reads lcov's lines `SF:file` and `DA:line,count`; a line that several programs hold is run if one runs it.
fn read(lcov: &str, root: &str) -> Counts {
    let mut counts = Counts::new();
    let mut file = String::new();
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            file = path.strip_prefix(root).unwrap_or(path).to_string();
        } else if let Some((number, times)) = line.strip_prefix("DA:").and_then(|l| l.split_once(','))
            && let (Ok(number), Ok(times)) = (number.parse(), times.parse::<u64>())
        {
            *counts.entry(file.clone()).or_default().entry(number).or_default() += times;
        }
    }
    counts
}

fn report(tree: &Tree, counts: &Counts) -> Result<(), String> {
    println!("{:<36} {:>6} {:>6} {:>7}  lines that no test runs", "file", "lines", "run", "percent");
    let (mut lines, mut run) = (0, 0);
    for source in tree.under("core/src/").filter(|s| !s.test_file) {
        let Some(counts) = counts.get(&source.path) else { continue };
        let tests = source.test_lines();
        let counted: Vec<_> = counts.iter().filter(|(n, _)| !tests.iter().any(|t| t.contains(n))).collect();
        let missed: Vec<usize> = counted.iter().filter(|(_, times)| **times == 0).map(|(n, _)| **n).collect();
        let (all, hit) = (counted.len(), counted.len() - missed.len());
        if all == 0 {
            continue;
        }
        let name = source.path.trim_start_matches("core/src/");
        println!("{name:<36} {all:>6} {hit:>6} {:>7.1}  {}", percent(hit, all), ranges(&missed));
        lines += all;
        run += hit;
    }
    let total = percent(run, lines);
    println!("{:<36} {lines:>6} {run:>6} {total:>7.1}", "core");
    if total >= GOAL { Ok(()) } else { Err(format!("{total:.1} % of core's lines are run, not {GOAL} %")) }
}

fn percent(part: usize, of: usize) -> f64 {
    100.0 * part as f64 / of.max(1) as f64
}

/// `[1, 2, 3, 7]` as `1-3 7`.
fn ranges(lines: &[usize]) -> String {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for &line in lines {
        match out.last_mut() {
            Some((_, end)) if *end + 1 == line => *end = line,
            _ => out.push((line, line)),
        }
    }
    let words = out.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LCOV: &str = "SF:/r/core/src/a.rs\nDA:1,5\nDA:2,0\nDA:3,0\nDA:5,9\nend_of_record\n\
                        SF:/r/core/src/a.rs\nDA:2,1\nend_of_record\n";

    #[test]
    fn a_line_is_run_if_one_program_runs_it() {
        let counts = read(LCOV, "/r/");
        let lines: Vec<_> = counts["core/src/a.rs"].iter().map(|(n, c)| (*n, *c)).collect();
        assert_eq!(lines, [(1, 5), (2, 1), (3, 0), (5, 9)]);
    }

    #[test]
    fn test_code_does_not_count_and_a_missed_goal_fails() {
        let code = "fn a() {}\nfn b() {}\nfn c() {}\n#[cfg(test)]\nmod t { fn d() {} }\n";
        let tree = Tree::of(&[("core/src/a.rs", code)]);
        // Line 5 is the test's: of the other three, two are run.
        assert_eq!(
            report(&tree, &read(LCOV, "/r/")).unwrap_err(),
            "66.7 % of core's lines are run, not 95 %"
        );
        let all = read(&LCOV.replace("DA:3,0", "DA:3,1").replace("DA:5,9", "DA:5,0"), "/r/");
        assert_eq!(report(&tree, &all), Ok(()));
    }

    #[test]
    fn neighbouring_lines_are_one_range() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3 7 9-10");
    }
}
