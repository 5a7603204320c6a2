//! `cargo xtask demo`: the C key-value server on every driver, under load that checks every byte.
//!
//! ```text
//! build (libouzel_ffi.a, kv.c, ouzel-load)
//!   -> one server per driver, all alive at once
//!   -> for each cell (connections x depth), for each driver: counters, load, counters
//!   -> a mixed load and a real client library on each driver
//! ```
//! Drivers take turns within a cell, so that a machine that is busy for a while is busy for all.

pub(crate) mod build;
pub(crate) mod measure;
mod report;
mod roundtrip;
pub(crate) mod server;

use crate::progress::progress;
use crate::workspace::Workspace;
use lexopt::prelude::*;
use measure::{Cell, Load, Row};
use server::Server;
use std::path::PathBuf;
use std::time::Duration;

const DRIVERS: &[&str] = &["uring", "epoll", "poll"];
/// Values that the client library writes and reads back.
const ROUND_TRIP: u32 = 10_000;
const ROUND_TRIP_QUICK: u32 = 200;

/// The options of `demo`.
#[derive(Debug)]
pub(crate) struct Options {
    driver: Option<String>,
    seconds: f64,
    threads: u32,
    set_ratio: f64,
    json: Option<PathBuf>,
    quick: bool,
    host: Option<PathBuf>,
}

impl Options {
    /// What `test` runs.
    pub(crate) fn quick() -> Self {
        Options {
            driver: None,
            seconds: 1.0,
            threads: 1,
            set_ratio: 0.0,
            json: None,
            quick: true,
            host: None,
        }
    }

    /// Reads what follows `demo` on the command line. `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Options { quick: false, ..Options::quick() };
        let mut seconds = None;
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("driver") => options.driver = Some(parser.value()?.parse_with(driver)?),
                Long("seconds") => seconds = Some(parser.value()?.parse_with(positive)?),
                Long("threads") => options.threads = parser.value()?.parse()?,
                Long("set-ratio") => options.set_ratio = parser.value()?.parse_with(share)?,
                Long("json") => options.json = Some(parser.value()?.into()),
                Long("quick") => options.quick = true,
                Long("host") => options.host = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        options.seconds = seconds.unwrap_or(if options.quick { 1.0 } else { 2.0 });
        Ok(Some(options))
    }

    fn cells(&self) -> &'static [Cell] {
        const ALL: &[Cell] = &[(1, 1), (1, 16), (64, 1), (64, 16), (256, 1), (256, 16)];
        const QUICK: &[Cell] = &[(1, 1), (64, 16)];
        if self.quick { QUICK } else { ALL }
    }
}

fn driver(s: &str) -> Result<String, String> {
    match DRIVERS.contains(&s) {
        true => Ok(s.to_string()),
        false => Err(format!("the driver is one of {}", DRIVERS.join(", "))),
    }
}

fn positive(s: &str) -> Result<f64, String> {
    s.parse().ok().filter(|v| (0.01..1e6).contains(v)).ok_or_else(|| "not a number of seconds".into())
}

fn share(s: &str) -> Result<f64, String> {
    s.parse().ok().filter(|v| (0.0..=1.0).contains(v)).ok_or_else(|| "not between 0 and 1".into())
}

/// Runs the demo.
///
/// # Errors
/// Something does not build, no driver works, or a single byte was wrong.
pub(crate) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    let built = build::build(ws, options.host.as_deref())?;
    let mut servers = start_servers(&built, options)?;
    let rows = measure_cells(&built, &mut servers, options)?;
    for server in &servers {
        report::print_table(server.driver(), &rows);
    }
    report::print_ratios(&rows);
    if let Some(path) = &options.json {
        report::write_json(path, &rows)?;
    }
    check_mixed(&built, &mut servers, options)?;
    let count = if options.quick { ROUND_TRIP_QUICK } else { ROUND_TRIP };
    roundtrip::round_trip(ws, &mut servers, count)?;
    for server in servers {
        server.stop()?;
    }
    Ok(())
}

/// A server on each driver asked for; one that is not available is named and left out.
fn start_servers(built: &build::Built, options: &Options) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    for driver in DRIVERS.iter().filter(|d| options.driver.as_deref().is_none_or(|want| want == **d)) {
        match Server::start(built, driver, options.threads) {
            Ok(server) => servers.push(server),
            Err(e) if options.driver.is_some() => return Err(e),
            Err(e) => println!("{driver} is left out: {e}"),
        }
    }
    if servers.is_empty() { Err("the server starts on no driver".into()) } else { Ok(servers) }
}

fn measure_cells(
    built: &build::Built,
    servers: &mut [Server],
    options: &Options,
) -> Result<Vec<Row>, String> {
    let cells = options.cells();
    let total = cells.len() * servers.len();
    let mut rows = Vec::new();
    for cell in cells {
        for server in &mut *servers {
            progress(&format!(
                "[{}/{total}] {}: {} connections x depth {}",
                rows.len() + 1,
                server.driver(),
                cell.0,
                cell.1
            ));
            let load = Load {
                cell: *cell,
                time: Duration::from_secs_f64(options.seconds),
                set_ratio: options.set_ratio,
                value_size: "100",
                keys: 10_000,
                mix: "ratio",
            };
            rows.push(measure::measure(built, server, &load)?);
        }
    }
    progress("");
    Ok(rows)
}

/// Half SETs, values of 0 B to 20 KB: nothing to measure, everything to compare.
fn check_mixed(built: &build::Built, servers: &mut [Server], options: &Options) -> Result<(), String> {
    println!();
    for server in servers {
        let load = Load {
            cell: (16, 8),
            time: Duration::from_secs_f64(options.seconds),
            set_ratio: 0.5,
            value_size: "0-20000",
            keys: 1000,
            mix: "ratio",
        };
        let row = measure::measure(built, server, &load)?;
        println!(
            "{:<6} mixed load: {} requests, half of them SETs, values of 0 to 20,000 bytes: every byte right",
            server.driver(),
            row.requests
        );
    }
    Ok(())
}
