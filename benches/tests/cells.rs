//! Every case on ouzel's own runtimes, small: each must do exactly what it was asked.

use ouzel_bench::case::{CASES, Case};
use ouzel_bench::cell::{NoOutcome, find_case, run};
use ouzel_bench::heap::{Counting, Heap};
use ouzel_bench::measure::{Loader, Plan};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

#[global_allocator]
static HEAP: Counting = Counting;

/// No multiple of any case's own batch, so that a batch too many or too few shows.
const OPS: u64 = 1_234;

fn plan(ops: u64, workers: usize) -> Plan {
    let program = Path::new(env!("CARGO_BIN_EXE_ouzel-echo"));
    Plan { ops, warmup: 77, workers, loader: Some(Loader { program, cpu: None, told: |_, _| false }) }
}

/// Fewer of those that take milliseconds each.
fn few(case: &Case) -> u64 {
    OPS.min(case.ops - 3)
}

fn small(engine: &str, case: &Case, workers: usize) {
    let ops = few(case);
    let outcome = run(engine, case, plan(ops, workers))
        .unwrap_or_else(|e| panic!("{} on {engine} with {workers} workers: {e}", case.name));
    assert_eq!(outcome.done, ops, "{} on {engine}", case.name);
    assert!(outcome.value().is_finite() && !outcome.wall.is_zero(), "{} on {engine}: {outcome:?}", case.name);
}

#[test]
fn every_case_does_exactly_its_operations_on_the_shared_runtime() {
    for case in CASES {
        small("ouzel", case, 1);
        small("ouzel", case, 2);
    }
}

#[test]
fn every_case_does_exactly_its_operations_on_the_local_runtime() {
    for case in CASES {
        small("ouzel-local", case, 1);
    }
}

#[test]
fn a_load_takes_as_many_turns_as_it_is_told() {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    let mut plan = plan(OPS, 1);
    let loader = plan.loader.as_mut().expect("it has one");
    loader.told = |plan, outcome| {
        assert_eq!(outcome.done, plan.ops);
        TURNS.fetch_add(1, Ordering::Relaxed) < 2
    };
    for case in CASES.iter().filter(|c| c.has_turns()) {
        TURNS.store(0, Ordering::Relaxed);
        let outcome = run("ouzel", case, plan).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!((TURNS.load(Ordering::Relaxed), outcome.done), (3, OPS), "{}", case.name);
    }
}

#[test]
fn an_unknown_name_is_told_what_there_is() {
    let Err(NoOutcome::Unknown(text)) = run("tokyo", &CASES[0], plan(1, 1)) else { panic!("tokyo ran") };
    assert!(text.contains("ouzel-local"), "{text}");
    assert!(find_case("spawn").unwrap_err().to_string().contains("spawn_join"));
}

#[test]
fn allocations_are_counted() {
    let before = Heap::now();
    let block = std::hint::black_box(vec![1u8; 1 << 24]);
    let after = Heap::now();
    assert!(after.allocations > before.allocations);
    // Other tests run meanwhile, and none of them gives back as much.
    assert!(after.live_bytes > before.live_bytes + (block.len() as u64) / 2);
}
