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
    o.stall = Duration::from_secs(60);
    o
}

/// The load again and again, each time for twice as long, until it fails or its report says `enough`: how much goes
/// through in a time is up to the machine.
fn load_until(o: &mut Options, enough: impl Fn(&Report) -> bool) -> Result<Report, LoadError> {
    loop {
        let report = run(o, |_, _| false)?;
        if enough(&report) {
            return Ok(report);
        }
        assert!(o.measure < Duration::from_secs(60), "never enough: {report}");
        o.measure *= 2;
    }
}

/// What the load ends with, at the latest when the server has come to what it does wrong.
fn failure(mut o: Options) -> LoadError {
    load_until(&mut o, |_| false).unwrap_err()
}

#[test]
fn a_right_server_passes_and_is_counted() {
    let mut phases = Vec::new();
    let mut o = options(Fault::None);
    run(&o, |p, r| {
        phases.push((p, r.is_some()));
        phases.len() < 4
    })
    .unwrap();
    let (ready, done) = ((Phase::Ready, false), (Phase::Done, true));
    assert_eq!(phases, [ready, done, done, done], "as often as it is told");
    let report = load_until(&mut o, |r| r.gets > 20 && r.sets > 5).unwrap();
    assert!(report.latency_us(0.5) <= report.latency_us(0.99));
    assert_eq!(report.json()["requests"], report.requests());
}

#[test]
fn a_pipeline_with_one_connection_and_large_values_passes() {
    let mut o = options(Fault::None);
    (o.connections, o.depth, o.keys) = (1, 16, 4);
    (o.recipe.min_len, o.recipe.max_len) = (900_000, 1 << 20);
    load_until(&mut o, |r| r.gets > 0).unwrap();
}

#[test]
fn misses_and_sets_without_a_reply_are_checked_and_counted() {
    let mut o = options(Fault::None);
    o.mix = Choice::Misses;
    let report = load_until(&mut o, |r| r.gets > 20).unwrap();
    assert_eq!(report.sets, 0);
    o.mix = Choice::Noreply;
    let report = load_until(&mut o, |r| r.gets > 5).unwrap();
    assert_eq!(report.sets, report.gets * o.depth as u64);
    o = Options { mix: Choice::Noreply, ..options(Fault::StaleValue(40)) };
    assert!(matches!(failure(o), LoadError::Wrong(_)));
}

#[test]
fn one_corrupted_bit_in_one_byte_is_caught() {
    let err = failure(options(Fault::CorruptByte(40)));
    assert!(matches!(&err, LoadError::Wrong(w) if w.contains("the value")), "{err}");
}

#[test]
fn a_stale_value_is_caught() {
    let err = failure(options(Fault::StaleValue(40)));
    assert!(matches!(err, LoadError::Wrong(_)), "{err}");
}

#[test]
fn a_miss_is_caught() {
    let err = failure(options(Fault::Miss(40)));
    assert!(matches!(err, LoadError::Wrong(_)), "{err}");
}

#[test]
fn a_reply_sent_twice_is_caught() {
    let mut o = options(Fault::Twice(40));
    o.set_ratio = 0.0;
    let err = failure(o);
    assert!(matches!(err, LoadError::Wrong(_)), "{err}");
}

#[test]
fn a_closed_connection_is_an_error() {
    let err = failure(options(Fault::Close(40)));
    assert!(matches!(err, LoadError::Closed | LoadError::Io(_)), "{err}");
}

#[test]
fn a_server_that_falls_silent_is_an_error() {
    let mut o = options(Fault::Silent(40));
    (o.connections, o.depth, o.stall) = (1, 1, Duration::from_millis(200));
    let err = failure(o);
    assert!(matches!(err, LoadError::Stalled(_)), "{err}");
}

#[test]
fn the_bare_server_answers_what_it_is_asked_by_one_connection_or_several() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut o = Options::new(listener.local_addr().unwrap());
    (o.mix, o.connections, o.depth, o.measure) = (Choice::One, 5, 7, Duration::from_millis(100));
    let recipe = o.recipe;
    std::thread::spawn(move || super::bare::serve(&listener, &recipe));
    let report = load_until(&mut o, |r| r.gets > 35).unwrap();
    assert_eq!(report.sets, 0);
    // Of another length, which is wrong at once.
    (o.recipe.min_len, o.recipe.max_len) = (99, 99);
    assert!(matches!(failure(o), LoadError::Wrong(_)));
}
