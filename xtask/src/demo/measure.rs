//! One cell of the table: counters, load, counters, and what one request cost.

use super::build::Built;
use super::server::{Counters, Server};
use crate::driven::Driven;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// Connections and requests outstanding on each.
pub(crate) type Cell = (u32, u32);

/// What the load generator is told.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) cell: Cell,
    pub(crate) time: Duration,
    pub(crate) set_ratio: f64,
    pub(crate) value_size: &'static str,
    pub(crate) keys: u32,
    /// `ratio`, `misses` or `noreply`.
    pub(crate) mix: &'static str,
}

impl Load {
    /// What the load generator is told.
    pub(crate) fn args(&self, addr: SocketAddr) -> Vec<String> {
        let pairs = [
            ("--addr", addr.to_string()),
            ("--connections", self.cell.0.to_string()),
            ("--depth", self.cell.1.to_string()),
            ("--seconds", self.time.as_secs_f64().to_string()),
            ("--set-ratio", self.set_ratio.to_string()),
            ("--value-size", self.value_size.to_string()),
            ("--keys", self.keys.to_string()),
            ("--mix", self.mix.to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_string(), value]).collect()
    }
}

/// What one cell showed. A count that the server does not keep is `None`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) driver: String,
    pub(crate) cell: Cell,
    pub(crate) requests: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) cpu_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) enters: Option<f64>,
    pub(crate) syscalls: Option<f64>,
    pub(crate) queue_ops: Option<f64>,
    pub(crate) allocs: Option<f64>,
    pub(crate) copies: Option<f64>,
    /// Of values, per request.
    pub(crate) bytes_copied: Option<f64>,
}

/// Drives `server` with `load` from another process and reads the counters on both sides of it.
pub(crate) fn measure(built: &Built, server: &mut Server, load: &Load) -> Result<Row, String> {
    let mut command = Command::new(&built.load);
    command.args(load.args(server.addr()));
    let driven = drive(command, &mut || server.counters());
    let context =
        |e: String| format!("{}, {} connections x depth {}: {e}", server.driver(), load.cell.0, load.cell.1);
    let (before, told, after) = driven.map_err(context)?;
    row(server.driver(), load.cell, &told, &before, &after).map_err(context)
}

/// Starts the load generator, which sets its keys and warms up.
pub(crate) fn start(mut load: Command) -> Result<Driven, String> {
    load.args(["--json", "--pause"]);
    Driven::start(load)
}

/// Has it measure once, and looks at the server on both sides of that; its report between them.
pub(crate) fn turn<T>(
    load: &mut Driven,
    look: &mut dyn FnMut() -> Result<T, String>,
) -> Result<(T, Value, T), String> {
    let (before, said, after) = load.turn(look)?;
    let told = serde_json::from_str(&said).map_err(|e| format!("the load generator's report: {e}"))?;
    Ok((before, told, after))
}

/// Both, once.
fn drive<T>(load: Command, look: &mut dyn FnMut() -> Result<T, String>) -> Result<(T, Value, T), String> {
    let mut load = start(load)?;
    let seen = turn(&mut load, look)?;
    load.end()?;
    Ok(seen)
}

fn row(driver: &str, cell: Cell, told: &Value, before: &Counters, after: &Counters) -> Result<Row, String> {
    let number =
        |name: &str| told[name].as_f64().ok_or_else(|| format!("the load generator tells no {name}"));
    let delta = |name: &str| after.stats.get(name)?.checked_sub(*before.stats.get(name)?);
    let requests = told["requests"].as_u64().ok_or("the load generator tells no requests")?;
    let served = delta("cmd_get").zip(delta("cmd_set")).map(|(g, s)| g + s);
    if served != Some(requests) {
        return Err(format!("{requests} requests were answered, and the server counts {served:?}"));
    }
    // The second `stats` is itself a request, counted on both sides of the division.
    let commands = (requests + 1) as f64;
    let per_request = |name: &str| Some(delta(name)? as f64 / commands);
    let copies = delta("value_copies").zip(delta("value_ops"));
    Ok(Row {
        driver: driver.into(),
        cell,
        requests,
        requests_per_s: number("requests_per_s")?,
        cpu_us: after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6 / commands,
        p50_us: number("p50_us")?,
        p99_us: number("p99_us")?,
        enters: per_request("enters"),
        syscalls: per_request("syscalls"),
        queue_ops: per_request("sqes").zip(per_request("cqes")).map(|(s, c)| s + c),
        allocs: per_request("allocs"),
        bytes_copied: per_request("bytes_copied"),
        copies: copies.filter(|(_, ops)| *ops > 0).map(|(c, ops)| c as f64 / ops as f64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn counters(pairs: &[(&str, u64)], cpu_ms: u64) -> Counters {
        let stats = pairs.iter().map(|(n, v)| (n.to_string(), *v)).collect();
        Counters { stats, cpu: Duration::from_millis(cpu_ms) }
    }

    #[test]
    fn divides_what_was_added_by_the_requests() {
        let told = json!({"requests": 999, "requests_per_s": 5.0, "p50_us": 1.0, "p99_us": 2.0});
        let before = counters(&[("cmd_get", 1), ("cmd_set", 0), ("enters", 7), ("sqes", 0), ("cqes", 5)], 10);
        let after =
            counters(&[("cmd_get", 990), ("cmd_set", 10), ("enters", 507), ("sqes", 1000), ("cqes", 5)], 15);
        let row = row("uring", (1, 1), &told, &before, &after).unwrap();
        assert_eq!((row.enters, row.queue_ops, row.allocs, row.copies), (Some(0.5), Some(1.0), None, None));
        assert!((row.cpu_us - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_server_that_counts_other_requests_than_it_answered_is_an_error() {
        let told = json!({"requests": 9, "requests_per_s": 5.0, "p50_us": 1.0, "p99_us": 2.0});
        let zero = counters(&[("cmd_get", 0), ("cmd_set", 0)], 0);
        let eight = counters(&[("cmd_get", 8), ("cmd_set", 0)], 0);
        assert!(row("uring", (1, 1), &told, &zero, &eight).unwrap_err().contains("9 requests"));
    }
}
