//! `ouzel-bare`: see `ouzel_bench::load::bare`.

use lexopt::prelude::*;
use ouzel_bench::load::{bare, values::Recipe};
use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;

const USAGE: &str = "\
ouzel-bare: answers every GET of `ouzel-load --mix one`, and cannot do anything else

usage: ouzel-bare --port N [--value-size N]
  --port N            where to listen, on 127.0.0.1
  --value-size N      bytes of the value (64)
exit status: 1 it could not listen; 2 bad usage";

fn main() -> ExitCode {
    let (port, size) = match parse() {
        Ok(Some(told)) => told,
        Ok(None) => {
            let _ = writeln!(std::io::stdout(), "{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("ouzel-bare: {e}; see --help");
            return ExitCode::from(2);
        }
    };
    let recipe = Recipe { seed: 1, min_len: size, max_len: size };
    match TcpListener::bind(("127.0.0.1", port)).and_then(|listener| bare::serve(&listener, &recipe)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ouzel-bare: {e}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Option<(u16, usize)>, lexopt::Error> {
    let (mut port, mut size) = (None, 64);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Long("port") => port = Some(parser.value()?.parse()?),
            Long("value-size") => size = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some((port.ok_or("--port N is missing")?, size)))
}
