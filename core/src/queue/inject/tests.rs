use super::Inject;
use crate::config::{INJECT_BATCH, INJECT_SHARDS};
use crate::queue::testing::{Item, chain, ids};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

#[test]
fn one_worker_has_one_shard_and_one_order() {
    let inject = Inject::new(1);
    for id in 0..5 {
        inject.push(id as usize * 3, Item::new(id));
    }
    assert_eq!(ids(inject.pop_batch(0, 100)), [0, 1, 2, 3, 4]);
    assert!(inject.is_empty());
}

#[test]
fn a_worker_takes_its_share_and_leaves_the_rest() {
    let inject = Inject::new(4);
    inject.push_chain(0, chain(0..8));
    assert_eq!(ids(inject.pop_batch(0, 100)), [0, 1, 2]);
    assert_eq!(ids(inject.pop_batch(0, 1)), [3]);
    assert!(ids(inject.pop_batch(0, 0)).is_empty());
    assert!(!inject.is_empty());
    assert_eq!(inject.pop(0).unwrap().id(), 4);
}

#[test]
fn no_batch_exceeds_the_bound() {
    let inject = Inject::new(1);
    inject.push_chain(0, chain(0..1000));
    assert_eq!(inject.pop_batch(0, usize::MAX).len(), INJECT_BATCH);
}

#[test]
fn rotating_starts_visit_every_shard() {
    let inject = Inject::new(INJECT_SHARDS);
    for shard in 0..INJECT_SHARDS {
        inject.push_chain(shard, chain(shard as u32 * 100..shard as u32 * 100 + 50));
    }
    let mut visited: Vec<_> =
        (0..INJECT_SHARDS).map(|round| inject.pop(3 + round).unwrap().id() / 100).collect();
    visited.sort_unstable();
    assert_eq!(visited, (0..INJECT_SHARDS as u32).collect::<Vec<_>>());
}

#[derive(Clone, Debug)]
enum Op {
    Push(usize),
    Chain(usize, u32),
    Pop(usize),
    Batch(usize, usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        any::<usize>().prop_map(Op::Push),
        (any::<usize>(), 0..300_u32).prop_map(|(hint, n)| Op::Chain(hint, n)),
        any::<usize>().prop_map(Op::Pop),
        (any::<usize>(), 0..300_usize).prop_map(|(start, room)| Op::Batch(start, room)),
    ];
    proptest::collection::vec(op, 1..80)
}

fn first_nonempty(shards: &[VecDeque<u32>], start: usize) -> Option<usize> {
    (0..shards.len()).map(|i| start.wrapping_add(i) % shards.len()).find(|&s| !shards[s].is_empty())
}

/// What one worker of `workers` takes out of a shard at once.
fn share(len: usize, workers: usize, room: usize) -> usize {
    (len / workers + 1).min(INJECT_BATCH).min(room).min(len)
}

proptest! {
    #[test]
    fn it_behaves_as_plain_queues(workers in 1..20_usize, ops in ops()) {
        let shards = workers.next_power_of_two().min(INJECT_SHARDS);
        let inject = Inject::new(workers);
        let mut plain = vec![VecDeque::new(); shards];
        let mut next = 0;
        for op in ops {
            match op {
                Op::Push(hint) => {
                    inject.push(hint, Item::new(next));
                    plain[hint % shards].push_back(next);
                    next += 1;
                }
                Op::Chain(hint, n) => {
                    inject.push_chain(hint, chain(next..next + n));
                    plain[hint % shards].extend(next..next + n);
                    next += n;
                }
                Op::Pop(start) => {
                    let shard = first_nonempty(&plain, start);
                    let expected = shard.and_then(|s| plain[s].pop_front());
                    prop_assert_eq!(inject.pop(start).map(Item::id), expected);
                }
                Op::Batch(start, room) => {
                    let shard = first_nonempty(&plain, start);
                    let expected = shard.map_or(Vec::new(), |s| {
                        let n = share(plain[s].len(), workers, room);
                        plain[s].drain(..n).collect()
                    });
                    prop_assert_eq!(ids(inject.pop_batch(start, room)), expected);
                }
            }
            prop_assert_eq!(inject.is_empty(), plain.iter().all(VecDeque::is_empty));
        }
    }
}
