//! `ouzel-load`: see `ouzel_bench::load`.

use ouzel_bench::load::{Options, Phase, USAGE, run};
use std::io::{BufRead, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            let _ = writeln!(std::io::stdout(), "{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("ouzel-load: {e}; see --help");
            return ExitCode::from(2);
        }
    };
    let result = run(&options, |phase, report| match (phase, report) {
        (Phase::Ready, _) => {
            if options.pause {
                say("ready");
                wait_for_line();
            }
            true
        }
        (Phase::Done, Some(report)) => {
            say(&if options.json { report.json().to_string() } else { report.to_string() });
            options.pause && wait_for_line()
        }
        (Phase::Done, None) => false,
    });
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ouzel-load: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line at once: the reader may be a pipe. A reader that has gone is no reason to fail.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// False: stdin has ended.
fn wait_for_line() -> bool {
    std::io::stdin().lock().read_line(&mut String::new()).is_ok_and(|n| n > 0)
}
