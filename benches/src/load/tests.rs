//! The load generator against servers that are right, and wrong in every way a server can be.

use super::fake_server::{Fault, start};
use super::{Choice, LoadError, Options, Phase, Report, run};
use std::time::Duration;

fn options(fault: Fault) -> Options {
    let mut o = Options::new(start(fault));
    o.connections = 3;
    o.depth = 4;
    o.keys = 20;
    o.measure = Duration::from_millis(150);
    o.recipe.min_len = 1;
    o.recipe.max_len = 300;
    o.set_ratio = 0.3;
    o.stall = Duration::from_secs(2);
    o
}

fn load(o: &Options) -> Result<Report, LoadError> {
    run(o, |_, _| {})
}

#[test]
fn a_right_server_passes_and_is_counted() {
    let mut phases = Vec::new();
    let o = options(Fault::None);
    let report = run(&o, |p, r| phases.push((p, r.is_some()))).unwrap();
    assert_eq!(phases, [(Phase::Ready, false), (Phase::Done, true)]);
    assert!(report.gets > 20 && report.sets > 5, "{report}");
    assert!(report.latency_us(0.5) <= report.latency_us(0.99));
    assert_eq!(report.json()["requests"], report.requests());
}

#[test]
fn a_pipeline_with_one_connection_and_large_values_passes() {
    let mut o = options(Fault::None);
    (o.connections, o.depth, o.keys) = (1, 16, 4);
    (o.recipe.min_len, o.recipe.max_len) = (900_000, 1 << 20);
    assert!(load(&o).unwrap().gets > 0);
}

#[test]
fn misses_and_sets_without_a_reply_are_checked_and_counted() {
    let mut o = options(Fault::None);
    o.mix = Choice::Misses;
    let report = load(&o).unwrap();
    assert!(report.gets > 20 && report.sets == 0, "{report}");
    o.mix = Choice::Noreply;
    let report = load(&o).unwrap();
    assert!(report.gets > 5 && report.sets == report.gets * o.depth as u64, "{report}");
    o = Options { mix: Choice::Noreply, ..options(Fault::StaleValue(40)) };
    assert!(matches!(load(&o).unwrap_err(), LoadError::Wrong(_)));
}

#[test]
fn one_corrupted_bit_in_one_byte_is_caught() {
    let err = load(&options(Fault::CorruptByte(40))).unwrap_err();
    assert!(matches!(&err, LoadError::Wrong(w) if w.contains("the value")), "{err}");
}

#[test]
fn a_stale_value_is_caught() {
    let err = load(&options(Fault::StaleValue(40))).unwrap_err();
    assert!(matches!(err, LoadError::Wrong(_)), "{err}");
}

#[test]
fn a_miss_is_caught() {
    let err = load(&options(Fault::Miss(40))).unwrap_err();
    assert!(matches!(err, LoadError::Wrong(_)), "{err}");
}

#[test]
fn a_reply_sent_twice_is_caught() {
    let mut o = options(Fault::Twice(40));
    o.set_ratio = 0.0;
    let err = load(&o).unwrap_err();
    assert!(matches!(err, LoadError::Wrong(_)), "{err}");
}

#[test]
fn a_closed_connection_is_an_error() {
    let err = load(&options(Fault::Close(40))).unwrap_err();
    assert!(matches!(err, LoadError::Closed | LoadError::Io(_)), "{err}");
}

#[test]
fn a_server_that_falls_silent_is_an_error() {
    let mut o = options(Fault::Silent(40));
    (o.connections, o.depth, o.stall) = (1, 1, Duration::from_millis(200));
    let err = load(&o).unwrap_err();
    assert!(matches!(err, LoadError::Stalled(_)), "{err}");
}
