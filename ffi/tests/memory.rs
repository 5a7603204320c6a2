//! The C test programs under AddressSanitizer, and under valgrind (`cargo xtask valgrind`), which sees into the library too.
//! Each has to report planted faults: what it does not see there it would not see elsewhere.

mod cc;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// All of `tests/c` but those that are about operations whose memory the kernel writes to on its own.
const PROGRAMS: &[&str] = &[
    "tasks",
    "spawn",
    "sync",
    "wakers",
    "contract",
    "allocator",
    "refused",
    "refused_io",
    "ready",
    "try_send",
];

fn build(name: &str, kind: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(format!("{name}.c"));
    let program = cc::scratch(&format!("{kind}-{name}")).join(name);
    cc::compile_with(&source, &program, true, flags);
    program
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Runs a planted fault, which must be reported with this text.
fn must_report(mut command: Command, fault: &str, report: &str) {
    let output = command.arg(fault).output().unwrap();
    let said = said(&output);
    assert!(
        !output.status.success() && said.contains(report),
        "{fault} was not reported ({report}): {}\n{said}",
        output.status
    );
}

const ASAN: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

#[test]
fn asan_sees_no_wrong_in_the_c_programs() {
    for name in PROGRAMS {
        let program = build(name, "asan", ASAN);
        // The best there is, and the next.
        for driver in cc::drivers().into_iter().take(2) {
            for workers in ["0", "1", "2"] {
                cc::run(&program, &[driver, workers]);
            }
        }
    }
}

#[test]
fn asan_reports_what_is_planted() {
    let planted = build("planted", "asan", ASAN);
    must_report(Command::new(&planted), "use_after_free", "heap-use-after-free");
    must_report(Command::new(&planted), "dropped_twice", "double-free");
}

/// None where it is not installed.
fn valgrind(program: &Path) -> Option<Command> {
    let mut command = Command::new("valgrind");
    if command.arg("--version").output().is_err() {
        eprintln!("skipped: valgrind is not installed (`apt-get install valgrind`)");
        return None;
    }
    let mut command = Command::new("valgrind");
    command.args(["-q", "--error-exitcode=9", "--trace-children=yes"]).arg(program);
    Some(command)
}

#[test]
#[ignore = "takes minutes: cargo xtask valgrind runs it"]
fn valgrind_sees_no_wrong_in_the_c_programs() {
    for name in PROGRAMS {
        let program = build(name, "valgrind", &[]);
        for workers in ["0", "1", "2"] {
            let Some(mut command) = valgrind(&program) else { return };
            let output = command.args(["epoll", workers]).output().unwrap();
            assert!(output.status.success(), "{name} {workers}: {}\n{}", output.status, said(&output));
        }
    }
}

#[test]
#[ignore = "belongs to the one above"]
fn valgrind_reports_what_is_planted() {
    let planted = build("planted", "valgrind", &[]);
    for (fault, report) in [
        ("use_after_free", "Invalid read"),
        ("read_by_the_library", "Invalid read"),
        ("dropped_twice", "Invalid free"),
    ] {
        let Some(command) = valgrind(&planted) else { return };
        must_report(command, fault, report);
    }
}
