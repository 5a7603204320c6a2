//! Several threads and one store: a store that all share against owners that requests are sent to.
//!
//! `examples/owners.rs` of the server's package is both, with the same connections; the server itself shares. Servers and
//! load take the CPUs they get.

use super::options::Options;
use super::servers::{Figure, column, figure, middle, ratio, spawn, start};
use crate::demo::build::Built;
use crate::demo::measure::{Cell, Load};
use crate::progress::progress;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const CASES: [(&str, Cell, f64); 4] = [
    ("64x1, 10 % set", (64, 1), 0.1),
    ("64x1, 50 % set", (64, 1), 0.5),
    ("64x16, 10 % set", (64, 16), 0.1),
    ("64x16, 50 % set", (64, 16), 0.5),
];

/// For each driver: the server, the example that shares, the example that forwards.
const SERVERS: [(&str, [&str; 3]); 2] = [
    ("uring", ["uring cached", "uring shared", "uring owners"]),
    ("epoll", ["epoll cached", "epoll shared", "epoll owners"]),
];

pub(super) fn run(built: &Built, example: &Path, options: &Options) -> Result<(), String> {
    let threads = options.threads.to_string();
    let mut servers = Vec::new();
    for (driver, [cached, shared, owners]) in SERVERS {
        let common = ["-t", &threads, "-m", "512", "--driver", driver];
        let mut command = Command::new(&built.kv);
        command.args(common).args(["-l", "127.0.0.1"]);
        servers.push(spawn(cached, command, "-p")?);
        for (name, way) in [(shared, "shared"), (owners, "owners")] {
            let mut command = Command::new(example);
            command.args(common).args(["--way", way]);
            servers.push(spawn(name, command, "-p")?);
        }
    }
    let mut figures = Vec::new();
    for round in 0..options.rounds {
        for (at, (case, cell, set_ratio)) in CASES.into_iter().enumerate() {
            progress(&format!(
                "round {} of {}, case {} of {}",
                round + 1,
                options.rounds,
                at + 1,
                CASES.len()
            ));
            let time = Duration::from_secs_f64(options.seconds);
            let load = Load { cell, time, set_ratio, value_size: "64", keys: 10_000, mix: "ratio" };
            for server in &servers {
                let mut load = start(server, &load, Command::new(&built.load))?;
                figures.push(figure(server, (case, round), &mut load)?);
                load.end()?;
            }
        }
    }
    progress("");
    report(&threads, &figures);
    Ok(())
}

fn report(threads: &str, figures: &[Figure]) {
    println!("{threads} threads; CPU us per request, and ratios within a round: median (least..most)");
    let heads = ["cached", "shared", "owners", "CPU owners/shared", "requests/s owners/shared"];
    print!("{:<24} {:>8} {:>8} {:>8}", "case", heads[0], heads[1], heads[2]);
    println!(" {:>22} {:>26}", heads[3], heads[4]);
    for (driver, names) in SERVERS {
        for (case, ..) in CASES {
            let cpu = names.map(|name| column(figures, case, name, |f| f.cpu_us));
            let speed = names.map(|name| column(figures, case, name, |f| f.requests_per_s));
            print!("{:<24}", format!("{driver} {case}"));
            cpu.iter().for_each(|values| print!(" {:>8}", middle(values, 3)));
            println!(" {:>22} {:>26}", ratio(&cpu[2], &cpu[1]), ratio(&speed[2], &speed[1]));
        }
    }
}
