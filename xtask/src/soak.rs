//! `cargo xtask soak`: what takes too long for `ci`, for as many minutes as it is given.
//!
//! Once: the loom models of three workers, the embedding tests beside a peer, the property tests with many more
//! cases. Then, round after round until the time is over: the whole scheduler under shuttle with new seeds, and
//! under TSan. A seed that fails is printed, and fails again under the same number.

use crate::models::{self, Choice};
use crate::sanitizers;
use crate::steps::Steps;
use crate::workspace::{Tool, Workspace, run as command};
use lexopt::prelude::*;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The first seed after those that `ci` uses.
const FIRST: u64 = 1_000;
/// Cases of each property test; 256 is the default.
const CASES: &str = "20000";
/// Runs of the scheduler's tests under TSan in a round.
const TSAN_ROUNDS: usize = 20;

/// How long, and how much in a round.
#[derive(Debug)]
pub(crate) struct Options {
    minutes: u64,
    seeds: u64,
}

impl Options {
    /// Reads them; `None` if help was asked for.
    ///
    /// # Errors
    /// An unknown option, or a number that is none.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Options { minutes: 30, seeds: 1_000 };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("minutes") => options.minutes = parser.value()?.parse()?,
                Long("seeds") => options.seeds = parser.value()?.parse::<u64>()?.max(1),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

/// Runs it all; at least one round.
pub(crate) fn run(ws: &Workspace, options: &Options) -> ExitCode {
    let start = Instant::now();
    let mut steps = Steps::default();
    steps.step("loom models of three workers", || {
        models::run(ws, Tool::Loom, Choice { long: true, ..Choice::default() })
    });
    steps.step("embedding", || embedding(ws));
    steps.step(&format!("property tests, {CASES} cases each"), || {
        let tests = ["test", "--release", "-p", "ouzel-core", "--features", "std", "--lib", "behaves_"];
        command(ws.cargo(&tests).env("PROPTEST_CASES", CASES))
    });
    for round in 0.. {
        let first = FIRST + round * options.seeds;
        let choice = Choice { seeds: Some((first, options.seeds)), ..Choice::default() };
        steps.step(&format!("scheduler, {} seeds from {first}", options.seeds), || {
            models::run(ws, Tool::Shuttle, choice)
        });
        steps.step("data races", || sanitizers::tsan_rounds(ws, TSAN_ROUNDS));
        if start.elapsed() >= Duration::from_secs(60 * options.minutes) {
            break;
        }
    }
    steps.finish()
}

/// The embedding tests, those inside a peer's task too: the one place beside `bench` where peers are built.
///
/// # Errors
/// A test failed.
pub(crate) fn embedding(ws: &Workspace) -> Result<(), String> {
    let of = |args: &[&str]| {
        let mut cargo = ws.cargo(&["test", "--release", "--test", "embedding"]);
        command(cargo.args(args).args(["--", "--nocapture", "--test-threads=1"]))
    };
    of(&["-p", "ouzel-tests"])?;
    of(&["-p", "ouzel-bench", "--features", "peers"])
}
