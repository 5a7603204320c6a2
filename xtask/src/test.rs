//! `cargo xtask test`: everything that runs.

use crate::models::{self, Choice};
use crate::steps::Steps;
use crate::workspace::{Tool, Workspace, run as command};
use crate::{cached, demo, dist, firmware, sanitizers, zig};
use std::process::ExitCode;

/// Runs all tests.
pub(crate) fn run(ws: &Workspace) -> ExitCode {
    let mut steps = Steps::default();
    self::steps(ws, &mut steps);
    steps.step("firmware", || firmware::run_if_there(ws));
    steps.finish()
}

/// The steps of `test`, for `ci` to run after its own.
pub(crate) fn steps(ws: &Workspace, steps: &mut Steps) {
    steps.step("unit and contract tests", || {
        let mut cargo = ws.cargo(&["test", "--workspace", "--exclude", "ouzel-ffi"]);
        command(cargo.args(["--lib", "--bins", "--tests", "--examples"]))
    });
    steps.step("core's tests without std and alloc", || {
        command(&mut ws.cargo(&["test", "-p", "ouzel-core", "--no-default-features", "--lib"]))
    });
    steps.step("doc tests", || command(&mut ws.cargo(&["test", "--workspace", "--doc"])));
    steps.step("C header and ABI tests", || {
        command(&mut ws.cargo(&["test", "-p", "ouzel-ffi", "--lib", "--tests"]))
    });
    steps.step("what is shipped, used from outside", || dist::check(ws, dist::library::Kind::Trained));
    steps.step("Zig binding", || zig::check(ws, true));
    steps.step("loom models", || models::run(ws, Tool::Loom, Choice::default()));
    steps.step("scheduler under shuttle", || models::run(ws, Tool::Shuttle, Choice::default()));
    steps.step("memory errors and leaks", || sanitizers::asan(ws));
    steps.step("data races", || sanitizers::tsan(ws));
    steps.step("clients of the cache server", || cached::run(ws, &cached::Options::clients()));
    steps.step("short demo", || demo::run(ws, &demo::Options::quick()));
}
