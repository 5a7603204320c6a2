//! `cargo xtask overhead`: what the engines themselves cost in a search, as self time and as counts.
//!
//! | table | from |
//! |---|---|
//! | self time by owner | `perf record -e cpu-clock`, call graphs off: a sample counts for the function it hit and no caller |
//! | system calls, futexes, threads | `strace -f -c`; threads are `clone` and `clone3` calls, and the first |
//! | time, switches, faults, memory | `ouzel-search --measure`, medians over rounds that take turns |
//!
//! Tools that are not there leave their table out, and are named.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lexopt::prelude::*;

use super::sample::{self, Sample};
use crate::bench::stats::Spread;
use crate::progress::progress;
use crate::turns::order;
use crate::workspace::Workspace;

/// The options of `overhead`.
#[derive(Debug)]
pub(crate) struct Options {
    corpus: Option<PathBuf>,
    out: Option<PathBuf>,
    rounds: usize,
    threads: usize,
}

impl Options {
    /// Reads what follows `overhead` on the command line. `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut o = Options { corpus: None, out: None, rounds: 9, threads: 2 };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("corpus") => o.corpus = Some(parser.value()?.into()),
                Long("out") => o.out = Some(parser.value()?.into()),
                Long("rounds") => o.rounds = parser.value()?.parse::<usize>()?.max(1),
                Long("threads") => o.threads = parser.value()?.parse::<usize>()?.max(1),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(o))
    }
}

/// A way to run the search.
struct Shape {
    name: String,
    engine: &'static str,
    /// `BLOCKING_MAX_THREADS`.
    bound: Option<usize>,
}

fn shapes(threads: usize) -> Vec<Shape> {
    let plain = |engine: &'static str| Shape { name: engine.into(), engine, bound: None };
    let bound = |n: usize| Shape { name: format!("smol, pool of {n}"), engine: "smol", bound: Some(n) };
    let mut all: Vec<Shape> = ["ouzel", "threads", "rayon", "smol"].into_iter().map(plain).collect();
    let mut bounds = vec![1, threads, 4 * threads, 64];
    bounds.dedup();
    all.extend(bounds.into_iter().map(bound));
    all.extend(["tokio", "tokio-uncapped", "tokio-lines"].into_iter().map(plain));
    all
}

/// Measures, and prints the tables as Markdown.
///
/// # Errors
/// Something does not build, there are no files, or a search failed.
pub(crate) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    let program = super::program(ws)?;
    let files = super::find_or_make(ws, options.corpus.as_deref(), 1.0)?;
    let shapes = shapes(options.threads);
    let command = |tool: &[&str], shape: &Shape| {
        let mut command = match tool {
            [] => Command::new(&program),
            [tool, args @ ..] => {
                let mut command = Command::new(tool);
                command.args(args).arg(&program);
                command
            }
        };
        command.args(["ZephyrNeedle", "--count", "--measure", "--engine", shape.engine]);
        command.arg("--threads").arg(options.threads.to_string()).arg(&files);
        command.env_remove("BLOCKING_MAX_THREADS");
        command.envs(shape.bound.map(|n| ("BLOCKING_MAX_THREADS", n.to_string())));
        command
    };
    super::warm(&files)?;
    super::load(&program)?;
    let mut samples: Vec<Vec<Sample>> = shapes.iter().map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        for at in order(round, shapes.len()) {
            progress(&format!("round {round} of {}: {}", options.rounds, shapes[at].name));
            let sample = sample::take(&mut command(&[], &shapes[at]), Duration::from_secs(60), true)?;
            if round > 0 {
                samples[at].push(sample);
            }
        }
    }
    let scratch = ws.target.join("overhead");
    std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let mut out = times(&shapes, &samples);
    out.push_str(&calls(&shapes, &scratch, command));
    out.push_str(&owners(&shapes, &scratch, command));
    progress("");
    println!("{out}");
    match &options.out {
        Some(path) => std::fs::write(path, &out).map_err(|e| format!("{}: {e}", path.display())),
        None => Ok(()),
    }
}

fn times(shapes: &[Shape], samples: &[Vec<Sample>]) -> String {
    let mut out = String::from(
        "| engine | wall ms | cpu ms | wall, ouzel over this | cpu | waits | preempted | faults | resident MiB |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let median = |samples: &[Sample], of: fn(&Sample) -> f64| {
        Spread::of(samples.iter().map(of)).map_or(f64::NAN, |s| s.median)
    };
    let ratio = |these: &[Sample], of: fn(&Sample) -> f64| {
        let pairs = samples[0].iter().zip(these);
        Spread::of(pairs.map(|(ours, this)| of(ours) / of(this))).map_or(f64::NAN, |s| s.median)
    };
    for (shape, these) in shapes.iter().zip(samples) {
        let _ = writeln!(
            out,
            "| {} | {:.1} | {:.1} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.1} |",
            shape.name,
            median(these, |s| s.wall_ms),
            median(these, |s| s.cpu_ms),
            ratio(these, |s| s.wall_ms),
            ratio(these, |s| s.cpu_ms),
            median(these, |s| s.waits),
            median(these, |s| s.preempted),
            median(these, |s| s.faults),
            median(these, |s| s.resident_mib),
        );
    }
    out
}

