//! Who takes part in which case, and what ours should reach.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::sample::{self, Sample};

/// Something that searches.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// An engine of `ouzel-search`; none: another program.
    engine: Option<&'static str>,
    /// As many threads of `blocking` as the engine is given.
    capped: bool,
    /// So many threads in place of those all others are given.
    threads: Option<usize>,
}

const fn engine(name: &'static str) -> Contender {
    Contender { name, engine: Some(name), capped: false, threads: None }
}

const OUZEL: Contender = engine("ouzel");
const THREADS: Contender = engine("threads");
const RAYON: Contender = engine("rayon");
const CAPPED: Contender = Contender { name: "smol-capped", capped: true, ..engine("smol") };
const RIPGREP: Contender = Contender { engine: None, ..engine("rg") };
/// No peer, but what a disk gives to whoever asks for enough at once.
const CROWD: Contender = Contender { name: "threads-64", threads: Some(64), ..engine("threads") };

/// No peer, but how far the same program is from itself.
const AGAIN: Contender = Contender { name: "threads-again", ..engine("threads") };

const ALL: &[Contender] = &[
    OUZEL,
    THREADS,
    AGAIN,
    RAYON,
    engine("smol"),
    CAPPED,
    engine("tokio"),
    engine("tokio-uncapped"),
    engine("tokio-lines"),
];

/// What our time should be at most: a multiple of the best of some.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) of: &'static [&'static str],
    pub(super) at_most: f64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    query: &'static str,
    more: &'static [&'static str],
    pub(super) cold: bool,
    pub(super) contenders: &'static [Contender],
    pub(super) goals: &'static [Goal],
    /// Whoever shows how far one can come without a runtime: its ratio is told beside ours.
    pub(super) floor: Option<&'static str>,
}

const COUNT: &[&str] = &["--count"];
const PLAIN: &[&str] = &["rayon", "threads"];

pub(super) const CASES: &[Case] = &[
    Case {
        name: "search_warm",
        about: "a rare word, files in memory, matches counted",
        query: "ZephyrNeedle",
        more: COUNT,
        cold: false,
        contenders: ALL,
        goals: &[
            Goal { of: PLAIN, at_most: 1.03 },
            Goal { of: &["smol-capped"], at_most: 0.93 },
            Goal { of: &["tokio"], at_most: 0.90 },
            Goal { of: &["tokio-lines"], at_most: 0.50 },
        ],
        floor: Some("threads-again"),
    },
    Case {
        name: "search_dense",
        about: "a word of every third line, files in memory, matches counted",
        query: "error",
        more: COUNT,
        cold: false,
        contenders: ALL,
        goals: &[],
        floor: None,
    },
    Case {
        name: "search_print",
        about: "a rare word, files in memory, matches decoded, ordered and printed; rg prints raw lines",
        query: "ZephyrNeedle",
        more: &[],
        cold: false,
        contenders: &[OUZEL, engine("whole"), RIPGREP],
        goals: &[Goal { of: &["whole"], at_most: 0.75 }, Goal { of: &["rg"], at_most: 1.35 }],
        floor: None,
    },
    Case {
        name: "search_cold",
        about: "a rare word, files on the disk alone, matches counted",
        query: "ZephyrNeedle",
        more: COUNT,
        cold: true,
        contenders: &[OUZEL, THREADS, RAYON, CROWD],
        goals: &[Goal { of: PLAIN, at_most: 0.70 }],
        floor: Some("threads-64"),
    },
    Case {
        name: "search_read",
        about: "files on the disk alone, read and not searched",
        query: "ZephyrNeedle",
        more: &["--count", "--only-read"],
        cold: true,
        contenders: &[OUZEL, THREADS, RAYON, CROWD],
        goals: &[Goal { of: PLAIN, at_most: 0.80 }],
        floor: Some("threads-64"),
    },
];

impl Contender {
    /// Whether it is on this machine.
    pub(super) fn is_here(&self) -> bool {
        let found = self.engine.is_some()
            || Command::new(self.name)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok();
        if !found {
            println!("(no {} on this machine)", self.name);
        }
        found
    }

    /// Searches `files` once.
    ///
    /// # Errors
    /// It failed, or took longer than `limit`.
    pub(super) fn run(
        &self,
        program: &Path,
        files: &Path,
        case: &Case,
        threads: usize,
        limit: Duration,
    ) -> Result<Sample, String> {
        let threads = self.threads.unwrap_or(threads).to_string();
        let mut command = match self.engine {
            Some(engine) => {
                let mut command = Command::new(program);
                command
                    .args([case.query, "--measure", "--threads", &threads, "--engine", engine])
                    .args(case.more);
                command
            }
            None => {
                let mut command = Command::new(self.name);
                command.args(["-i", "--no-ignore", "--hidden", "-g", "*.jsonl", "-j", &threads, case.query]);
                command
            }
        };
        command.env_remove("BLOCKING_MAX_THREADS").arg(files);
        if self.capped {
            command.env("BLOCKING_MAX_THREADS", &threads);
        }
        sample::take(&mut command, limit, self.engine.is_some())
    }
}
