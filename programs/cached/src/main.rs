//! `ouzel-cached`: see `--help`.

use std::process::ExitCode;

use ouzel_cached::options::{self, Command};
use ouzel_cached::{heap, server};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", options::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("ouzel-cached {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::Serve(options)) => {
            for warning in &options.warnings {
                eprintln!("ouzel-cached: {warning}");
            }
            server::run(options, heap::allocations)
        }
        Err(e) => {
            eprintln!("ouzel-cached: {e}; see --help");
            ExitCode::FAILURE
        }
    }
}
