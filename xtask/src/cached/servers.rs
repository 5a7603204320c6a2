//! Servers under load by turns: what a request costs each in CPU time, and what two of them cost compared.

use crate::cpu;
use crate::demo::measure::{self, Load};
use crate::demo::server::{connect, free_port};
use crate::driven::Driven;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// One that runs; ended when this is dropped.
pub(super) struct Server {
    pub(super) name: &'static str,
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
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) case: &'static str,
    pub(super) server: &'static str,
    pub(super) round: usize,
    pub(super) cpu_us: f64,
    pub(super) requests_per_s: f64,
}

/// On the `n`-th CPU, if there are several.
pub(super) fn on_cpu(n: usize, program: &Path) -> Command {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    if cpus < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &n.to_string()]).arg(program);
    command
}

/// Starts `command` on a free port and waits until it accepts.
pub(super) fn spawn(name: &'static str, mut command: Command, port_option: &str) -> Result<Server, String> {
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

/// Starts `load` on `server`. `generator` starts the load generator.
pub(super) fn start(server: &Server, load: &Load, mut generator: Command) -> Result<Driven, String> {
    generator.args(load.args(server.addr));
    measure::start(generator).map_err(|e| format!("{}: {e}", server.name))
}

/// What a request costs `server` in a turn of `load`.
pub(super) fn figure(
    server: &Server,
    (case, round): (&'static str, usize),
    load: &mut Driven,
) -> Result<Figure, String> {
    let pid = server.child.id();
    let mut look = || cpu::time_of(pid).map_err(|e| format!("CPU time of {}: {e}", server.name));
    let (before, told, after) =
        measure::turn(load, &mut look).map_err(|e| format!("{}, {case}: {e}", server.name))?;
    let number =
        |name: &str| told[name].as_f64().ok_or_else(|| format!("the load generator tells no {name}"));
    Ok(Figure {
        case,
        server: server.name,
        round,
        cpu_us: (after - before).as_secs_f64() * 1e6 / number("requests")?,
        requests_per_s: number("requests_per_s")?,
    })
}

/// One number of each of `server`'s figures in `case`, by round.
pub(super) fn column(figures: &[Figure], case: &str, server: &str, of: fn(&Figure) -> f64) -> Vec<f64> {
    figures.iter().filter(|f| f.case == case && f.server == server).map(of).collect()
}

/// `a` to `b` within a round: median, least and most.
pub(super) fn ratio(a: &[f64], b: &[f64]) -> String {
    let all: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / b).collect();
    let Some(middle) = median(&all) else { return "-".into() };
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let most = all.iter().copied().fold(0.0, f64::max);
    format!("{middle:.3} ({least:.2}..{most:.2})")
}

/// The middle, with so many digits.
pub(super) fn middle(values: &[f64], digits: usize) -> String {
    median(values).map_or("-".into(), |v| format!("{v:.digits$}"))
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
        assert_eq!(ratio(&[1.0, 3.0], &[2.0, 2.0]), "1.000 (0.50..1.50)");
        assert_eq!((ratio(&[], &[]), middle(&[1.25], 1)), ("-".into(), "1.2".into()));
    }
}
