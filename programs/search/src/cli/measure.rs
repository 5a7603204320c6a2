//! What the process has taken from the system so far.

use std::io;
use std::time::Instant;

use serde_json::{Value, json};

/// Time since `start`, and what the system counts: on a CPU, in microseconds; context switches; page faults; the most
/// memory that was resident, in KiB.
///
/// # Errors
/// The system's.
pub(crate) fn taken(start: Instant) -> io::Result<Value> {
    // SAFETY: plain data, for which zeros are good.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is one.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let micros = |t: libc::timeval| t.tv_sec * 1_000_000 + t.tv_usec;
    Ok(json!({
        "wall_us": start.elapsed().as_micros() as u64,
        "user_us": micros(usage.ru_utime),
        "system_us": micros(usage.ru_stime),
        "waits": usage.ru_nvcsw,
        "preempted": usage.ru_nivcsw,
        "faults": usage.ru_minflt + usage.ru_majflt,
        "resident_kib": usage.ru_maxrss,
    }))
}
