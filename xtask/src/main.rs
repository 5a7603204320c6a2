//! The project's own commands: `cargo xtask ci | rules | test | loom | asan | firmware | mutants | demo | bench`.
//!
//! | command | what it does |
//! |---|---|
//! | `ci` | formatting, lints, docs, the rules of the house, then `test` |
//! | `rules` | the rules of the house alone |
//! | `test` | unit, contract and doc tests, loom models, the C header, a short demo |
//! | `loom` | every loom model, with the number of schedules it explored |
//! | `shuttle` | the whole scheduler under random schedules from a fixed set of seeds |
//! | `asan`, `tsan` | tests under AddressSanitizer or ThreadSanitizer, if a nightly compiler is there |
//! | `valgrind` | the C test programs under valgrind |
//! | `coverage` | which lines of core no test runs |
//! | `embedding` | the core in the loops of others, a peer runtime's among them |
//! | `soak` | many seeds, sanitizers again and again, deep models, for minutes |
//! | `firmware` | core without an allocator, and programs on a microcontroller in QEMU |
//! | `mutants` | breaks the code on purpose and expects the models to notice |
//! | `rmw`, `insns` | atomic read-modify-writes and instructions per operation |
//! | `demo` | the C key-value server on every driver, under load, with counts |
//! | `cached` | the cache server: counts per request, CPU against memcached and redis, other people's clients |
//! | `bench` | ouzel and its peers at the same work |
//! | `echo` | the echo servers in C and Zig beside the same on libuv |
//! | `overhead` | what each engine itself costs in a search |

mod bench;
mod c;
mod c_index;
mod cached;
mod checks;
mod ci;
mod counts;
mod coverage;
mod cpu;
mod demo;
mod dist;
mod driven;
mod echo;
mod elf;
mod firmware;
mod llvm;
mod models;
mod mutants;
mod nightly;
mod progress;
mod python;
mod sanitizers;
mod soak;
mod steps;
mod test;
mod turns;
mod workspace;
mod zig;

use bench::search::overhead::{self, Options as Overhead};
use lexopt::prelude::*;
use models::Choice;
use std::io::Write as _;
use std::process::ExitCode;
use workspace::{Tool, Workspace};

