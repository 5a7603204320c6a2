//! CPU time per request, of this server and of the servers its users would run otherwise.
//!
//! All are alive at once, on one CPU, each with a load of its own on another; in each round of a case each has its turn, and
//! each round begins with another one. A ratio is of two figures of one round. The first driver runs as two processes: what
//! they differ by is the noise. A machine whose pace changes within seconds is best measured by many short rounds:
//! `--rounds 300 --seconds 0.03`.
//! In the cases with `bare` there are GETs alone, since the bare server (`ouzel-bare`) has no other answer.

use super::options::{DRIVERS, Options};
use super::servers::{Figure, Server, column, figure, middle, on_cpu, ratio, spawn, start as start_load};
use crate::demo::build::Built;
use crate::demo::measure::{Cell, Load};
use crate::driven::Driven;
use crate::progress::progress;
use crate::turns::order;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// A case: its name, cell, value size, keys, the peer of the goal, and the goals on io_uring and epoll.
struct Case {
    name: &'static str,
    cell: Cell,
    value: &'static str,
    keys: u32,
    peer: &'static str,
    goals: [f64; 2],
}

const fn case(
    name: &'static str,
    cell: Cell,
    value: &'static str,
    peer: &'static str,
    goals: [f64; 2],
) -> Case {
    Case { name, cell, value, keys: 10_000, peer, goals }
}

/// The server that does nothing.
const BARE: &str = "bare";

const CASES: [Case; 12] = [
    case("1x1", (1, 1), "64", "memcached", [1.00, 1.00]),
    case("64x1", (64, 1), "64", "memcached", [0.92, 0.95]),
    case("256x1", (256, 1), "64", "memcached", [0.92, 0.97]),
    case("1x16", (1, 16), "64", "redis", [0.75, 0.75]),
    case("64x16", (64, 16), "64", "redis", [0.72, 0.72]),
    case("256x16", (256, 16), "64", "redis", [0.70, 0.70]),
    case("64x16-bare", (64, 16), "64", BARE, [2.1, 2.1]),
    case("256x16-bare", (256, 16), "64", BARE, [2.1, 2.1]),
    case("64x16-1k", (64, 16), "1024", "redis", [0.80, 0.80]),
    case("64x1-4k", (64, 1), "4096", "memcached", [1.00, 1.00]),
    Case { keys: 2000, ..case("64x1-16k", (64, 1), "16384", "memcached", [1.00, 1.00]) },
    Case { keys: 32, ..case("8x1-1m", (8, 1), "1048576", "memcached", [1.00, 1.00]) },
];

pub(super) fn run(built: &Built, bare: &Path, options: &Options) -> Result<(), String> {
    let chosen: Vec<&Case> = CASES
        .iter()
        .filter(|c| options.cases.is_empty() || options.cases.iter().any(|n| n == c.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = CASES.iter().map(|c| c.name).collect();
        return Err(format!("the cases are {}", names.join(", ")));
    }
    let servers = start(built, bare)?;
    let mut figures = Vec::new();
    for case in chosen.iter().copied() {
        let is_theirs = |server: &&Server| server.name != BARE || case.peer == BARE;
        let servers: Vec<&Server> = servers.iter().filter(is_theirs).collect();
        let mut loads = Vec::new();
        for &server in &servers {
            progress(&format!("case {}: {} warms up", case.name, server.name));
            let mut generator = on_cpu(1, &built.load);
            if server.name == "redis" {
                generator.args(["--protocol", "resp"]);
            }
            loads.push(start_load(server, &load_of(case, server, options.seconds), generator)?);
        }
        for round in 0..options.rounds {
            progress(&format!("case {}, round {} of {}", case.name, round + 1, options.rounds));
            for i in order(round, servers.len()) {
                figures.push(figure(servers[i], (case.name, round), &mut loads[i])?);
            }
        }
        loads.into_iter().try_for_each(Driven::end)?;
    }
    progress("");
    report(&chosen, &figures);
    if let Some(path) = &options.json {
        let list: Vec<_> = figures
            .iter()
            .map(|f| json!({"case": f.case, "server": f.server, "round": f.round, "cpu_us_per_request": f.cpu_us, "requests_per_s": f.requests_per_s}))
            .collect();
        let text = serde_json::to_string_pretty(&list).map_err(|e| e.to_string())?;
        std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

fn load_of(case: &Case, server: &Server, seconds: f64) -> Load {
    Load {
        cell: case.cell,
        time: Duration::from_secs_f64(seconds),
        set_ratio: if case.peer == BARE { 0.0 } else { 0.1 },
        value_size: case.value,
        keys: case.keys,
        mix: if server.name == BARE { "one" } else { "ratio" },
    }
}

fn start(built: &Built, bare: &Path) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    let ours = ["-t", "1", "-m", "512", "-l", "127.0.0.1", "--driver"];
    for (name, driver) in [("uring", "uring"), ("uring again", "uring"), ("epoll", "epoll")] {
        debug_assert!(DRIVERS.contains(&driver));
        let mut command = on_cpu(0, &built.kv);
        command.args(ours).arg(driver);
        servers.push(spawn(name, command, "-p")?);
    }
    servers.push(spawn(BARE, on_cpu(0, bare), "--port")?);
    let mut memcached = on_cpu(0, "memcached".as_ref());
    memcached.args(["-t", "1", "-m", "512", "-I", "2m", "-U", "0", "-l", "127.0.0.1", "-u", "nobody"]);
    let mut redis = on_cpu(0, "redis-server".as_ref());
    redis.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
    for (name, command, port) in [("memcached", memcached, "-p"), ("redis", redis, "--port")] {
        match spawn(name, command, port) {
            Ok(server) => servers.push(server),
            Err(e) => println!("{name} is left out: {e}; on Debian: apt-get install memcached redis-server"),
        }
    }
    Ok(servers)
}

fn report(cases: &[&Case], figures: &[Figure]) {
    let of = |case: &Case, server: &str| column(figures, case.name, server, |f| f.cpu_us);
    println!("CPU us per request, median over rounds");
    let columns = ["uring", "epoll", "memcached", "redis", BARE];
    print!("{:<12}", "case");
    columns.iter().for_each(|name| print!(" {name:>10}"));
    println!();
    for case in cases {
        print!("{:<12}", case.name);
        columns.iter().for_each(|name| print!(" {:>10}", middle(&of(case, name), 3)));
        println!();
    }
    println!("\nratios within a round: median (least..most)");
    let heads = ["A/A", "uring/goal's peer", "goal", "epoll/goal's peer", "goal", "uring/epoll"];
    println!(
        "{:<12} {:>20} {:>20} {:>5} {:>20} {:>5} {:>20}",
        "case", heads[0], heads[1], heads[2], heads[3], heads[4], heads[5]
    );
    for case in cases {
        let ratio = |a: &str, b: &str| ratio(&of(case, a), &of(case, b));
        println!(
            "{:<12} {:>20} {:>20} {:>5} {:>20} {:>5} {:>20}  {}",
            case.name,
            ratio("uring again", "uring"),
            ratio("uring", case.peer),
            case.goals[0],
            ratio("epoll", case.peer),
            case.goals[1],
            ratio("uring", "epoll"),
            case.peer
        );
    }
}
