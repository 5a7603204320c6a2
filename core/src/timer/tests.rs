use core::time::Duration;
use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Timers 0, 1, 2 ... with a generation in the upper half, as operations have.
struct Nodes(Vec<TimerNode<u64>>);

impl Nodes {
    fn new(n: usize) -> Self {
        Nodes((0..n).map(|_| TimerNode::new(0)).collect())
    }
}

impl TimerStore for Nodes {
    type Key = u64;

    fn index(key: u64) -> u32 {
        key as u32
    }

    fn node(&self, index: u32) -> Option<&TimerNode<u64>> {
        self.0.get(index as usize)
    }
}

const TICK: u64 = 1 << TICK_BITS;
const SECOND: u64 = 1_000_000_000;

fn at(n: u64) -> Deadline {
    Deadline(Nanos(n))
}

fn expired(wheel: &mut Wheel, nodes: &Nodes, now: u64) -> Vec<u64> {
    let mut keys = Vec::new();
    wheel.expire(nodes, Nanos(now), |key| keys.push(key));
    keys
}

#[test]
fn a_timer_is_never_early_and_late_by_less_than_a_tick() {
    let start = 123_456_789;
    for delay in [0, 1, TICK - 1, TICK, TICK + 1, 50_000, SECOND, 3600 * SECOND, 100 * 366 * 86400 * SECOND] {
        let nodes = Nodes::new(1);
        let mut wheel = Wheel::new(Nanos(start));
        assert!(wheel.insert(&nodes, 0, at(start + delay)));
        let wake = wheel.next_deadline(&nodes).unwrap().0.0;
        assert!(wake < start + delay + TICK, "{delay}: wakes at {wake}");
        if delay > 0 {
            assert_eq!(expired(&mut wheel, &nodes, start + delay - 1), [0; 0], "{delay}: early");
        }
        assert_eq!(expired(&mut wheel, &nodes, start + delay + TICK), [0], "{delay}: late");
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_deadline(&nodes), None);
    }
}

#[test]
fn a_lone_distant_timer_costs_one_wake_up() {
    let nodes = Nodes::new(1);
    let mut wheel = Wheel::new(Nanos(0));
    wheel.insert(&nodes, 0, at(86400 * SECOND));
    let wake = wheel.next_deadline(&nodes).unwrap().0;
    assert_eq!(expired(&mut wheel, &nodes, wake.0), [0]);
}

#[test]
fn the_end_of_time_is_a_deadline_like_any_other() {
    let nodes = Nodes::new(2);
    let mut wheel = Wheel::new(Nanos(7));
    wheel.insert(&nodes, 0, Deadline(Nanos::MAX));
    wheel.insert(&nodes, 1, at(SECOND));
    assert_eq!(expired(&mut wheel, &nodes, 200 * 366 * 86400 * SECOND), [1]);
    assert!(wheel.remove(&nodes, 0));
    assert!(!nodes.0[0].is_set());
}

