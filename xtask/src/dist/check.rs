//! Uses what is shipped as its users would, outside the repository: pkg-config, CMake, C, C++, and beside another
//! Rust library.

use super::layout::{make, write};
use super::library::{Kind, SYSTEM};
use super::trained::TESTS;
use crate::python;
use crate::workspace::{Workspace, run as command, run_quietly};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The largest a stripped program that runs one task may be, in bytes.
fn most(kind: Kind) -> u64 {
    match kind {
        Kind::Trained | Kind::Small => 350 * 1024,
        Kind::WithMessages => 800 * 1024,
    }
}

/// The same on the archive for a host's own driver.
const CORE_HELLO: u64 = 40 * 1024;

const CMAKE_PACKAGE: &str = "cmake==4.0.3";

const PROGRAM: &str = r#"#include <ouzel.h>
#include <stdio.h>

static int32_t hello(void *ud, ouzel_cx *cx) {
    (void)cx;
    printf("%s from a task on %s\n", (const char *)ud, ouzel_version_string());
    return OUZEL_READY;
}

int main(void) {
    ouzel_runtime *rt;
    if (ouzel_check_abi(OUZEL_ABI_VERSION) != OUZEL_OK || ouzel_runtime_new(NULL, &rt) != OUZEL_OK) return 1;
    static char text[] = "hello";
    if (ouzel_spawn(rt, hello, text, NULL, NULL) != OUZEL_OK || ouzel_run(rt) != OUZEL_RUN_IDLE) return 2;
    if (ouzel_set_panic_hook(NULL, NULL) != PANIC_HOOK) return 4;
    return ouzel_runtime_free(rt) == OUZEL_OK ? 0 : 3;
}
"#;

/// The same in C++20.
const COROUTINE: &str = r#"#include <ouzel.hpp>
#include <cstdio>

static ouzel::task<int> hello() {
    co_await ouzel::sleep_for(std::chrono::milliseconds(1));
    co_return std::printf("hello from a task on %s\n", ouzel_version_string());
}

int main() {
    ouzel::runtime rt;
    return rt.block_on(hello()) > 0 ? 0 : 1;
}
"#;

const CMAKE: &str = "cmake_minimum_required(VERSION 3.13)\nproject(user C CXX)\nfind_package(ouzel 0.1 REQUIRED)\n\
    add_compile_definitions(PANIC_HOOK=${PANIC_HOOK})\n\
    add_executable(shared hello.c)\ntarget_link_libraries(shared ouzel::ouzel)\n\
    add_executable(static hello.c)\ntarget_link_libraries(static ouzel::static)\n";

/// Names the drivers that can be had here.
const DRIVERS: &str = r#"#include <ouzel.h>
#include <stdio.h>

int main(void) {
    for (uint32_t driver = OUZEL_DRIVER_URING; driver <= OUZEL_DRIVER_POLL; driver++) {
        ouzel_options options;
        ouzel_runtime *rt;
        ouzel_options_init(&options, sizeof options);
        options.driver = driver;
        if (ouzel_runtime_new(&options, &rt) != OUZEL_OK) continue;
        puts(ouzel_driver_name(driver));
        if (ouzel_runtime_free(rt) != OUZEL_OK) return 1;
    }
    return 0;
}
"#;

/// Another Rust library, with its own copy of `std`.
const OTHER: &str = "#[unsafe(no_mangle)]\npub extern \"C\" fn other() -> i32 {\n    \
    std::thread::spawn(|| vec![1, 2, 3].iter().sum::<i32>()).join().unwrap()\n}\n";
const BOTH: &str =
    "int other(void);\nint hello_main(void);\nint main(void) { return other() == 6 ? hello_main() : 9; }\n";

/// Builds and uses it.
pub(crate) fn check(ws: &Workspace, wanted: Kind) -> Result<(), String> {
    let place = std::env::temp_dir().join(format!("ouzel-dist-{}", std::process::id()));
    let out = place.join("prefix");
    let result = make(ws, &out, wanted).and_then(|kind| Check { out, place: place.clone(), kind }.all(ws));
    let removed = fs::remove_dir_all(&place);
    result.and(removed.map_err(|e| format!("{}: {e}", place.display())))
}

struct Check {
    out: PathBuf,
    /// Where programs are made.
    place: PathBuf,
    kind: Kind,
}

