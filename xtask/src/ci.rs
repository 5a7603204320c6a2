//! `cargo xtask ci`: what a change has to pass.

use crate::checks::{self, Tree};
use crate::dist::core_archive;
use crate::firmware;
use crate::steps::Steps;
use crate::workspace::{Tool, Workspace, run as command};
use std::process::{Command, ExitCode};

/// Systems the facade must compile for; nothing of it runs there.
const ELSEWHERE: [&str; 5] = [
    "x86_64-apple-darwin",
    "x86_64-unknown-freebsd",
    "x86_64-unknown-illumos",
    "x86_64-unknown-netbsd",
    "x86_64-pc-windows-gnu",
];

/// Runs every check, then the tests.
pub(crate) fn run(ws: &Workspace) -> ExitCode {
    let mut steps = Steps::default();
    steps.step("format", || command(&mut ws.cargo(&["fmt", "--all", "--", "--check"])));
    rules(ws, &mut steps);
    steps.step("clippy", || {
        command(&mut ws.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    steps.step("clippy of what is built without std", || core_archive::lint(ws));
    for tool in [Tool::Loom, Tool::Shuttle] {
        steps.step(&format!("clippy under {}", tool.name()), || {
            let args =
                ["clippy", "-p", "ouzel-core", "--features", "std", "--all-targets", "--", "-D", "warnings"];
            command(&mut ws.cargo_under(tool, &args))
        });
    }
    steps.step("docs", || {
        command(ws.cargo(&["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-Dwarnings"))
    });
    no_std(ws, &mut steps);
    steps.step("other systems", || elsewhere(ws));
    crate::test::steps(ws, &mut steps);
    steps.step("firmware", || firmware::run(ws));
    steps.finish()
}

/// Runs the checks that need no build.
pub(crate) fn run_rules(ws: &Workspace) -> ExitCode {
    let mut steps = Steps::default();
    rules(ws, &mut steps);
    steps.finish()
}

/// The rules of the house, one step each.
fn rules(ws: &Workspace, steps: &mut Steps) {
    let tree = match ws.metadata().and_then(|metadata| Tree::read(&ws.root, metadata)) {
        Ok(tree) => tree,
        Err(e) => return steps.step("read the tree", || Err(e)),
    };
    for (name, check) in checks::ALL {
        steps.step(name, || {
            let found = check(&tree);
            println!("{}", found.summary);
            for violation in &found.violations {
                println!("  {violation}");
            }
            match found.violations.len() {
                0 => Ok(()),
                n => Err(format!("{n} violation{}", if n == 1 { "" } else { "s" })),
            }
        });
    }
}

/// The core alone, where no sibling can switch `std` on for it.
fn no_std(ws: &Workspace, steps: &mut Steps) {
    let check = ["check", "-p", "ouzel-core", "--no-default-features"];
    steps.step("core without features", || command(&mut ws.cargo(&check)));
    steps.step("core with alloc alone", || command(ws.cargo(&check).args(["--features", "alloc"])));
}

/// The facade alone, over the portable driver, for those of the systems whose standard library is installed.
fn elsewhere(ws: &Workspace) -> Result<(), String> {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed = listed.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    for target in ELSEWHERE {
        if installed.lines().any(|line| line.trim() == target) {
            command(&mut ws.cargo(&["check", "-p", "ouzel", "--target", target]))?;
        } else {
            println!("(skipped: `rustup target add {target}` installs what this needs)");
        }
    }
    Ok(())
}
