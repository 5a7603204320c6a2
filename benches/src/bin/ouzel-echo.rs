//! `ouzel-echo`: see `ouzel_bench::echo`.

use lexopt::prelude::*;
use ouzel_bench::echo::{Echo, Options, pin};
use ouzel_bench::place::Place;
use std::io::{BufRead, Write};
use std::process::ExitCode;

const USAGE: &str = "\
ouzel-echo: drives an echo server and checks every byte it answers

usage: ouzel-echo --addr HOST:PORT|unix:PATH|udp:HOST:PORT [options]
  --connections N   connections (1)
  --depth N         messages of 64 bytes unanswered on each (1)
  --ops N           messages of a turn (100000), after which it prints `done` and waits on stdin: for a line, which
                    begins another turn, or the end
  --warmup N        messages before those (0), after which it prints `ready` and waits for a line on stdin
  --cpu N           stay on this CPU
  --latency         print `p50 MICROSECONDS p99 MICROSECONDS` before `done`
exit status: 0 every byte was right; 1 not so; 2 bad usage";

fn main() -> ExitCode {
    let options = match parse() {
        Ok(Some(options)) => options,
        Ok(None) => {
            let _ = writeln!(std::io::stdout(), "{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("ouzel-echo: {e}; see --help");
            return ExitCode::from(2);
        }
    };
    match turns(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ouzel-echo: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The first turn also begins at the end of stdin.
fn turns(options: &Options) -> std::io::Result<()> {
    let mut echo = Echo::open(options)?;
    say_and_wait("ready");
    loop {
        let latency = echo.turn()?;
        if options.latency {
            let at = |q| latency.value_at_quantile(q) as f64 / 1e3;
            println!("p50 {:.1} p99 {:.1}", at(0.50), at(0.99));
        }
        if !say_and_wait("done") {
            return Ok(());
        }
    }
}

/// Prints a line at once and waits for one; false at the end of stdin.
fn say_and_wait(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    // A reader that has gone has closed stdin too.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    std::io::stdin().lock().read_line(&mut String::new()).is_ok_and(|n| n > 0)
}

fn parse() -> Result<Option<Options>, lexopt::Error> {
    let mut addr = None;
    let unset = Place::Unix("".into());
    let mut o = Options { addr: unset, connections: 1, depth: 1, ops: 100_000, warmup: 0, latency: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Long("addr") => addr = Some(parser.value()?.parse()?),
            Long("connections") => o.connections = parser.value()?.parse()?,
            Long("depth") => o.depth = parser.value()?.parse()?,
            Long("ops") => o.ops = parser.value()?.parse()?,
            Long("warmup") => o.warmup = parser.value()?.parse()?,
            Long("latency") => o.latency = true,
            Long("cpu") => pin(&[parser.value()?.parse()?]).map_err(|e| format!("--cpu: {e}"))?,
            other => return Err(other.unexpected()),
        }
    }
    if o.connections == 0 || o.depth == 0 {
        return Err("--connections and --depth must be at least 1".into());
    }
    o.addr = addr.ok_or("--addr HOST:PORT is missing")?;
    Ok(Some(o))
}
