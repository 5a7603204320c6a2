//! `ouzel-echo` against a server: a warm-up, then exactly so many messages, with the server looked at on both sides.

use super::server::Server;
use crate::cpu;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Connections, and messages unanswered on each.
pub(super) type Cell = (u64, u64);

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub(super) program: &'a Path,
    pub(super) cell: Cell,
    pub(super) ops: u64,
    pub(super) warmup: u64,
}

/// What a message cost, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) cpu_us: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Load<'_> {
    /// Sends it, checks every byte that comes back, and says what it cost.
    pub(super) fn send(&self, server: &Server, cpu: Option<usize>) -> Result<Sample, String> {
        let failed = |e: std::io::Error| format!("{}: {e}", self.program.display());
        let mut command = Command::new(self.program);
        command.args(["--latency", "--addr", &server.addr.to_string()]);
        let (connections, depth) = self.cell;
        for (name, value) in [
            ("--connections", connections),
            ("--depth", depth),
            ("--ops", self.ops),
            ("--warmup", self.warmup),
        ] {
            command.args([name, &value.to_string()]);
        }
        if let Some(cpu) = cpu {
            command.args(["--cpu", &cpu.to_string()]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut line = || match lines.next() {
            Some(Ok(line)) => Ok(line),
            _ => Err("the load failed (its reason is above)".to_string()),
        };
        let used = || cpu::time_of(server.pid).map_err(|e| format!("CPU time of the server: {e}"));
        line()?; // `ready`
        let before = used()?;
        stdin.write_all(b"\n").map_err(failed)?;
        let latency = line()?;
        let after = used()?;
        line()?; // `done`
        drop(stdin);
        let status = child.wait().map_err(failed)?;
        let sample = self.sample(&latency, after.saturating_sub(before));
        if status.success() { sample } else { Err(format!("the load: {status}")) }
    }

    fn sample(&self, latency: &str, cpu: Duration) -> Result<Sample, String> {
        let words: Vec<&str> = latency.split(' ').collect();
        let ["p50", p50, "p99", p99] = words[..] else { return Err(format!("the load said {latency:?}")) };
        let number = |word: &str| word.parse::<f64>().map_err(|e| format!("{latency:?}: {e}"));
        let cpu_us = cpu.as_secs_f64() * 1e6 / self.ops as f64;
        Ok(Sample { cpu_us, p50_us: number(p50)?, p99_us: number(p99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_share_of_the_time() {
        let load = Load { program: Path::new("load"), cell: (1, 1), ops: 1000, warmup: 0 };
        let sample = load.sample("p50 12.5 p99 80.0", Duration::from_millis(5)).unwrap();
        assert_eq!((sample.cpu_us, sample.p50_us, sample.p99_us), (5.0, 12.5, 80.0));
        assert!(load.sample("done", Duration::ZERO).is_err());
    }
}
