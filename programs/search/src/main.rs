//! `ouzel-search`: searches recorded sessions.
//!
//! Exit status: 0 something was found, 1 nothing was, 2 it could not be done.

mod cli;

use std::process::ExitCode;

use cli::options::{Command, Options};
use cli::say::say;
use cli::{completions, run};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Search(options)) => options,
        Ok(Command::Help) => return print(cli::help::HELP),
        Ok(Command::Version) => return print(concat!("ouzel-search ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Completions(shell)) => return print(&completions::script(shell)),
        Err(e) => {
            say(format_args!("{e}; see --help"));
            return ExitCode::from(2);
        }
    };
    match run::run(*options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            say(e);
            ExitCode::from(2)
        }
    }
}

/// A reader that has gone away wants no more.
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    }
}
