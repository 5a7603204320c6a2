//! CPU time per request, of this server and of the servers its users would run otherwise.
//!
//! All are alive at once, on one CPU, and the load on another; in each round each has its turn in each case. A ratio is of
//! two figures of one round. The first driver runs as two processes: what they differ by is the noise.

use super::options::{DRIVERS, Options};
use crate::cpu;
use crate::demo::build::Built;
use crate::demo::measure::{Cell, Load, drive};
use crate::demo::server::{connect, free_port};
use crate::progress::progress;
use serde_json::json;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
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

const CASES: [Case; 10] = [
    case("1x1", (1, 1), "64", "memcached", [1.00, 1.00]),
    case("64x1", (64, 1), "64", "memcached", [0.92, 0.95]),
    case("256x1", (256, 1), "64", "memcached", [0.92, 0.97]),
    case("1x16", (1, 16), "64", "redis", [0.75, 0.75]),
    case("64x16", (64, 16), "64", "redis", [0.72, 0.72]),
    case("256x16", (256, 16), "64", "redis", [0.70, 0.70]),
    case("64x16-1k", (64, 16), "1024", "redis", [0.80, 0.80]),
    case("64x1-4k", (64, 1), "4096", "memcached", [1.00, 1.00]),
    Case { keys: 2000, ..case("64x1-16k", (64, 1), "16384", "memcached", [1.00, 1.00]) },
    Case { keys: 32, ..case("8x1-1m", (8, 1), "1048576", "memcached", [1.00, 1.00]) },
];

struct Server {
    name: &'static str,
    child: Child,
    addr: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One figure.
struct Figure {
    case: &'static str,
    server: &'static str,
    round: usize,
    cpu_us: f64,
    requests_per_s: f64,
}

pub(super) fn run(built: &Built, options: &Options) -> Result<(), String> {
    let servers = start(built)?;
    let chosen: Vec<&Case> = CASES
        .iter()
        .filter(|c| options.cases.is_empty() || options.cases.iter().any(|n| n == c.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = CASES.iter().map(|c| c.name).collect();
        return Err(format!("the cases are {}", names.join(", ")));
    }
    let mut figures = Vec::new();
    for round in 0..options.rounds {
        for (at, case) in chosen.iter().enumerate() {
            progress(&format!(
                "round {} of {}, case {} of {}",
                round + 1,
                options.rounds,
                at + 1,
                chosen.len()
            ));
            for server in &servers {
                figures.push(figure(built, case, server, round, options.seconds)?);
            }
        }
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

/// On the `n`-th CPU, if there are several.
fn on_cpu(n: usize, program: &std::path::Path) -> Command {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    if cpus < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &n.to_string()]).arg(program);
    command
}

fn start(built: &Built) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    let ours = ["-t", "1", "-m", "512", "-l", "127.0.0.1", "--driver"];
    for (name, driver) in [("uring", "uring"), ("uring again", "uring"), ("epoll", "epoll")] {
        debug_assert!(DRIVERS.contains(&driver));
        let mut command = on_cpu(0, &built.kv);
        command.args(ours).arg(driver);
        servers.push(spawn(name, command, "-p")?);
    }
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

fn spawn(name: &'static str, mut command: Command, port_option: &str) -> Result<Server, String> {
    let port = free_port().map_err(|e| format!("no free port: {e}"))?;
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let child = command
        .args([port_option, &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let mut server = Server { name, child, addr };
    connect(&mut server.child, addr)?;
    Ok(server)
}

fn figure(built: &Built, case: &Case, server: &Server, round: usize, seconds: f64) -> Result<Figure, String> {
    let load = Load {
        cell: case.cell,
        time: Duration::from_secs_f64(seconds),
        set_ratio: 0.1,
        value_size: case.value,
        keys: case.keys,
        mix: "ratio",
    };
    let mut command = on_cpu(1, &built.load);
    command.args(load.args(server.addr));
    if server.name == "redis" {
        command.args(["--protocol", "resp"]);
    }
    let pid = server.child.id();
    let mut look = || cpu::time_of(pid).map_err(|e| format!("CPU time of {}: {e}", server.name));
    let (before, told, after) =
        drive(command, &mut look).map_err(|e| format!("{}, {}: {e}", server.name, case.name))?;
    let number =
        |name: &str| told[name].as_f64().ok_or_else(|| format!("the load generator tells no {name}"));
    Ok(Figure {
        case: case.name,
        server: server.name,
        round,
        cpu_us: (after - before).as_secs_f64() * 1e6 / number("requests")?,
        requests_per_s: number("requests_per_s")?,
    })
}

fn report(cases: &[&Case], figures: &[Figure]) {
    let of = |case: &Case, server: &str| -> Vec<f64> {
        figures.iter().filter(|f| f.case == case.name && f.server == server).map(|f| f.cpu_us).collect()
    };
    println!("CPU us per request, median over rounds");
    println!("{:<10} {:>8} {:>8} {:>10} {:>8}", "case", "uring", "epoll", "memcached", "redis");
    for case in cases {
        let m = |server| median(&of(case, server)).map_or("-".into(), |v| format!("{v:.3}"));
        println!(
            "{:<10} {:>8} {:>8} {:>10} {:>8}",
            case.name,
            m("uring"),
            m("epoll"),
            m("memcached"),
            m("redis")
        );
    }
    println!("\nratios within a round: median (least..most)");
    let heads = ["A/A", "uring/goal's peer", "goal", "epoll/goal's peer", "goal", "uring/epoll"];
    println!(
        "{:<10} {:>20} {:>20} {:>5} {:>20} {:>5} {:>20}",
        "case", heads[0], heads[1], heads[2], heads[3], heads[4], heads[5]
    );
    for case in cases {
        let ratio = |a: &str, b: &str| -> String {
            let all: Vec<f64> = of(case, a).iter().zip(of(case, b)).map(|(a, b)| a / b).collect();
            let Some(middle) = median(&all) else { return "-".into() };
            let least = all.iter().copied().fold(f64::INFINITY, f64::min);
            let most = all.iter().copied().fold(0.0, f64::max);
            format!("{middle:.3} ({least:.2}..{most:.2})")
        };
        println!(
            "{:<10} {:>20} {:>20} {:>5} {:>20} {:>5} {:>20}  {}",
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

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    (n > 0).then(|| (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_middle_two() {
        assert_eq!(
            (median(&[]), median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])),
            (None, Some(2.0), Some(2.5))
        );
    }
}
