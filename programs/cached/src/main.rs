//! `ouzel-cached`: see `--help`.

use std::process::ExitCode;

use ouzel_cached::options::{self, Command};
use ouzel_cached::say::say;
use ouzel_cached::{heap, server};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print(options::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            print(concat!("ouzel-cached ", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Ok(Command::Serve(options)) => {
            for warning in &options.warnings {
                say(warning);
            }
            server::run(options, heap::allocations)
        }
        Err(e) => {
            say(format_args!("{e}; see --help"));
            ExitCode::FAILURE
        }
    }
}

/// A reader that has gone away wants no more.
fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