impl Check {
    fn all(&self, ws: &Workspace) -> Result<(), String> {
        for (name, text) in [
            ("hello.c", PROGRAM),
            ("coroutine.cpp", COROUTINE),
            ("drivers.c", DRIVERS),
            ("CMakeLists.txt", CMAKE),
            ("other.rs", OTHER),
            ("both.c", BOTH),
        ] {
            write(&self.place.join(name), text)?;
        }
        fs::copy(self.place.join("hello.c"), self.place.join("hello.cpp")).map_err(|e| e.to_string())?;
        if there("pkg-config") {
            for compiler in ["gcc", "clang", "g++", "clang++"].into_iter().filter(|c| there(c)) {
                self.pkg_config(compiler, false)?;
                self.pkg_config(compiler, true)?;
            }
        }
        self.core(ws)?;
        self.tests(ws)?;
        self.coroutine()?;
        self.beside_another_library()?;
        self.cmake(&cmake(ws)?)?;
        self.size()
    }

    fn cc(&self, compiler: &str, source: &str, to: &str) -> Command {
        let mut cc = Command::new(compiler);
        cc.current_dir(&self.place).args(["-O2", "-Wall", "-Wextra", "-Werror", source, "-o", to]);
        cc.arg(format!("-DPANIC_HOOK={}", self.panic_hook()));
        cc
    }

