use super::StackInject;
use crate::config::{INJECT_BATCH, INJECT_SHARDS};
use crate::queue::testing::{Item, chain, ids};
use proptest::prelude::*;
use std::vec::Vec;

#[test]
fn a_worker_takes_its_share_and_is_told_of_the_rest_once() {
    let inject = StackInject::new(4);
    inject.push_chain(0, chain(0..8));
    let (batch, left) = inject.pop_batch(0, 100);
    assert_eq!((ids(batch), left), ([0, 1, 2].into(), true));
    // The bit has been on ever since: whoever parks sees it.
    let (batch, left) = inject.pop_batch(0, 1);
    assert_eq!((ids(batch), left), ([3].into(), false));
    assert!(!inject.is_empty());
    let (task, left) = inject.pop(0);
    assert_eq!((task.map(Item::id), left), (Some(4), false));
}

#[test]
fn what_was_pushed_meanwhile_comes_behind_the_list() {
    let inject = StackInject::new(1);
    inject.push_chain(0, chain(0..3));
    assert_eq!(inject.pop(0).0.map(Item::id), Some(0));
    inject.push(0, Item::new(3));
    assert_eq!(inject.pop(0).0.map(Item::id), Some(1));
    let (task, left) = inject.pop(0);
    assert_eq!((task.map(Item::id), left), (Some(2), true));
    assert_eq!(inject.pop(0).0.map(Item::id), Some(3));
    assert!(inject.is_empty());
}

#[test]
fn no_batch_exceeds_the_bound_and_the_drop_frees_the_rest() {
    let inject = StackInject::new(1);
    inject.push_chain(0, chain(0..1000));
    assert_eq!(inject.pop_batch(0, usize::MAX).0.len(), INJECT_BATCH);
    inject.push_chain(0, chain(1000..2000));
}

proptest! {
    #[test]
    fn every_task_comes_out_once_and_in_the_order_of_its_hint(
        workers in 1..20_usize,
        pushes in proptest::collection::vec((0..INJECT_SHARDS, 0..40_u32, 0..3_usize), 1..60),
    ) {
        let inject = StackInject::new(workers);
        let (mut next, mut pushed, mut found) = (0, Vec::new(), Vec::new());
        for (hint, n, pops) in pushes {
            inject.push_chain(hint, chain(next..next + n));
            pushed.extend((next..next + n).map(|id| (hint, id)));
            next += n;
            for round in 0..pops {
                found.extend(ids(inject.pop_batch(round, 5).0));
            }
        }
        while !inject.is_empty() {
            let (batch, _) = inject.pop_batch(0, usize::MAX);
            prop_assert!(!batch.is_empty());
            found.extend(ids(batch));
        }
        for hint in 0..INJECT_SHARDS {
            let sent: Vec<_> = pushed.iter().filter(|p| p.0 == hint).map(|p| p.1).collect();
            let came: Vec<_> = found.iter().copied().filter(|id| sent.contains(id)).collect();
            prop_assert_eq!(came, sent);
        }
        prop_assert_eq!(found.len(), next as usize);
    }
}
