//! `ouzel-echo` against a server: a warm-up, then turns of exactly so many messages, with the server looked at on both sides.

use super::server::Server;
use crate::cpu;
use crate::driven::Driven;
use std::path::Path;
use std::process::Command;
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
    /// Sends it in one turn, checks every byte that comes back, and says what it cost.
    pub(super) fn send(&self, server: &Server, cpu: Option<usize>) -> Result<Sample, String> {
        let mut running = self.start(server, cpu)?;
        let sample = running.turn()?;
        running.end()?;
        Ok(sample)
    }

    /// Connects it to `server`, and sends the warm-up.
    pub(super) fn start(&self, server: &Server, cpu: Option<usize>) -> Result<Running, String> {
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
        Ok(Running { load: Driven::start(command)?, server: server.pid, ops: self.ops })
    }
}

/// One that is connected and warm.
#[derive(Debug)]
pub(super) struct Running {
    load: Driven,
    server: u32,
    ops: u64,
}

impl Running {
    /// Sends the messages of a turn.
    pub(super) fn turn(&mut self) -> Result<Sample, String> {
        let server = self.server;
        let mut used = || cpu::time_of(server).map_err(|e| format!("CPU time of the server: {e}"));
        let (before, latency, after) = self.load.turn(&mut used)?;
        self.load.line()?; // `done`
        sample(&latency, after.saturating_sub(before), self.ops)
    }

    /// Closes its connections.
    pub(super) fn end(self) -> Result<(), String> {
        self.load.end()
    }
}

/// What `ops` messages cost, by the CPU time of all and the load's line.
fn sample(latency: &str, cpu: Duration, ops: u64) -> Result<Sample, String> {
    let words: Vec<&str> = latency.split(' ').collect();
    let ["p50", p50, "p99", p99] = words[..] else { return Err(format!("the load said {latency:?}")) };
    let number = |word: &str| word.parse::<f64>().map_err(|e| format!("{latency:?}: {e}"));
    let cpu_us = cpu.as_secs_f64() * 1e6 / ops as f64;
    Ok(Sample { cpu_us, p50_us: number(p50)?, p99_us: number(p99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_share_of_the_time() {
        let told = sample("p50 12.5 p99 80.0", Duration::from_millis(5), 1000).unwrap();
        assert_eq!((told.cpu_us, told.p50_us, told.p99_us), (5.0, 12.5, 80.0));
        assert!(sample("done", Duration::ZERO, 1000).is_err());
    }
}