#[test]
fn equal_deadlines_come_out_in_order_of_insertion() {
    let nodes = Nodes::new(20);
    let mut wheel = Wheel::new(Nanos(0));
    for key in 0..20 {
        wheel.insert(&nodes, key, at(SECOND));
    }
    // Too many to look at: the wheel asks to be called when their slot begins, and finds nothing due.
    let early = wheel.next_deadline(&nodes).unwrap().0.0;
    assert!(early < SECOND);
    assert_eq!(expired(&mut wheel, &nodes, early), [0; 0]);
    assert_eq!(expired(&mut wheel, &nodes, SECOND + TICK), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_wait_with_slack_ends_for_all_timers_within_it_and_is_not_put_off_for_a_lone_one() {
    let tick = |n: u64| at(1000 * TICK + n * TICK);
    let slack = Duration::from_nanos(12 * TICK);
    let nodes = Nodes::new(9);
    let mut wheel = Wheel::new(Nanos(1000 * TICK));
    // In the lowest level, and in the one above it.
    for (key, n) in [(0, 1), (1, 5), (2, 13), (3, 14), (4, 200), (5, 205), (6, 230)] {
        wheel.insert(&nodes, key, tick(n));
    }
    let mut waits = Vec::new();
    while let Some(next) = wheel.next_wait(&nodes, slack) {
        waits.push((next, expired(&mut wheel, &nodes, next.0.0).len()));
    }
    assert_eq!(waits, [(tick(13), 3), (tick(14), 1), (tick(205), 2), (tick(230), 1)]);
}

#[test]
fn a_crowded_slot_is_put_off_only_if_all_of_it_is_near() {
    let slack = Duration::from_nanos(12 * TICK);
    for (ticks, put_off) in [(100, 12 * TICK), (10_000, 0)] {
        let nodes = Nodes::new(20);
        let mut wheel = Wheel::new(Nanos(0));
        for key in 0..20 {
            wheel.insert(&nodes, key, at(ticks * TICK));
        }
        let (next, late) = (wheel.next_deadline(&nodes).unwrap(), wheel.next_wait(&nodes, slack).unwrap());
        assert_eq!(late.0.0 - next.0.0, put_off);
    }
}

#[test]
fn wrong_keys_are_refused() {
    let nodes = Nodes::new(1);
    let mut wheel = Wheel::new(Nanos(0));
    assert!(wheel.insert(&nodes, 1 << 32, at(SECOND)));
    assert!(!wheel.insert(&nodes, 1 << 32, at(SECOND)), "twice");
    assert!(!wheel.insert(&nodes, 9, at(SECOND)), "no such node");
    assert!(!wheel.remove(&nodes, 2 << 32), "another generation");
    assert!(!wheel.remove(&nodes, 9), "no such node");
    assert!(wheel.remove(&nodes, 1 << 32));
    assert!(!wheel.remove(&nodes, 1 << 32), "twice");
    assert_eq!((wheel.len(), wheel.next_deadline(&nodes)), (0, None));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u64),
    Remove(u32),
    Advance(u64),
    Sleep,
    /// Sleeps with a slack of so many ticks.
    Slack(u64),
}

/// Delays of all magnitudes, so that all levels are used.
fn delay() -> impl Strategy<Value = u64> {
    (0u32..62, any::<u64>()).prop_map(|(bits, n)| n & ((1 << bits) - 1))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..32, delay()).prop_map(|(i, d)| Step::Insert(i, d)),
        2 => (0u32..32).prop_map(Step::Remove),
        1 => delay().prop_map(Step::Advance),
        3 => Just(Step::Sleep),
        2 => (0u64..80).prop_map(Step::Slack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_sorted_map(start in delay(), steps in prop::collection::vec(step(), 1..200)) {
        let nodes = Nodes::new(32);
        let mut wheel = Wheel::new(Nanos(start));
        let mut model: BTreeMap<u64, u64> = BTreeMap::new(); // key -> deadline
        let mut now = start;
        for (turn, step) in (1u64..).zip(steps) {
            match step {
                Step::Insert(i, d) => {
                    let key = (turn << 32) | u64::from(i);
                    let deadline = now.saturating_add(d);
                    let free = !model.keys().any(|&k| k as u32 == i);
                    prop_assert_eq!(wheel.insert(&nodes, key, at(deadline)), free);
                    if free {
                        model.insert(key, deadline);
                    }
                }
                Step::Remove(i) => {
                    if let Some(&key) = model.keys().find(|&&k| k as u32 == i) {
                        prop_assert!(wheel.remove(&nodes, key));
                        model.remove(&key);
                    }
                }
                Step::Advance(d) => now = now.saturating_add(d),
                Step::Sleep => {
                    let next = wheel.next_deadline(&nodes);
                    prop_assert_eq!(next.is_some(), !model.is_empty());
                    if let Some(next) = next {
                        now = now.max(next.0.0);
                    }
                }
                Step::Slack(ticks) => {
                    let slack = Duration::from_nanos(ticks * TICK);
                    let (next, put_off) = (wheel.next_deadline(&nodes), wheel.next_wait(&nodes, slack));
                    prop_assert_eq!(next.is_some(), put_off.is_some());
                    if let Some((next, put_off)) = next.zip(put_off) {
                        prop_assert!(put_off >= next);
                        prop_assert!(put_off.0.0 - next.0.0 <= ticks.min(63) * TICK, "beyond the slack");
                        if model.len() == 1 {
                            prop_assert_eq!(put_off, next, "a lone timer is put off");
                        }
                        now = now.max(put_off.0.0);
                    }
                }
            }
            let mut out = expired(&mut wheel, &nodes, now);
            out.sort_unstable();
            let tick = now >> TICK_BITS;
            let due: Vec<u64> = model.iter().filter(|(_, d)| up(Nanos(**d)) <= tick).map(|(k, _)| *k).collect();
            prop_assert_eq!(&out, &due);
            model.retain(|k, _| !due.contains(k));
            prop_assert_eq!(wheel.len(), model.len());
            if let Some(next) = wheel.next_deadline(&nodes) {
                let earliest = model.values().map(|&d| up(Nanos(d))).min().unwrap();
                prop_assert!(next.0.0 > now, "a wake-up that has nothing to do");
                prop_assert!(next <= nanos(earliest), "too late for the earliest timer");
                if model.len() <= SCAN {
                    prop_assert_eq!(next, nanos(earliest));
                }
            }
        }
    }
}
