//! The C test programs (`tests/c`), each on every driver, host-driven, with one worker and with two; `hello.c` too.

mod cc;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A compiled C program; each is compiled once.
fn program(name: &'static str, path: &str, built: &'static OnceLock<PathBuf>) -> &'static Path {
    built.get_or_init(|| {
        let program = cc::scratch(name).join(name);
        cc::compile(&source(path), &program, true);
        program
    })
}

fn run_everywhere(program: &Path) {
    for driver in cc::drivers() {
        for workers in ["0", "1", "2"] {
            cc::run(program, &[driver, workers]);
        }
    }
}

#[test]
fn tasks_behave_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("tasks", "tests/c/tasks.c", &BUILT));
}

#[test]
fn tasks_wait_for_each_other_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("sync", "tests/c/sync.c", &BUILT));
}

#[test]
fn tasks_begin_and_end_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("spawn", "tests/c/spawn.c", &BUILT));
}

#[test]
fn wakers_behave_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("wakers", "tests/c/wakers.c", &BUILT));
}

#[test]
fn the_host_gives_the_memory() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("allocator", "tests/c/allocator.c", &BUILT));
}

#[test]
fn memory_that_is_refused_loses_nothing() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("refused", "tests/c/refused.c", &BUILT));
}

#[test]
fn an_operation_that_is_refused_memory_loses_nothing() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("refused_io", "tests/c/refused_io.c", &BUILT));
}

#[test]
fn a_system_that_has_nothing_to_give_is_told_of() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("scarce", "tests/c/scarce.c", &BUILT));
}

#[test]
fn every_rule_of_the_contract_holds() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("contract", "tests/c/contract.c", &BUILT));
}

#[test]
fn operations_behave_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("ops", "tests/c/ops.c", &BUILT));
}

#[test]
fn timers_behave_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("timers", "tests/c/timers.c", &BUILT));
}

#[test]
fn sockets_behave_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("sockets", "tests/c/sockets.c", &BUILT));
}

#[test]
fn small_sends_behave_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("try_send", "tests/c/try_send.c", &BUILT));
}

#[test]
fn readiness_is_told_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("ready", "tests/c/ready.c", &BUILT));
}

#[test]
fn files_batches_waits_and_signals_behave_as_the_header_says() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    run_everywhere(program("files", "tests/c/files.c", &BUILT));
}

#[test]
fn hello_says_hello_three_times() {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let said = cc::run(program("hello", "examples/c/hello.c", &BUILT), &[]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], ["hello 1", "hello 2", "hello 3"]);
    assert!(lines[3].starts_with("driver ") && lines[3].ends_with(", result 0"), "{said}");
}

#[test]
fn the_readmes_program_compiles_and_runs() {
    let readme = std::fs::read_to_string(source("../README.md")).unwrap();
    let (_, rest) = readme.split_once("```c\n").expect("README.md shows a C program");
    let (text, _) = rest.split_once("```").unwrap();
    assert_eq!(cc::run_linked("readme", text), "hello 1\nhello 2\nhello 3\n");
}
