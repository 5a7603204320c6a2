//! What a message costs, counted: instructions under callgrind, system calls under strace.

use super::load::Load;
use super::programs::Contender;
use super::server::Server;
use crate::progress::progress;
use std::path::Path;

/// Messages of the two runs.
const OPS: [u64; 2] = [6_400, 19_200];

/// Prints a line for each contender. valgrind knows no io_uring, so those have no instructions.
pub(super) fn print(cell: &str, contenders: &[Contender], load: Load<'_>) -> Result<(), String> {
    println!("\n{cell:<10} {:>14} {:>14}   of a message", "instructions", "system calls");
    for contender in contenders {
        progress(&format!("{cell}: {}", contender.name));
        let instructions = if contender.args.contains(&"uring") {
            "-".into()
        } else {
            format!("{:.0}", slope(contender, load, instructions)?)
        };
        println!("{:<10} {instructions:>14} {:>14.3}", contender.name, slope(contender, load, calls)?);
    }
    Ok(())
}

/// What one message adds.
fn slope(
    contender: &Contender,
    load: Load<'_>,
    count: fn(&Contender, Load<'_>) -> Result<u64, String>,
) -> Result<f64, String> {
    let mut counts = [0; 2];
    for (count_of, ops) in counts.iter_mut().zip(OPS) {
        let load = Load { ops, warmup: OPS[1], ..load };
        *count_of = count(contender, load).map_err(|e| format!("{}: {e}", contender.name))?;
    }
    Ok((counts[1] as f64 - counts[0] as f64) / (OPS[1] - OPS[0]) as f64)
}

fn instructions(contender: &Contender, load: Load<'_>) -> Result<u64, String> {
    let log = scratch(contender);
    let tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(String::from);
    let tool = [&tool[..], &[format!("--log-file={}", log.display())]].concat();
    under(&tool, contender, load, &log, "Debian's package valgrind", collected)
}

fn calls(contender: &Contender, load: Load<'_>) -> Result<u64, String> {
    let log = scratch(contender);
    let tool = ["strace", "-f", "-c", "-o"].map(String::from);
    let tool = [&tool[..], &[log.display().to_string()]].concat();
    under(&tool, contender, load, &log, "Debian's package strace", total)
}

fn scratch(contender: &Contender) -> std::path::PathBuf {
    contender.program.with_extension("log")
}

fn under(
    tool: &[String],
    contender: &Contender,
    load: Load<'_>,
    log: &Path,
    package: &str,
    read: fn(&str) -> Option<u64>,
) -> Result<u64, String> {
    let server =
        Server::start(tool, &contender.program, contender.args).map_err(|e| format!("{e} ({package})"))?;
    load.send(&server, None)?;
    server.stop()?;
    let text = std::fs::read_to_string(log).map_err(|e| format!("{}: {e}", log.display()))?;
    read(&text).ok_or_else(|| format!("{} counted nothing:\n{text}", tool[0]))
}

/// The number in callgrind's line `==PID== Collected : N`.
fn collected(said: &str) -> Option<u64> {
    crate::counts::collected(said)
}

/// The calls in strace's last line: `100.00 SECONDS USECS CALLS [ERRORS] total`.
fn total(said: &str) -> Option<u64> {
    let line = said.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_with_and_without_errors() {
        let head = "% time     seconds  usecs/call     calls    errors syscall\n";
        assert_eq!(
            total(&format!("{head}100.00    0.010000           2      4310        12 total\n")),
            Some(4310)
        );
        assert_eq!(
            total(&format!("{head}100.00    0.010000           2        17           total\n")),
            Some(17)
        );
        assert_eq!(total(head), None);
    }
}
