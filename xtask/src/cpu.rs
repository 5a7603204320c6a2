//! The CPU time another process has used.

use std::time::Duration;

/// Nanoseconds on a CPU of every thread, from `/proc/PID/task/*/schedstat`; a kernel without it gives
/// clock ticks in `/proc/PID/stat`.
pub(crate) fn time_of(pid: u32) -> std::io::Result<Duration> {
    let mut ns = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        match std::fs::read_to_string(thread?.path().join("schedstat")) {
            Ok(text) => ns += schedstat_ns(&text),
            Err(_) => {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
                return Ok(Duration::from_millis(stat_ticks(&stat) * 10)); // 100 ticks a second on Linux
            }
        }
    }
    Ok(Duration::from_nanos(ns))
}

fn schedstat_ns(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// utime + stime: fields 14 and 15, counted from behind the name in brackets, which may hold spaces.
fn stat_ticks(text: &str) -> u64 {
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_cpu_time() {
        assert_eq!(schedstat_ns("123456 789 10\n"), 123_456);
        assert_eq!(stat_ticks("7 (a) b) S 1 1 1 0 -1 4194560 90 0 0 0 31 11 0 0 20 0 1 0"), 42);
        assert!(time_of(std::process::id()).unwrap() > Duration::ZERO);
    }
}
