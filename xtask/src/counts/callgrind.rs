//! Running a program under valgrind's callgrind, and reading the number it ends with.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether valgrind can be run.
///
/// # Errors
/// It cannot; says what to install.
pub(super) fn find() -> Result<(), String> {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err("valgrind is missing: on Debian and Ubuntu, `apt-get install valgrind`".into()),
    }
}

/// Instructions that `program` executes on all its threads, outside the kernel.
///
/// # Errors
/// It failed.
pub(super) fn instructions(program: &Path, args: &[String]) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(args)
        // valgrind knows no io_uring; monoio falls back to epoll by itself.
        .env("OUZEL_DRIVER", "epoll")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = said.lines().last().unwrap_or_default();
        return Err(format!("{} under valgrind: {}: {last}", args.join(" "), output.status));
    }
    collected(&said).ok_or_else(|| format!("callgrind said no count: {said}"))
}

/// The number in callgrind's line `==PID== Collected : N`.
pub(crate) fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|l| l.contains("Collected :"))?;
    line.rsplit(':').next()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn reads_the_count() {
        let said = "==7== Events    : Ir\n==7== Collected : 345732\n==7==\n==7== I   refs:      345,732\n";
        assert_eq!(collected(said), Some(345_732));
        assert_eq!(collected("==7== Process terminating"), None);
    }
}
