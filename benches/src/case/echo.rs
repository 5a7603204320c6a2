//! An echo server on the engine, a load in a process of its own.

use crate::echo::MESSAGE;
use crate::engine::{Engine, Inject};
use crate::measure::{Loader, Outcome, Plan, Span};
use crate::place::{Over, Place};
use crate::work::Latch;
use crate::work::echo::Echoed;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Sends back what `connections` connections with `depth` outstanding messages each send. In microseconds of
/// the server's CPU time a message. Nothing is done if the load fails, which says why itself.
pub(crate) async fn echo<E: Engine>(plan: Plan, over: Over, connections: u64, depth: u64) -> Outcome {
    serve::<E>(plan, over, [connections, depth], || 0, cpu_us).await
}

/// The same over TCP, in system calls a message, as the engine counts them.
pub(crate) async fn echo_calls<E: Engine>(
    plan: Plan,
    injector: E::Injector,
    connections: u64,
    depth: u64,
) -> Outcome {
    let calls = move || injector.calls();
    let of_a_message = |outcome: &Outcome, calls| calls as f64 / outcome.done.max(1) as f64;
    serve::<E>(plan, Over::Tcp, [connections, depth], calls, of_a_message).await
}

/// A case's figure, from what a turn took and how far a count went in it.
type Figure = fn(&Outcome, u64) -> f64;

/// CPU time of a message, in microseconds.
pub(super) fn cpu_us(outcome: &Outcome, _: u64) -> f64 {
    outcome.cpu_ns() / 1e3
}

/// Serves the load until it ends.
async fn serve<E: Engine>(
    plan: Plan,
    over: Over,
    shape: [u64; 2],
    count: impl Fn() -> u64 + Send + 'static,
    figure: Figure,
) -> Outcome {
    let echoed: &'static Echoed = Box::leak(Box::default());
    let address = E::serve(echoed, over).await.expect("a free port or path");
    let loader = plan.loader.expect("the caller names the load's program");
    let outcome = Arc::new(Mutex::new(None));
    let place = address.clone();
    let latch = Latch::leak();
    latch.arm(1);
    let result = Arc::clone(&outcome);
    std::thread::spawn(move || {
        let run = load(&loader, &address, plan, shape, || (echoed.count(), count()), figure);
        *result.lock().expect("nobody panics") = Some(run.unwrap_or_else(|e| {
            eprintln!("the load on {} connections: {e}", shape[0]);
            Span::begin().end(0)
        }));
        latch.hit();
    });
    latch.wait().await;
    if let Place::Unix(path) = place {
        // Its listener lasts as long as the process.
        let _ = std::fs::remove_file(path);
    }
    let outcome = outcome.lock().expect("nobody panics");
    outcome.expect("set before the hit")
}

/// Runs the load, measures each of its turns, and returns the last one's outcome. `counts` are the bytes sent back so far, and
/// something else to be counted meanwhile.
pub(super) fn load(
    loader: &Loader,
    address: &Place,
    plan: Plan,
    [connections, depth]: [u64; 2],
    counts: impl Fn() -> (u64, u64),
    figure: Figure,
) -> std::io::Result<Outcome> {
    let mut command = Command::new(loader.program);
    command.args(["--addr", &address.to_string()]);
    for (name, value) in
        [("--connections", connections), ("--depth", depth), ("--ops", plan.ops), ("--warmup", plan.warmup)]
    {
        command.args([name, &value.to_string()]);
    }
    if let Some(cpu) = loader.cpu {
        command.args(["--cpu", &cpu.to_string()]);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut expect = |word: &str| match said.next() {
        Some(Ok(line)) if line == word => Ok(()),
        other => Err(std::io::Error::other(format!("expected {word:?}, got {other:?}"))),
    };
    expect("ready")?;
    let outcome = loop {
        let (bytes, other) = counts();
        let span = Span::begin();
        stdin.write_all(b"\n")?;
        expect("done")?;
        let after = counts();
        let outcome = span.end((after.0 - bytes) / MESSAGE as u64);
        let outcome = outcome.with_figure(figure(&outcome, after.1 - other));
        if !(loader.told)(&plan, &outcome) {
            break outcome;
        }
    };
    drop(stdin);
    child.wait()?;
    Ok(outcome)
}