const HELP: &str = "\
usage: cargo xtask <command> [options]

  ci                    all checks, then everything `test` does
  test                  unit, contract and doc tests, loom models, C header tests, a short demo
  rules                 the part of `ci` that needs no build: imports, cfgs, comments, lengths
  loom [FILTER]         run the loom models whose name contains FILTER; prints what they explored
  shuttle [FILTER]      the same for the tests of the whole scheduler, from a fixed set of seeds
  asan                  core's and the behaviour tests under AddressSanitizer (needs a nightly compiler)
  tsan                  core's tests under ThreadSanitizer (needs a nightly compiler), and threads at one task
                        through the C ABI (needs its rust-src)
  valgrind              the C test programs under valgrind, and faults that it must report
  coverage              lines of core that tests run; fetches LLVM's tools into the build folder if needed
  embedding             the core in the loops of others; builds the peer runtimes
  soak [options]        the scheduler with new seeds and under TSan, round after round until the time is over;
                        after the first, once: property tests, deep loom models, embedding
    --minutes N         how long (30); the part under way then is ended, models are stopped
    --seeds N           of each test of the scheduler in a round (200)
  firmware              core without an allocator for four bare-metal targets, and its test programs on a
                        Cortex-M in QEMU; prints what they counted and their sizes
  mutants [FILTER]      apply the mutations of xtask/mutants/*.toml whose name or file contains
                        FILTER, one at a time, to a copy; each must make its model fail
  dist [options]        what is shipped, as under a prefix: libouzel.a (one object), libouzel.so, headers,
                        pkg-config and CMake files
    --out DIR           where to (ouzel-VERSION in the build folder)
    --messages          keep panic messages and the panic hook: half as large again, and no nightly compiler
    --untrained         compile without a profile of programs at work: half as long, and the library is slower
    --check             build into a temporary folder and use it from C, C++, CMake and beside another Rust library
  c-index               write docs/c-functions.md, every function of ouzel.h
  zig                   the Zig binding's tests and examples, with every version of Zig we support (from
                        PyPI); minutes the first time
  demo [options]        build the C key-value server on libouzel, drive it on every driver, check
                        every byte it answers, and count what a request costs
    --driver D          only this driver: uring, epoll or poll
    --seconds N         how long to measure each number of connections and depth (2)
    --threads N         worker threads of the server (1)
    --set-ratio R       share of SETs in the measured load (0)
    --json FILE         also write the table as JSON
    --quick             fewer cells, one second each, 200 round-trip values
    --host FILE         drive this program in place of a fresh build of ffi/examples/c/kv.c
  cached WHAT [options] the cache server of programs/cached
    ledger              calls, queue operations, allocations and copies per request; fails over its goals
    bench               CPU per request against memcached and redis, if they are installed, and a bare epoll loop
    threads             several threads: CPU per request of a shared store and of owners that requests are sent to
    clients             memccapable, pymemcache and pylibmc against it
    --seconds N         how long to measure each figure (1)
    --rounds N          figures of each server at each case (5)
    --cases A,B         only these (all)
    --threads N         threads of each server in `threads` (2)
    --json FILE         also write the figures of `bench` as JSON
  bench [options]       the same work on ouzel and on its peers, one process for each figure, rounds that
                        take turns, ratios to tokio within a round
    --engines A,B       only these, or those whose names begin so (all)
    --cases A,B         only these, or those whose names begin so (all)
                        search: not among all; the matcher of programs/search on every engine
    --corpus DIR        the files of search (made in the build folder)
    --rounds N          figures of each engine at each case (5; of search 9)
    --workers N         worker threads of engines that have them (one per CPU)
    --json FILE         also write the table as JSON
    --markdown FILE     also write the medians and the goals as tables for a document
    --quick             a tenth of the operations, 3 rounds
    --switches all|A,B  variants of ouzel's scheduler against the one that ships, in place of engines
    --limit S           kill what takes longer than so many seconds (60)
    --list              print the names of engines and cases
  echo [options]        the echo servers in C and Zig on io_uring and epoll beside the same on libuv: CPU time of the
                        server for a message, ratios within a round, latency
    --rounds N          (5)
    --quick             a tenth of the messages in a round: many short rounds tell more where neighbours are loud
    --cell CxD          only 1x1, 64x1 or 64x16: connections by messages unanswered on each
    --counts            instructions and system calls for a message instead (needs valgrind and strace)
    --bare              beside them two loops on epoll without a runtime: what the kernel takes by itself
  overhead [options]    the search of programs/search on every engine: self time of the runtime (perf),
                        system calls and threads (strace), time, switches, faults and memory
    --corpus DIR        the files to search (made in the build folder)
    --rounds N          of times (9)
    --threads N         of every engine (2)
    --out FILE          also write the tables there
  rmw [options]         atomic read-modify-writes and instructions per operation, stepped
                        (x86-64 Linux), ours and tokio's; every cell twice
    --engine E          only this one
    --scenario S        only this one
    --ops N             operations to count (128)
    --where             say where in the source each read-modify-write is
    --json FILE         also write them as JSON
  insns [options]       instructions per operation under callgrind, ours and the peers'
    --engine E          only this one
    --case C            only this one
    --workers N         worker threads of engines that have them (1)
    --json FILE         also write them as JSON
    --ffi               C on libouzel and the same in Rust, in place of engines
  help, --help          this text

exit status: 0 all is well, 1 something failed, 2 bad usage";

enum Command {
    Help,
    Ci,
    Rules,
    Test,
    Asan,
    Valgrind,
    Tsan,
    Coverage,
    Embedding,
    Zig,
    CIndex,
    Soak(soak::Options),
    Firmware,
    Models(Tool, String),
    Mutants(String),
    Dist(dist::Options),
    Demo(demo::Options),
    Bench(bench::Options),
    Cached(cached::Options),
    Echo(echo::Options),
    Overhead(Overhead),
    Rmw(counts::Rmw),
    Insns(counts::Insns),
}

fn main() -> ExitCode {
    let command = match parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(e) => {
            eprintln!("xtask: {e}; see `cargo xtask --help`");
            return ExitCode::from(2);
        }
    };
    let ws = Workspace::find();
    let result = match command {
        Command::Help => {
            // A reader that has gone away wants no more.
            let _ = writeln!(std::io::stdout(), "{HELP}");
            Ok(())
        }
        Command::Rules => return ci::run_rules(&ws),
        Command::Ci => return ci::run(&ws),
        Command::Test => return test::run(&ws),
        Command::Asan => sanitizers::asan(&ws),
        Command::Valgrind => sanitizers::valgrind(&ws),
        Command::Firmware => firmware::run(&ws),
        Command::Tsan => sanitizers::tsan(&ws),
        Command::Coverage => coverage::run(&ws),
        Command::Zig => zig::check(&ws, false),
        Command::CIndex => c_index::write(&ws),
        Command::Embedding => soak::embedding(&ws),
        Command::Soak(options) => return soak::run(&ws, &options),
        Command::Models(tool, filter) => {
            models::run(&ws, tool, Choice { filter: &filter, ..Choice::default() })
        }
        Command::Mutants(filter) => mutants::run(&ws, &filter),
        Command::Dist(options) => dist::run(&ws, &options),
        Command::Demo(options) => demo::run(&ws, &options),
        Command::Bench(options) => bench::run(&ws, &options),
        Command::Cached(options) => cached::run(&ws, &options),
        Command::Echo(options) => echo::run(&ws, &options),
        Command::Overhead(options) => overhead::run(&ws, &options),
        Command::Rmw(options) => options.run(&ws),
        Command::Insns(options) => options.run(&ws),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let command = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(v)) => v.string()?,
        Some(other) => return Err(other.unexpected()),
    };
    if command == "demo" {
        return Ok(demo::Options::parse(&mut parser)?.map_or(Command::Help, Command::Demo));
    }
    if command == "dist" {
        return Ok(dist::Options::parse(&mut parser)?.map_or(Command::Help, Command::Dist));
    }
    if command == "bench" {
        return Ok(bench::Options::parse(&mut parser)?.map_or(Command::Help, Command::Bench));
    }
    if command == "cached" {
        return Ok(cached::Options::parse(&mut parser)?.map_or(Command::Help, Command::Cached));
    }
    if command == "echo" {
        return Ok(echo::Options::parse(&mut parser)?.map_or(Command::Help, Command::Echo));
    }
    if command == "overhead" {
        return Ok(Overhead::parse(&mut parser)?.map_or(Command::Help, Command::Overhead));
    }
    if command == "rmw" {
        return Ok(counts::Rmw::parse(&mut parser)?.map_or(Command::Help, Command::Rmw));
    }
    if command == "insns" {
        return Ok(counts::Insns::parse(&mut parser)?.map_or(Command::Help, Command::Insns));
    }
    if command == "soak" {
        return Ok(soak::Options::parse(&mut parser)?.map_or(Command::Help, Command::Soak));
    }
    let mut filter = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(v) if filter.is_none() && matches!(&*command, "loom" | "shuttle" | "mutants") => {
                filter = Some(v.string()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    let filter = filter.unwrap_or_default();
    match &*command {
        "help" => Ok(Command::Help),
        "ci" => Ok(Command::Ci),
        "rules" => Ok(Command::Rules),
        "test" => Ok(Command::Test),
        "asan" => Ok(Command::Asan),
        "valgrind" => Ok(Command::Valgrind),
        "tsan" => Ok(Command::Tsan),
        "coverage" => Ok(Command::Coverage),
        "embedding" => Ok(Command::Embedding),
        "zig" => Ok(Command::Zig),
        "c-index" => Ok(Command::CIndex),
        "firmware" => Ok(Command::Firmware),
        "loom" => Ok(Command::Models(Tool::Loom, filter)),
        "shuttle" => Ok(Command::Models(Tool::Shuttle, filter)),
        "mutants" => Ok(Command::Mutants(filter)),
        other => Err(format!("unknown command {other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> Option<String> {
        parse(line.split_whitespace().map(Into::into)).err().map(|e| e.to_string())
    }

    #[test]
    fn accepts_what_help_lists() {
        for line in [
            "",
            "help",
            "ci",
            "test --help",
            "loom",
            "loom ring",
            "shuttle",
            "tsan",
            "valgrind",
            "coverage",
            "embedding",
            "zig",
            "c-index",
            "soak --minutes 2 --seeds 9",
            "mutants x",
            "demo --quick --seconds 1",
            "dist --out there --messages",
            "dist --untrained",
            "bench --quick --cases echo",
            "cached ledger --seconds 1",
            "cached bench --rounds 2 --cases 1x1",
            "cached threads --threads 4",
            "echo --rounds 3 --cell 64x1 --counts --bare",
            "bench --cases search --corpus there",
            "overhead --rounds 3",
            "rmw --where --ops 64",
            "insns --case ping_pong",
            "insns --ffi",
        ] {
            assert_eq!(error(line), None, "{line}");
        }
    }

    #[test]
    fn refuses_the_rest_in_one_line() {
        for line in [
            "bake",
            "ci now",
            "test --fast",
            "loom a b",
            "soak --minutes x",
            "soak 5",
            "demo --driver iocp",
            "demo extra",
            "bench --rounds 0",
            "cached",
            "cached all",
            "echo --cell 2x2",
            "rmw --case x",
            "insns --workers none",
            "--loud",
        ] {
            let e = error(line).unwrap_or_else(|| panic!("{line} was accepted"));
            assert_eq!(e.lines().count(), 1, "{e}");
        }
    }
}
