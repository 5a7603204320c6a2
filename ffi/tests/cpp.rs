//! `ouzel.hpp`: its test program on every driver, plain and under AddressSanitizer, and that each compiler takes it.

mod cc;

use std::path::{Path, PathBuf};

use cc::{Compiler, Language};

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn run_everywhere(name: &str, flags: &[&str]) {
    let program = cc::scratch(name).join(name);
    cc::compile_cpp(&source("tests/cpp/coroutines.cpp"), &program, flags);
    for driver in cc::drivers() {
        for workers in ["0", "2"] {
            cc::run(&program, &[driver, workers]);
        }
    }
}

#[test]
fn coroutines_wait_fail_and_are_cancelled_as_the_header_says() {
    run_everywhere("coroutines", &["-O2"]);
}

#[test]
fn coroutines_do_no_wrong_that_asan_sees() {
    run_everywhere("coroutines-asan", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
}

#[test]
fn the_header_compiles_without_a_warning() {
    let object = cc::scratch("hpp").join("coroutines.o");
    for compiler in Compiler::all(Language::Cpp20) {
        compiler.run(
            Language::Cpp20,
            &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c"],
            &[source("tests/cpp/coroutines.cpp").as_ref(), "-o".as_ref(), object.as_ref()],
        );
    }
}
