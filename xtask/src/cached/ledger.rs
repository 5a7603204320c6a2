//! What a request costs: counts, exact and the same on every machine.

use super::options::{DRIVERS, Options};
use crate::demo::build::Built;
use crate::demo::measure::{Cell, Load, Row, measure};
use crate::demo::server::Server;
use std::time::Duration;

const CELLS: [Cell; 3] = [(1, 1), (64, 1), (64, 16)];

/// A kind of request: its name, the share of SETs, the load generator's mix.
const KINDS: [(&str, f64, &str); 4] = [
    ("GET hit", 0.0, "ratio"),
    ("GET miss", 0.0, "misses"),
    ("SET", 1.0, "ratio"),
    ("SET noreply", 0.0, "noreply"),
];

/// The most a request may cost: driver, cell, and enters (io_uring) or system calls (epoll).
const GOALS: [(&str, Cell, f64); 4] =
    [("uring", (1, 1), 1.0), ("uring", (64, 16), 0.02), ("epoll", (1, 1), 3.0), ("epoll", (64, 16), 0.15)];

/// What `stats`, asked for at either end, adds to a count that would be a round number.
const SLACK: f64 = 0.01;

pub(super) fn run(built: &Built, options: &Options) -> Result<(), String> {
    let mut missed = Vec::new();
    println!(
        "value of 100 bytes; SET noreply: as many as the depth, then a GET that sees the last (counted too)"
    );
    for driver in DRIVERS {
        let mut server = match Server::start_with(built, driver, &["-t", "1", "-m", "256", "-l", "127.0.0.1"])
        {
            Ok(server) => server,
            Err(e) => {
                println!("{driver} is left out: {e}");
                continue;
            }
        };
        println!(
            "\n{driver:<12} {:>7} {:>10} {:>12} {:>13} {:>10} {:>12} {:>16} {:>10}",
            "cell",
            "enters/req",
            "syscalls/req",
            "queue ops/req",
            "allocs/req",
            "copies/value",
            "bytes copied/req",
            "requests"
        );
        for (kind, set_ratio, mix) in KINDS {
            for cell in CELLS {
                let time = Duration::from_secs_f64(options.seconds);
                let load = Load { cell, time, set_ratio, value_size: "100", keys: 10_000, mix };
                let row = measure(built, &mut server, &load)?;
                show(kind, &row);
                missed.extend(misses(kind, &row));
            }
        }
        server.stop()?;
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("; ")) }
}

fn show(kind: &str, row: &Row) {
    let count = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
    println!(
        "{kind:<12} {:>7} {:>10} {:>12} {:>13} {:>10} {:>12} {:>16} {:>10}",
        format!("{}x{}", row.cell.0, row.cell.1),
        count(row.enters),
        count(row.syscalls),
        count(row.queue_ops),
        count(row.allocs),
        count(row.copies),
        count(row.bytes_copied),
        row.requests
    );
}

/// The goals that a row misses.
fn misses(kind: &str, row: &Row) -> Vec<String> {
    let mut all = Vec::new();
    let mut most = |what: &str, value: Option<f64>, most: f64| {
        if value.is_none_or(|v| v > most + SLACK * most.max(0.1)) {
            let (c, d) = row.cell;
            all.push(format!("{} {kind} {c}x{d}: {what} {value:?}, at most {most}", row.driver));
        }
    };
    for (driver, cell, goal) in GOALS {
        if row.driver == driver && row.cell == cell {
            most("calls", if driver == "uring" { row.enters } else { row.syscalls }, goal);
        }
    }
    if row.driver == "uring" && row.cell == (1, 1) {
        most("queue operations", row.queue_ops, 2.0);
    }
    // The first replies of a size make their buffers longer.
    most("allocations", row.allocs, 0.01);
    if kind != "GET miss" {
        most("copies", row.copies, 2.0);
    }
    all
}