    /// What setting a panic hook answers.
    fn panic_hook(&self) -> &'static str {
        match self.kind {
            Kind::Trained | Kind::Small => "OUZEL_ENOTSUP",
            Kind::WithMessages => "OUZEL_OK",
        }
    }

    fn run(&self, program: &str) -> Result<(), String> {
        let mut hello = Command::new(self.place.join(program));
        hello.env("LD_LIBRARY_PATH", self.out.join("lib"));
        let output = hello.output().map_err(|e| format!("{program}: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && text.starts_with("hello from a task on ") {
            return Ok(());
        }
        Err(format!("{program} ended with {} and said {text:?}", output.status))
    }

    fn pkg_config(&self, compiler: &str, shared: bool) -> Result<(), String> {
        let mut query = Command::new("pkg-config");
        query.env("PKG_CONFIG_PATH", self.out.join("lib/pkgconfig")).args(["--cflags", "--libs", "ouzel"]);
        if !shared {
            query.arg("--static");
        }
        let flags = query.output().map_err(|e| format!("pkg-config: {e}"))?;
        if !flags.status.success() {
            return Err(format!("pkg-config: {}", String::from_utf8_lossy(&flags.stderr)));
        }
        let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
        let (source, to) = (if compiler.ends_with("++") { "hello.cpp" } else { "hello.c" }, "hello");
        let flags = flags.split_whitespace();
        // With both libraries in one folder a linker takes the shared one.
        let flags = flags.map(|f| if !shared && f == "-louzel" { "-l:libouzel.a" } else { f });
        command(self.cc(compiler, source, to).args(flags))?;
        self.run(to)?;
        println!("{compiler} with pkg-config, {}: ok", if shared { "shared" } else { "static" });
        Ok(())
    }

    /// The C tests, on what is shipped: as it is compiled, nothing else of it is run so thoroughly.
    fn tests(&self, ws: &Workspace) -> Result<(), String> {
        self.on_archive("drivers.c", "drivers")?;
        let said = Command::new(self.place.join("drivers")).output().map_err(|e| format!("drivers: {e}"))?;
        let drivers = String::from_utf8_lossy(&said.stdout);
        if drivers.is_empty() {
            return Err(format!("a program that names the drivers: {}, and named none", said.status));
        }
        for test in TESTS {
            let source = ws.root.join(format!("ffi/tests/c/{test}.c"));
            let program = format!("test-{test}");
            self.on_archive(&source.display().to_string(), &program)?;
            for driver in drivers.lines() {
                for workers in ["0", "1", "2"] {
                    run_quietly(Command::new(self.place.join(&program)).args([driver, workers]))?;
                }
            }
        }
        println!("{} C tests on {}: ok", TESTS.len(), drivers.lines().collect::<Vec<_>>().join(", "));
        Ok(())
    }

    /// Compiles a program with the archive.
    fn on_archive(&self, source: &str, to: &str) -> Result<(), String> {
        let mut cc = self.cc("cc", source, to);
        cc.arg("-I").arg(self.out.join("include")).arg(self.out.join("lib/libouzel.a"));
        command(cc.args(SYSTEM.split(' ')))
    }

    fn coroutine(&self) -> Result<(), String> {
        let mut cc = self.cc("g++", "coroutine.cpp", "coroutine");
        cc.arg("-std=c++20").arg("-I").arg(self.out.join("include")).arg(self.out.join("lib/libouzel.a"));
        command(cc.args(SYSTEM.split(' ')))?;
        self.run("coroutine")?;
        println!("a coroutine, g++: ok");
        Ok(())
    }

    /// The archive for a host's own driver: its test program, and how small a program with it is.
    fn core(&self, ws: &Workspace) -> Result<(), String> {
        for (source, name) in [("tests/c/core.c", "core-test"), ("examples/c/core_hello.c", "core-hello")] {
            let source = ws.root.join("ffi").join(source);
            let mut cc = self.cc("cc", &source.display().to_string(), name);
            cc.arg("-I").arg(self.out.join("include")).arg(self.out.join("lib/libouzel_core.a"));
            command(cc.args(["-Wl,--gc-sections", "-s", "-lpthread"]))?;
        }
        command(&mut Command::new(self.place.join("core-test")))?;
        self.run("core-hello")?;
        let size = fs::metadata(self.place.join("core-hello")).map_err(|e| e.to_string())?.len();
        println!("the same on libouzel_core.a: {size} bytes (at most {CORE_HELLO})");
        if size <= CORE_HELLO { Ok(()) } else { Err(format!("{size} bytes, more than {CORE_HELLO}")) }
    }

    fn beside_another_library(&self) -> Result<(), String> {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(&self.place).args([
            "--edition",
            "2024",
            "--crate-type",
            "staticlib",
            "-O",
            "other.rs",
        ]);
        command(&mut rustc)?;
        let mut cc = self.cc("cc", "hello.c", "hello.o");
        command(cc.args(["-c", "-Dmain=hello_main"]).arg("-I").arg(self.out.join("include")))?;
        let mut cc = self.cc("cc", "both.c", "both");
        cc.args(["hello.o", "libother.a"]).arg(self.out.join("lib/libouzel.a")).args(SYSTEM.split(' '));
        command(&mut cc)?;
        self.run("both")?;
        println!("in one program with another Rust library: ok");
        Ok(())
    }

    fn cmake(&self, cmake: &Path) -> Result<(), String> {
        let mut configure = Command::new(cmake);
        configure.current_dir(&self.place).args(["-S", ".", "-B", "build"]).stdout(Stdio::null());
        configure.arg(format!("-DPANIC_HOOK={}", self.panic_hook()));
        command(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", self.out.display())))?;
        command(
            Command::new(cmake).current_dir(&self.place).args(["--build", "build"]).stdout(Stdio::null()),
        )?;
        self.run("build/shared")?;
        self.run("build/static")?;
        println!("CMake, shared and static: ok");
        Ok(())
    }

    /// A program that runs a task must stay small.
    fn size(&self) -> Result<(), String> {
        let mut cc = self.cc("cc", "hello.c", "small");
        cc.arg("-I").arg(self.out.join("include")).arg(self.out.join("lib/libouzel.a"));
        command(cc.args(SYSTEM.split(' ')).args(["-Wl,--gc-sections", "-s"]))?;
        self.run("small")?;
        let size = fs::metadata(self.place.join("small")).map_err(|e| e.to_string())?.len();
        let most = most(self.kind);
        println!("a stripped program that runs a task: {size} bytes (at most {most})");
        if size <= most { Ok(()) } else { Err(format!("{size} bytes, more than {most}")) }
    }
}

/// The system's, or PyPI's.
fn cmake(ws: &Workspace) -> Result<PathBuf, String> {
    if there("cmake") {
        return Ok("cmake".into());
    }
    Ok(python::with(ws, "venv", CMAKE_PACKAGE)?.with_file_name("cmake"))
}

fn there(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = version.is_ok_and(|status| status.success());
    if !there {
        println!("{tool} is not installed");
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_not_there_is_passed_over() {
        assert!(there("cargo") && !there("no-such-tool-anywhere"));
    }
}