/// Runs a tool to its end, its output thrown away.
fn ran(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

fn calls(shapes: &[Shape], scratch: &Path, command: impl Fn(&[&str], &Shape) -> Command) -> String {
    let file = scratch.join("calls");
    let path = file.to_string_lossy();
    let mut out = String::from("\n| engine | system calls | futex | threads |\n|---|---|---|---|\n");
    for shape in shapes {
        progress(&format!("system calls: {}", shape.name));
        if !ran(&mut command(&["strace", "-f", "-c", "-U", "name,calls", "-o", &path], shape)) {
            return "\n(no strace here: no table of system calls)\n".into();
        }
        let counted = calls_of(&std::fs::read_to_string(&file).unwrap_or_default());
        let of = |names: &[&str]| names.iter().filter_map(|n| counted.get(*n)).sum::<u64>();
        let threads = of(&["clone", "clone3"]) + 1;
        let _ = writeln!(out, "| {} | {} | {} | {threads} |", shape.name, of(&["total"]), of(&["futex"]));
    }
    out
}

/// Names and counts out of strace's table.
fn calls_of(table: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (name, count) = line.trim().split_once(char::is_whitespace)?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    table.lines().filter_map(line).collect()
}

/// Who a function belongs to, by what its name begins with; the first that fits.
const OWNERS: [(&str, &[&str]); 3] = [
    (
        "runtime",
        &[
            "ouzel::",
            "ouzel_core::",
            "ouzel_os_",
            "rayon",
            "crossbeam",
            "smol",
            "blocking::",
            "async_",
            "tokio",
            "futures",
            "event_listener",
            "parking",
            "concurrent_queue",
            "mio",
            "io_uring",
            "polling",
            "std::thread",
            "std::sync",
        ],
    ),
    ("search", &["ouzel_search", "memchr", "regex", "core::str", "std::path"]),
    ("memory", &["__mem", "malloc", "_int_", "free", "realloc", "calloc", "cfree", "alloc::"]),
];

fn owners(shapes: &[Shape], scratch: &Path, command: impl Fn(&[&str], &Shape) -> Command) -> String {
    let file = scratch.join("samples");
    let path = file.to_string_lossy();
    let mut out = String::from(
        "\nSelf time, in percent of samples:\n\n| engine | runtime | search | memory and copies | kernel: futex, scheduler | kernel, rest | other |\n|---|---|---|---|---|---|---|\n",
    );
    for shape in shapes {
        progress(&format!("self time: {}", shape.name));
        if !ran(&mut command(&["perf", "record", "-q", "-e", "cpu-clock", "-F", "9973", "-o", &path], shape))
        {
            return "\n(no perf here: no table of self time)\n".into();
        }
        let report = Command::new("perf")
            .args(["report", "-i", &path, "--no-children", "-g", "none", "-F", "sample,sym"])
            .stderr(Stdio::null())
            .output();
        let text = report.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let shares = shares(&text);
        let _ = write!(out, "| {} |", shape.name);
        for name in ["runtime", "search", "memory", "switching", "kernel", "other"] {
            let _ = write!(out, " {:.1} |", shares.get(name).copied().unwrap_or_default());
        }
        out.push('\n');
    }
    out
}

/// Percent of samples by owner, out of perf's report.
fn shares(report: &str) -> BTreeMap<&'static str, f64> {
    let mut counts: BTreeMap<&'static str, f64> = BTreeMap::new();
    for line in report.lines() {
        let mut words = line.trim().splitn(3, char::is_whitespace).filter(|w| !w.is_empty());
        let (Some(count), Some(rest)) = (words.next().and_then(|n| n.parse::<f64>().ok()), words.next())
        else {
            continue;
        };
        let place = format!("{rest} {}", words.next().unwrap_or_default());
        *counts.entry(owner(place.trim())).or_default() += count;
    }
    let total: f64 = counts.values().sum();
    counts.values_mut().for_each(|count| *count *= 100.0 / total.max(1.0));
    counts
}

/// The owner of `[.] some::function` or `[k] some_function`.
fn owner(place: &str) -> &'static str {
    if let Some(function) = place.strip_prefix("[k]") {
        let switches =
            ["futex", "sched", "schedule", "wake", "switch", "enqueue", "dequeue", "pick_", "update_"];
        return if switches.iter().any(|s| function.contains(s)) { "switching" } else { "kernel" };
    }
    let function = place.trim_start_matches("[.]").trim().trim_start_matches(['<', '&', '(']);
    let begins = |names: &[&str]| names.iter().any(|n| function.starts_with(n));
    OWNERS.iter().find(|(_, names)| begins(names)).map_or("other", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_given_to_their_owners() {
        let report = "# comment\n\n   60  [.] ouzel_search::query::simd::find_avx2\n   20  [k] _copy_to_iter\n  10 [.] \
                      <tokio::runtime::task::Cell>::poll\n   5  [k] futex_wait\n  5  [.] main\n";
        let shares = shares(report);
        let expected =
            [("kernel", 20.0), ("other", 5.0), ("runtime", 10.0), ("search", 60.0), ("switching", 5.0)];
        assert_eq!(shares.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn straces_table_is_read() {
        let counted =
            calls_of("syscall   calls\n-------- -----\nfutex     31\nclone3  2\n------ ---\ntotal   33\n");
        assert_eq!((counted["futex"], counted["clone3"], counted["total"]), (31, 2, 33));
    }
}
