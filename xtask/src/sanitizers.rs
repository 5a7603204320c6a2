//! `cargo xtask asan` and `cargo xtask tsan`: tests under AddressSanitizer with LeakSanitizer, and under
//! ThreadSanitizer.
//!
//! They see what no assertion can: a buffer freed while the kernel still writes to it, a task freed twice, a
//! payload that nobody freed; two threads at one place with nothing that orders them.
//!
//! | command | what runs | planted faults that must be reported |
//! |---|---|---|
//! | `asan` | core's unit tests, the behaviour tests | a use after free, a leak (`tests/canaries.rs`) |
//! | `tsan` | core's unit tests, those of the whole scheduler again and again | a race between two tasks |
//! | | two threads at one task, through the C ABI (`ffi/tests/race.rs`) | a race of that kind |
//! | `valgrind` | the C test programs (`ffi/tests/memory.rs`, which also has them under gcc's AddressSanitizer) | three |
//!
//! The sanitizers come with a nightly compiler; where none is installed the step says so and passes.
//!
//! TSan takes its world to be instrumented, and the compiled standard library is not. So core's locks spin
//! under `cfg(ouzel_tsan)`, and `xtask/sanitizers/tsan.supp` names the little that is left. The C ABI and all below it,
//! which lock with `std`, run with a standard library built anew, where its sources are installed.

use crate::nightly::{self, TARGET};
use crate::workspace::{Workspace, build, run as command};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How often `tsan` runs the tests of the whole scheduler: one clean run proves little.
const ROUNDS: usize = 5;

/// What cargo is to build: packages and targets.
const ASAN_TESTS: &[&str] =
    &["-p", "ouzel-core", "-p", "ouzel-tests", "--features", "ouzel-core/std", "--lib", "--tests"];
/// With the standard library instrumented too.
const TSAN_C_ABI: &[&str] = &["-p", "ouzel-ffi", "--test", "race", "-Zbuild-std"];
const TSAN_FLAGS: &str = "-Zsanitizer=thread --cfg ouzel_tsan";
const TSAN_TESTS: &[&str] = &["-p", "ouzel-core", "--features", "std", "--lib"];

/// Builds into `target/asan`; runs the tests, then the planted faults.
pub(crate) fn asan(ws: &Workspace) -> Result<(), String> {
    let Some(mut built) = Built::new(ws, "asan", "-Zsanitizer=address", ASAN_TESTS)? else { return Ok(()) };
    built.env = vec![("LSAN_OPTIONS", suppressions(ws, "lsan.supp"))];
    for test in &built.tests {
        command(&mut built.command(test, &[]))?;
    }
    built.must_report("canaries", "canary_use_after_free", "AddressSanitizer: heap-use-after-free")?;
    built.must_report("canaries", "canary_leak", "LeakSanitizer: detected memory leaks")
}

/// Builds into `target/tsan`; runs the tests, those of the whole scheduler several times, then the planted race.
pub(crate) fn tsan(ws: &Workspace) -> Result<(), String> {
    tsan_rounds(ws, ROUNDS)
}

/// As [`tsan`], with as many rounds as asked for.
pub(crate) fn tsan_rounds(ws: &Workspace, rounds: usize) -> Result<(), String> {
    let Some(mut built) = Built::new(ws, "tsan", TSAN_FLAGS, TSAN_TESTS)? else { return Ok(()) };
    // A report is dropped in silence if the other access has left the history: keep the longest.
    built.env = vec![
        ("TSAN_OPTIONS", suppressions(ws, "tsan.supp") + " history_size=7"),
        // What std has read of the program for one panic's backtrace lies under a lock of std's, which is not instrumented.
        ("RUST_BACKTRACE", "0".into()),
    ];
    for test in &built.tests {
        command(&mut built.command(test, &[]))?;
        for _ in 1..rounds {
            command(&mut built.command(test, &["whole_"]))?;
        }
    }
    built.must_report("ouzel_core", "canary_race", "ThreadSanitizer: data race")?;
    tsan_c_abi(ws, rounds)
}

/// Two threads at one task through the C ABI, then the planted race.
fn tsan_c_abi(ws: &Workspace, rounds: usize) -> Result<(), String> {
    if !nightly::has_sources() {
        println!(
            "(skipped: the C ABI; `rustup component add rust-src --toolchain nightly` adds what it needs)"
        );
        return Ok(());
    }
    let Some(mut built) = Built::new(ws, "tsan-std", TSAN_FLAGS, TSAN_C_ABI)? else { return Ok(()) };
    built.env = vec![("TSAN_OPTIONS", "history_size=7".into())];
    for _ in 0..rounds {
        for test in &built.tests {
            // One after the other: TSan does not see our system calls, so it takes memory that one runtime has unmapped and
            // another maps anew for shared without order.
            command(&mut built.command(test, &["--test-threads=1"]))?;
        }
    }
    built.must_report("race", "canary_race_through_the_c_abi", "ThreadSanitizer: data race")
}

/// The C programs under valgrind, and its planted faults. Says so where it is not installed.
pub(crate) fn valgrind(ws: &Workspace) -> Result<(), String> {
    command(&mut ws.cargo(&["test", "-p", "ouzel-ffi", "--test", "memory", "--", "--ignored", "--nocapture"]))
}

fn suppressions(ws: &Workspace, file: &str) -> String {
    format!("suppressions={}", ws.root.join("xtask/sanitizers").join(file).display())
}

/// Test programs with a sanitizer in them.
struct Built {
    tests: Vec<(String, PathBuf)>,
    env: Vec<(&'static str, String)>,
    root: PathBuf,
}

impl Built {
    /// `None` where there is no nightly compiler.
    fn new(ws: &Workspace, folder: &str, flags: &str, what: &[&str]) -> Result<Option<Self>, String> {
        if !nightly::installed() {
            println!(
                "(skipped: no nightly compiler for {TARGET}; `rustup toolchain install nightly` adds it)"
            );
            return Ok(None);
        }
        let flags = format!("{flags} -Cunsafe-allow-abi-mismatch=sanitizer");
        let mut cargo = nightly::cargo(ws, folder, &flags);
        cargo.args(["test", "--no-run", "--target", TARGET]).args(what);
        let found = build(&mut cargo)?.into_iter().filter(|a| a.is_test);
        let tests: Vec<_> = found.filter_map(|a| Some((a.name, a.executable?))).collect();
        if tests.is_empty() {
            return Err("cargo names no test program".into());
        }
        Ok(Some(Built { tests, env: Vec::new(), root: ws.root.clone() }))
    }

    fn command(&self, (_, program): &(String, PathBuf), args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root).stdin(Stdio::null()).envs(self.env.iter().cloned());
        command
    }

    /// Runs the planted fault `name` of the test program `of`; it must end badly, with `report`.
    fn must_report(&self, of: &str, name: &str, report: &str) -> Result<(), String> {
        let test = self.tests.iter().find(|(n, _)| n == of).ok_or(format!("no test program {of}"))?;
        let output = self
            .command(test, &[name, "--ignored", "--nocapture", "--test-threads=1"])
            .output()
            .map_err(|e| format!("{of}: {e}"))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if said.contains("running 0 tests") {
            return Err(format!("{of} has no test {name}"));
        }
        if output.status.success() || !said.contains(report) {
            println!("{said}");
            return Err(format!("{name}: a planted fault was not reported ({report}); {}", output.status));
        }
        println!("{name}: reported, as it must be ({report})");
        Ok(())
    }
}
