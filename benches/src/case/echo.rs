//! An echo server on the engine, a load in a process of its own.

use crate::echo::MESSAGE;
use crate::engine::Engine;
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
    let echoed: &'static Echoed = Box::leak(Box::default());
    let address = E::serve(echoed, over).await.expect("a free port or path");
    let loader = plan.loader.expect("the caller names the load's program");
    let outcome = Arc::new(Mutex::new(None));
    let place = address.clone();
    let latch = Latch::leak();
    latch.arm(1);
    let result = Arc::clone(&outcome);
    std::thread::spawn(move || {
        let run = load(&loader, &address, plan, [connections, depth], echoed);
        *result.lock().expect("nobody panics") = Some(run.unwrap_or_else(|e| {
            eprintln!("the load on {connections} connections: {e}");
            Span::begin().end(0)
        }));
        latch.hit();
    });
    latch.wait().await;
    if let Place::Unix(path) = place {
        // Its listener lasts as long as the process.
        let _ = std::fs::remove_file(path);
    }
    let outcome = outcome.lock().expect("nobody panics").expect("set before the hit");
    outcome.with_figure(outcome.cpu_ns() / 1e3)
}

/// Runs the load once and measures while it does what it was asked to.
pub(super) fn load(
    loader: &Loader,
    address: &Place,
    plan: Plan,
    [connections, depth]: [u64; 2],
    echoed: &Echoed,
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
    let before = echoed.count();
    let span = Span::begin();
    stdin.write_all(b"\n")?;
    expect("done")?;
    let outcome = span.end((echoed.count() - before) / MESSAGE as u64);
    drop(stdin);
    child.wait()?;
    Ok(outcome)
}
