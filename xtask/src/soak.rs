//! `cargo xtask soak`: what takes too long for `ci`, for as many minutes as it is given.
//!
//! | part | how often |
//! |---|---|
//! | the whole scheduler under shuttle, with seeds that nobody has tried | each round |
//! | its tests on threads, and two threads at one task through the C ABI, under TSan | each round |
//! | property tests, with many more cases | once |
//! | the loom models that take minutes (the sleep protocol with three workers) | once, a third of the time at the most |
//! | the core in the loops of others, beside a peer | once |
//!
//! It ends with the part in which the time runs out; models that are under way then are stopped, which is no failure. What
//! was not reached is said. A seed that fails is printed, and fails again under the same number.

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
const TSAN_ROUNDS: usize = 3;

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
        let mut options = Options { minutes: 30, seeds: 200 };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("minutes") => options.minutes = parser.value()?.parse::<u64>()?.max(1),
                Long("seeds") => options.seeds = parser.value()?.parse::<u64>()?.max(1),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Seeds,
    Races,
    Properties,
    DeepModels,
    Embedding,
}

impl Part {
    const ROUND: [Part; 2] = [Part::Seeds, Part::Races];
    const ONCE: [Part; 3] = [Part::Properties, Part::DeepModels, Part::Embedding];

    /// A round, what is done once, and rounds without end.
    fn in_order() -> impl Iterator<Item = Part> {
        Part::ROUND.into_iter().chain(Part::ONCE).chain(Part::ROUND.into_iter().cycle())
    }

    fn name(self) -> &'static str {
        match self {
            Part::Seeds => "scheduler under shuttle",
            Part::Races => "data races",
            Part::Properties => "property tests",
            Part::DeepModels => "loom models of three workers",
            Part::Embedding => "embedding",
        }
    }
}

/// Runs the parts until the time is over; the first one in any case.
pub(crate) fn run(ws: &Workspace, options: &Options) -> ExitCode {
    let (start, limit) = (Instant::now(), Duration::from_secs(60 * options.minutes));
    let (mut steps, mut seed, mut reached) = (Steps::default(), FIRST, Vec::new());
    for part in Part::in_order() {
        let gone = start.elapsed();
        if gone >= limit && !reached.is_empty() {
            break;
        }
        reached.push(part);
        let minutes = gone.as_secs_f64() / 60.0;
        let name = format!("{}, after {minutes:.1} of {} min", part.name(), options.minutes);
        steps.step(&name, || match part {
            Part::Seeds => {
                let seeds = (seed, options.seeds);
                println!("seeds {seed} to {}", seed + options.seeds - 1);
                seed += options.seeds;
                let until = Some(start + limit);
                models::run(ws, Tool::Shuttle, Choice { seeds: Some(seeds), until, ..Choice::default() })
            }
            Part::Races => sanitizers::tsan_rounds(ws, TSAN_ROUNDS),
            Part::Properties => properties(ws),
            Part::DeepModels => {
                let until = Some(Instant::now() + (limit / 3).min(limit.saturating_sub(gone)));
                models::run(ws, Tool::Loom, Choice { long: true, until, ..Choice::default() })
            }
            Part::Embedding => embedding(ws),
        });
    }
    for part in Part::ROUND.into_iter().chain(Part::ONCE) {
        if !reached.contains(&part) {
            println!("\nnot reached in {} min: {}", options.minutes, part.name());
        }
    }
    println!("\nseeds {FIRST} to {} of each test of the scheduler were begun", seed - 1);
    steps.finish()
}

/// The property tests of queues, wheel and slab.
fn properties(ws: &Workspace) -> Result<(), String> {
    println!("{CASES} cases each");
    let tests = ["test", "--profile", "plain", "-p", "ouzel-core", "--features", "std", "--lib", "behaves_"];
    command(ws.cargo(&tests).env("PROPTEST_CASES", CASES))
}

/// The embedding tests, those inside a peer's task too: the one place beside `bench` where peers are built.
///
/// # Errors
/// A test failed.
pub(crate) fn embedding(ws: &Workspace) -> Result<(), String> {
    let of = |args: &[&str]| {
        let mut cargo = ws.cargo(&["test", "--profile", "plain", "--test", "embedding"]);
        command(cargo.args(args).args(["--", "--nocapture", "--test-threads=1"]))
    };
    of(&["-p", "ouzel-tests"])?;
    of(&["-p", "ouzel-bench", "--features", "peers"])
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn every_part_comes_within_two_rounds_and_what_is_long_once() {
        let order: Vec<Part> = Part::in_order().take(20).collect();
        assert!(Part::ROUND.iter().chain(&Part::ONCE).all(|part| order[..5].contains(part)));
        assert!(order[5..].iter().all(|part| Part::ROUND.contains(part)));
        assert_eq!(order[5..7], Part::ROUND);
    }
}
