//! One process: its time, and what it says of itself.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a process took. Of a program that does not tell, its time alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) wall_ms: f64,
    pub(super) cpu_ms: f64,
    pub(super) waits: f64,
    pub(super) preempted: f64,
    pub(super) faults: f64,
    pub(super) resident_mib: f64,
}

/// Runs `command` to its end.
///
/// # Errors
/// It failed, found nothing worth telling apart from an error, or took longer than `limit`.
pub(super) fn take(command: &mut Command, limit: Duration, tells: bool) -> Result<Sample, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    // Its last word comes when all is done, and the end of its output with its own; a process that hangs is ended by a
    // watchdog.
    let (over, wait) = std::sync::mpsc::channel::<()>();
    let pid = child.id().to_string();
    let watchdog = std::thread::spawn(move || {
        if wait.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let mut said = String::new();
    let read = child.stderr.take().map(|mut err| err.read_to_string(&mut said));
    let status = child.wait();
    let wall_ms = start.elapsed().as_secs_f64() * 1e3;
    drop(over);
    let _ = watchdog.join();
    let status = status.map_err(|e| e.to_string())?;
    // Nothing found is a result.
    if !matches!(status.code(), Some(0 | 1)) || !matches!(read, Some(Ok(_))) {
        return Err(format!("{command:?}: {status}: {}", said.trim_end()));
    }
    if !tells {
        return Ok(Sample { wall_ms, ..Sample::default() });
    }
    let told: Value = serde_json::from_str(said.trim_end().lines().last().unwrap_or_default())
        .map_err(|e| format!("{command:?} said {said:?}: {e}"))?;
    let number = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    Ok(Sample {
        wall_ms,
        cpu_ms: (number("user_us") + number("system_us")) / 1e3,
        waits: number("waits"),
        preempted: number("preempted"),
        faults: number("faults"),
        resident_mib: number("resident_kib") / 1024.0,
    })
}
