//! `cargo xtask insns`: instructions per operation under callgrind.
//!
//! Each cell is run with two numbers of operations and the same warm-up (`slope`).

use super::slope::{slope, words};
use super::table::{Cell, json, judge, table};
use super::{callgrind, ffi, program};
use crate::progress::progress;
use crate::workspace::Workspace;
use lexopt::prelude::*;
use std::path::{Path, PathBuf};

/// A case, and what ours may take: `ouzel`, `ouzel-local`.
const CASES: &[(&str, Option<[f64; 2]>)] = &[
    ("spawn_join", Some([300.0, 200.0])),
    ("spawn_large", None),
    ("spawn_detached", Some([180.0, 110.0])),
    ("yield_one", Some([195.0, 150.0])),
    ("yield_many", Some([150.0, 100.0])),
    ("ping_pong", Some([400.0, 330.0])),
    ("chained_spawn", Some([155.0, 115.0])),
    ("timers_cancel", Some([230.0, 220.0])),
];
const ENGINES: &[&str] = &["ouzel", "ouzel-local", "tokio-mt", "tokio-ct", "smol", "monoio"];

/// Operations of the two runs, and of the warm-up before each: as many as the larger, so that neither is the
/// first to use any memory.
const OPS: [u64; 2] = [10_000, 30_000];
const WARMUP: u64 = OPS[1];

/// The options of `insns`.
#[derive(Debug)]
pub(crate) struct Insns {
    engine: Option<String>,
    case: Option<String>,
    workers: u32,
    json: Option<PathBuf>,
    ffi: bool,
}

impl Insns {
    /// Reads what follows `insns` on the command line. `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut o = Insns { engine: None, case: None, workers: 1, json: None, ffi: false };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("engine") => o.engine = Some(one_of(parser, ENGINES)?),
                Long("case") => {
                    o.case = Some(one_of(parser, &CASES.iter().map(|c| c.0).collect::<Vec<_>>())?);
                }
                Long("workers") => o.workers = parser.value()?.parse()?,
                Long("ffi") => o.ffi = true,
                Long("json") => o.json = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(o))
    }

    /// Counts, and prints the table.
    ///
    /// # Errors
    /// There is no valgrind, something does not build or fails, or a goal is missed.
    pub(crate) fn run(&self, ws: &Workspace) -> Result<(), String> {
        if self.ffi {
            return ffi::run(ws);
        }
        callgrind::find()?;
        let cell = program(ws, "ouzel-cell", "peers")?;
        let mut cells = Vec::new();
        for (case, goals) in CASES {
            for engine in ENGINES {
                if self.engine.as_ref().is_some_and(|e| e != engine)
                    || self.case.as_ref().is_some_and(|c| c != case)
                {
                    continue;
                }
                progress(&format!("{case} on {engine}"));
                let goal = match *engine {
                    "ouzel" => goals.map(|g| g[0]),
                    "ouzel-local" => goals.map(|g| g[1]),
                    _ => None,
                };
                let figure = self.per_op(&cell, engine, case)?;
                cells.push(Cell { engine: engine.to_string(), work: case.to_string(), figure, goal });
            }
        }
        progress("");
        println!(
            "instructions per operation under callgrind, outside the kernel; {} worker{}; epoll, as valgrind knows \
             no io_uring\n\n{}",
            self.workers,
            if self.workers == 1 { "" } else { "s, which valgrind runs in turn" },
            table(&cells, 1)
        );
        if let Some(path) = &self.json {
            let all = json(&[("insns", &cells)]);
            std::fs::write(path, format!("{all:#}\n")).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        judge(&cells)
    }

    fn per_op(&self, program: &Path, engine: &str, case: &str) -> Result<f64, String> {
        let mut counts = [0; 2];
        for (count, ops) in counts.iter_mut().zip(OPS) {
            let line = format!(
                "--engine {engine} --case {case} --ops {ops} --warmup {WARMUP} --workers {}",
                self.workers
            );
            *count = callgrind::instructions(program, &words(&line))?;
        }
        Ok(slope(counts, OPS))
    }
}

fn one_of(parser: &mut lexopt::Parser, names: &[&str]) -> Result<String, lexopt::Error> {
    let name = parser.value()?.string()?;
    if names.contains(&&*name) {
        Ok(name)
    } else {
        Err(format!("no {name:?}; there are {}", names.join(", ")).into())
    }
}
