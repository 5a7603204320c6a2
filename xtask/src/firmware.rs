//! `cargo xtask firmware`: core for processors without an operating system, and programs on one of them.
//!
//! Core is built without an allocator for each [`TARGETS`]; the programs of `tests/firmware` are built for the two
//! Cortex-M among them and run in QEMU, on one board: a Cortex-M4 runs a Cortex-M0's code. Instructions are
//! counted there (`-icount`), so time and interrupts come at the same instruction however busy the machine is.
//!
//! One core emulated proves that it builds and runs and that interrupts may come at any instruction; it says nothing
//! of memory orderings (loom does).

use crate::elf;
use crate::workspace::{Workspace, build, run as command};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A processor.
struct Target {
    name: &'static str,
    /// It has a compare-and-swap. Without one, atomics are made by disabling interrupts.
    cas: bool,
    runs: bool,
}

const TARGETS: [Target; 4] = [
    Target { name: "thumbv7em-none-eabihf", cas: true, runs: true },
    Target { name: "thumbv6m-none-eabi", cas: false, runs: true },
    Target { name: "riscv32imac-unknown-none-elf", cas: true, runs: false },
    Target { name: "riscv32imc-unknown-none-elf", cas: false, runs: false },
];

/// A program, and what its run must bring.
const PROGRAMS: [(&str, bool, &str); 3] =
    [("blink", true, "sum 6"), ("checks", true, "scenes"), ("panics", false, "on purpose")];

const QEMU: &str = "qemu-system-arm";
const BOARD: [&str; 15] = [
    "-machine",
    "mps2-an386",
    "-cpu",
    "cortex-m4",
    "-display",
    "none",
    "-monitor",
    "none",
    "-serial",
    "none",
    "-icount",
    "shift=5,sleep=off",
    "-semihosting-config",
    "enable=on,target=native",
    "-kernel",
];
/// A program takes half a second, on a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(300);

/// Builds and runs all of it.
///
/// # Errors
/// Something needed is not installed, or a build or a run failed.
pub(crate) fn run(ws: &Workspace) -> Result<(), String> {
    if let Some(missing) = missing() {
        return Err(missing);
    }
    let folder = ws.target.join("firmware");
    for target in &TARGETS {
        core_alone(ws, &folder, target, &[])?;
        if target.cas {
            core_alone(ws, &folder, target, &["--features", "alloc"])?;
        }
    }
    command(&mut in_firmware(ws, &folder, &["fmt", "--", "--check"]))?;
    let mut sizes = Vec::new();
    for target in TARGETS.iter().filter(|t| t.runs) {
        let options = ["--release", "--locked", "--target", target.name];
        let features: &[&str] = if target.cas { &[] } else { &["--features", "single-core"] };
        let mut clippy = in_firmware(ws, &folder, &["clippy"]);
        command(clippy.args(options).args(features).args(["--", "-D", "warnings"]))?;
        let built = build(in_firmware(ws, &folder, &["build"]).args(options).args(features))?;
        for (name, success, text) in PROGRAMS {
            let artifact = built.iter().find(|a| a.name == name && a.executable.is_some());
            let program = artifact.and_then(|a| a.executable.as_deref());
            let program = program.ok_or_else(|| format!("cargo built no {name}"))?;
            println!("-- {name} on {}", target.name);
            expect(program, success, text)?;
            sizes.push((name, target.name, elf::sizes(program)?));
        }
    }
    println!("{:<10} {:<24} {:>12} {:>12}", "program", "target", "flash", "static RAM");
    for (name, target, size) in sizes {
        println!("{name:<10} {target:<24} {:>12} {:>12}", size.flash, size.ram);
    }
    Ok(())
}

/// The same; where something is not installed it says so and passes.
///
/// # Errors
/// A build or a run failed.
pub(crate) fn run_if_there(ws: &Workspace) -> Result<(), String> {
    if let Some(missing) = missing() {
        println!("(skipped: {missing})");
        return Ok(());
    }
    run(ws)
}

/// What has to be installed before [`run`], and how.
fn missing() -> Option<String> {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed = listed.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let qemu = Command::new(QEMU).arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    wanted(&installed, qemu)
}

fn wanted(installed: &str, qemu: bool) -> Option<String> {
    let names = TARGETS.iter().map(|t| t.name);
    let targets: Vec<&str> = names.filter(|n| !installed.lines().any(|l| l.trim() == *n)).collect();
    let mut ways = Vec::new();
    if !targets.is_empty() {
        ways.push(format!("`rustup target add {}`", targets.join(" ")));
    }
    if !qemu {
        ways.push(format!("`apt-get install {QEMU}` (Debian's package)"));
    }
    (!ways.is_empty()).then(|| format!("the firmware needs {}", ways.join(" and ")))
}

/// Builds core without an allocator, or with what `features` add.
fn core_alone(ws: &Workspace, folder: &Path, target: &Target, features: &[&str]) -> Result<(), String> {
    println!("-- core for {} {}", target.name, features.join(" "));
    let mut cargo =
        ws.cargo(&["build", "-p", "ouzel-core", "--no-default-features", "--target", target.name]);
    cargo.args(features).env("CARGO_TARGET_DIR", folder);
    if !target.cas {
        cargo.env("RUSTFLAGS", "--cfg portable_atomic_unsafe_assume_single_core");
    }
    command(&mut cargo)
}

/// `cargo` for the package of the programs, which is not in the workspace.
fn in_firmware(ws: &Workspace, folder: &Path, args: &[&str]) -> Command {
    let mut cargo = ws.cargo(args);
    cargo.current_dir(ws.root.join("tests/firmware")).env("CARGO_TARGET_DIR", folder);
    cargo
}

/// Runs `program` in QEMU, prints what it prints, and compares.
fn expect(program: &Path, success: bool, text: &str) -> Result<(), String> {
    let mut qemu = Command::new(QEMU);
    qemu.args(BOARD).arg(program).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = qemu.spawn().map_err(|e| format!("{QEMU}: {e}"))?;
    let mut out = child.stdout.take().expect("it is piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let read = out.read_to_string(&mut text);
        read.map(|_| text).unwrap_or_default()
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break Some(status),
            None if start.elapsed() > LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let printed = reader.join().map_err(|_| "the reader of its output panicked")?;
    print!("{printed}");
    match status {
        None => Err(format!("it still ran after {} s", LIMIT.as_secs())),
        Some(status) if status.success() != success => Err(format!("it ended with {status}")),
        Some(_) if !printed.contains(text) => Err(format!("it did not print {text:?}")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        let all: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
        let all = all.join("\n");
        assert_eq!(wanted(&all, true), None);
        let message = wanted(&all.replace("thumbv6m-none-eabi", "thumbv6m-none"), false).unwrap();
        assert!(message.contains("rustup target add thumbv6m-none-eabi`"), "{message}");
        assert!(message.contains("apt-get install qemu-system-arm"), "{message}");
    }

    #[test]
    fn the_document_shows_the_program_that_runs() {
        let root = Workspace::find().root;
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let (document, program) = (read("docs/embedded.md"), read("tests/firmware/src/bin/blink.rs"));
        assert!(
            document.contains(&format!("```rust,ignore\n{program}```\n")),
            "docs/embedded.md differs from blink.rs"
        );
    }
}
