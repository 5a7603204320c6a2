//! Every case on ouzel's own runtimes, small: each must do exactly what it was asked.

use ouzel_bench::case::{CASES, Case};
use ouzel_bench::cell::{NoOutcome, find_case, run};
use ouzel_bench::measure::Plan;

/// No multiple of any case's own batch, so that a batch too many or too few shows.
const OPS: u64 = 1_234;

fn small(engine: &str, case: &Case, workers: usize) {
    let outcome = run(engine, case, Plan { ops: OPS, warmup: 77, workers })
        .unwrap_or_else(|e| panic!("{} on {engine} with {workers} workers: {e}", case.name));
    assert_eq!(outcome.done, OPS, "{} on {engine}", case.name);
    assert!(outcome.value() > 0.0, "{} on {engine}: {outcome:?}", case.name);
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
fn an_unknown_name_is_told_what_there_is() {
    let plan = Plan { ops: 1, warmup: 0, workers: 1 };
    let Err(NoOutcome::Unknown(text)) = run("tokyo", &CASES[0], plan) else { panic!("tokyo ran") };
    assert!(text.contains("ouzel-local"), "{text}");
    assert!(find_case("spawn").unwrap_err().to_string().contains("spawn_join"));
}
