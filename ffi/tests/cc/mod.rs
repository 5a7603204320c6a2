//! C and C++ compilers, for tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C99,
    C11,
    Cpp17,
    Cpp20,
}

impl Language {
    pub(crate) fn suffix(self) -> &'static str {
        if self.is_cpp() { "cpp" } else { "c" }
    }
    fn is_cpp(self) -> bool {
        matches!(self, Language::Cpp17 | Language::Cpp20)
    }
    fn flag(self) -> &'static str {
        match self {
            Language::C99 => "-std=c99",
            Language::C11 => "-std=c11",
            Language::Cpp17 => "-std=c++17",
            Language::Cpp20 => "-std=c++20",
        }
    }
}

/// A compiler that is there: its name, and the words it is called by.
pub(crate) struct Compiler(&'static str, Vec<OsString>);

impl Compiler {
    /// Those of `language` that are installed; one that is not is named, with what would bring it.
    pub(crate) fn all(language: Language) -> Vec<Compiler> {
        let (gnu, clang, zig) =
            if language.is_cpp() { ("g++", "clang++", "c++") } else { ("gcc", "clang", "cc") };
        let mut found = Vec::new();
        match Compiler::of(gnu, vec![gnu.into()]) {
            Some(compiler) => found.push(compiler),
            None => eprintln!("skipped: {gnu} is not installed (Debian's package is called {gnu})"),
        }
        let pythons = zig_pythons().into_iter();
        let zigs = pythons.map(|python| vec![python.into(), "-m".into(), "ziglang".into(), zig.into()]);
        match [vec![clang.into()]].into_iter().chain(zigs).find_map(|words| Compiler::of(clang, words)) {
            Some(compiler) => found.push(compiler),
            None => eprintln!("skipped: {clang} (Debian's package clang, or PyPI's ziglang, which has one)"),
        }
        found
    }

    fn of(name: &'static str, words: Vec<OsString>) -> Option<Compiler> {
        let compiler = Compiler(name, words);
        let asked = compiler.command().arg("--version").output();
        asked.is_ok_and(|o| o.status.success()).then_some(compiler)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.1[0]);
        command.args(&self.1[1..]);
        keep_caches(&mut command);
        command
    }

    pub(crate) fn run(&self, language: Language, flags: &[&str], rest: &[&OsStr]) {
        let mut command = self.command();
        command.arg(language.flag()).args(flags).arg("-I").arg(include_dir()).args(rest);
        succeed(&mut command);
    }
}

/// What a Zig compiles once, it finds there the next time.
fn keep_caches(zig: &mut Command) {
    let caches = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zig-cache");
    zig.env("ZIG_LOCAL_CACHE_DIR", &caches).env("ZIG_GLOBAL_CACHE_DIR", &caches);
}

/// Pythons that may have ziglang: those `cargo xtask zig` made, and the system's.
fn zig_pythons() -> Vec<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let folders = std::fs::read_dir(target).into_iter().flatten().flatten();
    let mut pythons: Vec<PathBuf> = folders
        .filter(|folder| folder.file_name().to_string_lossy().starts_with("zig-"))
        .map(|folder| folder.path().join("bin/python"))
        .collect();
    pythons.sort();
    pythons.push("python3".into());
    pythons
}

/// A Zig that is there: PyPI's `ziglang` in one of those Pythons.
pub(crate) struct Zig {
    python: PathBuf,
    pub(crate) version: String,
}

impl Zig {
    /// All of them; without one, what would bring it.
    pub(crate) fn all() -> Vec<Zig> {
        let mut found: Vec<Zig> = Vec::new();
        for python in zig_pythons() {
            let asked = Command::new(&python).args(["-m", "ziglang", "version"]).output();
            let Some(said) = asked.ok().filter(|o| o.status.success()) else { continue };
            let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
            if found.iter().all(|zig| zig.version != version) {
                found.push(Zig { python, version });
            }
        }
        if found.is_empty() {
            eprintln!("skipped: Zig (PyPI's ziglang; cargo xtask zig installs it)");
        }
        found
    }

    /// Builds one program with the binding, against the library.
    pub(crate) fn build(&self, source: &Path, program: &Path) {
        let binding = Path::new(env!("CARGO_MANIFEST_DIR")).join("zig/ouzel.zig");
        let mut build = Command::new(&self.python);
        keep_caches(&mut build);
        build.args(["-m", "ziglang", "build-exe", "-OReleaseSafe", "-lc", "-lunwind", "--dep", "ouzel"]);
        build.arg(format!("-Mroot={}", source.display())).arg(format!("-Mouzel={}", binding.display()));
        succeed(build.arg(library()).arg(format!("-femit-bin={}", program.display())));
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

pub(crate) fn include_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

pub(crate) fn header_text() -> String {
    std::fs::read_to_string(include_dir().join("ouzel.h")).unwrap()
}

/// An empty folder of this test's own.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ffi-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// The static library that was built with this test.
pub(crate) fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.with_file_name("libouzel_ffi.a");
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// Compiles a C program that uses the header alone, runs it, returns what it printed.
pub(crate) fn run_c(name: &str, text: &str) -> String {
    build_and_run(name, text, false)
}

/// The same, linked with the library.
pub(crate) fn run_linked(name: &str, text: &str) -> String {
    build_and_run(name, text, true)
}

fn build_and_run(name: &str, text: &str, linked: bool) -> String {
    let dir = scratch(name);
    let source = dir.join("main.c");
    std::fs::write(&source, text).unwrap();
    let program = dir.join("main");
    compile(&source, &program, linked);
    succeed(&mut Command::new(&program))
}

/// Compiles one C file with the system's compiler.
pub(crate) fn compile(source: &Path, program: &Path, linked: bool) {
    compile_with(source, program, linked, &[]);
}

/// The same with further flags.
pub(crate) fn compile_with(source: &Path, program: &Path, linked: bool, flags: &[&str]) {
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(cc);
    command.args(["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-I"]).arg(include_dir());
    command.args(flags).arg(source).arg("-o").arg(program);
    if linked {
        command.arg(library()).args(["-lpthread", "-ldl", "-lm"]);
    }
    succeed(&mut command);
}

/// Compiles one C++20 file with g++, against the library.
pub(crate) fn compile_cpp(source: &Path, program: &Path, flags: &[&str]) {
    let mut command = Command::new("g++");
    command.args(["-std=c++20", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(include_dir());
    command.args(flags).arg(source).arg("-o").arg(program).arg(library());
    succeed(command.args(["-lpthread", "-ldl", "-lm"]));
}

/// Runs a program to its end, which must be a success.
pub(crate) fn run(program: &Path, args: &[&str]) -> String {
    succeed(Command::new(program).args(args))
}

/// The drivers this machine has; one that cannot be had is named.
pub(crate) fn drivers() -> Vec<&'static str> {
    let all = [ouzel::Driver::Uring, ouzel::Driver::Epoll, ouzel::Driver::Poll];
    let names = ["uring", "epoll", "poll"];
    let mut found = Vec::new();
    for (driver, name) in all.into_iter().zip(names) {
        match ouzel::Runtime::builder().driver(driver).build_local() {
            Ok(_) => found.push(name),
            Err(e) => eprintln!("skipped: driver {name}: {e}"),
        }
    }
    found
}
