use super::owner::{HALF, TAKE};
use super::{CAPACITY, Owner, Ring};
use crate::config::RING_CAPACITY;
use crate::queue::Chain;
use crate::queue::testing::{Item, ids};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use proptest::prelude::*;
use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::Vec;

fn leak() -> &'static Ring<Item> {
    Box::leak(Box::new(Ring::new()))
}

fn owner() -> Owner<Item> {
    // SAFETY: the ring is leaked, and this is its only owner.
    unsafe { Owner::new(leak()) }
}

fn drain(owner: &Owner<Item>) -> Vec<u32> {
    core::iter::from_fn(|| owner.pop()).map(Item::id).collect()
}

#[test]
fn tasks_come_out_in_the_order_they_went_in() {
    let ring = owner();
    for id in 0..CAPACITY {
        ring.push(Item::new(id)).unwrap();
    }
    assert_eq!(drain(&ring), (0..CAPACITY).collect::<Vec<_>>());
    assert!(ring.is_empty());
}

#[test]
fn a_full_ring_keeps_its_older_half() {
    let ring = owner();
    for id in 0..CAPACITY {
        ring.push(Item::new(id)).unwrap();
    }
    let out = ring.push(Item::new(CAPACITY)).unwrap_err();
    assert_eq!(ids(out), (HALF..=CAPACITY).collect::<Vec<_>>());
    assert_eq!(drain(&ring), (0..HALF).collect::<Vec<_>>());
}

#[test]
fn a_thief_takes_the_older_half_and_runs_the_oldest() {
    let (victim, thief) = (owner(), owner());
    for id in 0..5 {
        victim.push(Item::new(id)).unwrap();
    }
    assert_eq!(victim.ring().steal_into(&thief).unwrap().id(), 0);
    assert_eq!(drain(&thief), [1, 2]);
    assert_eq!(drain(&victim), [3, 4]);
    assert!(victim.ring().steal_into(&thief).is_none());
}

#[test]
fn a_thief_without_half_a_ring_of_room_takes_nothing() {
    let (victim, thief) = (owner(), owner());
    victim.push(Item::new(0)).unwrap();
    for id in 0..=HALF {
        thief.push(Item::new(id)).unwrap();
    }
    assert!(victim.ring().steal_into(&thief).is_none());
    assert_eq!(thief.pop().unwrap().id(), 0);
    assert!(victim.ring().steal_into(&thief).is_some());
}

#[test]
fn a_batch_is_out_of_reach_until_it_is_handed_back() {
    let (victim, thief) = (owner(), owner());
    for id in 0..4 {
        victim.push(Item::new(id)).unwrap();
    }
    assert_eq!(victim.pop().unwrap().id(), 0);
    assert_eq!((victim.batched(), victim.ring().len(), victim.len()), (1, 2, 3));
    victim.hand_back().unwrap();
    assert_eq!((victim.batched(), victim.len()), (0, 3));
    assert_eq!(victim.ring().steal_into(&thief).unwrap().id(), 2);
    assert_eq!(drain(&victim), [1]);
    assert_eq!(drain(&thief), [3]);
}

#[test]
fn the_next_owner_finds_what_the_last_one_left() {
    let ring = leak();
    {
        // SAFETY: the ring is leaked, and this owner ends before the next.
        let first = unsafe { Owner::new(ring) };
        first.push(Item::new(7)).unwrap();
    }
    // SAFETY: the only owner now.
    let second = unsafe { Owner::new(ring) };
    assert_eq!(second.room(), RING_CAPACITY - 1);
    assert_eq!(drain(&second), [7]);
}

#[derive(Clone, Debug)]
enum Op {
    Push(u32),
    Extend(u32),
    Pop(u32),
    HandBack,
    Steal,
    DrainThief,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        (1..200_u32).prop_map(Op::Push),
        (1..200_u32).prop_map(Op::Extend),
        (1..200_u32).prop_map(Op::Pop),
        Just(Op::HandBack),
        Just(Op::Steal),
        Just(Op::DrainThief),
    ];
    proptest::collection::vec(op, 1..60)
}

/// The ring, said with queues that cannot be wrong.
#[derive(Default)]
struct Plain {
    ring: VecDeque<u32>,
    batch: VecDeque<u32>,
    thief: VecDeque<u32>,
}

impl Plain {
    fn push(&mut self, id: u32) -> Vec<u32> {
        self.ring.push_back(id);
        if self.ring.len() > RING_CAPACITY {
            self.ring.split_off(RING_CAPACITY / 2).into()
        } else {
            Vec::new()
        }
    }

    fn pop(&mut self) -> Option<u32> {
        if self.batch.is_empty() {
            let n = self.ring.len().div_ceil(2).min(TAKE);
            self.batch.extend(self.ring.drain(..n));
        }
        self.batch.pop_front()
    }

    fn steal(&mut self) -> Option<u32> {
        if RING_CAPACITY - self.thief.len() < RING_CAPACITY / 2 {
            return None;
        }
        let n = self.ring.len().div_ceil(2);
        let mut taken = self.ring.drain(..n);
        let first = taken.next();
        self.thief.extend(taken);
        first
    }
}

proptest! {
    #[test]
    fn a_ring_behaves_as_plain_queues(ops in ops()) {
        let (ring, thief) = (owner(), owner());
        let mut plain = Plain::default();
        let mut id = 0;
        for op in ops {
            match op {
                Op::Push(n) => for _ in 0..n {
                    id += 1;
                    let out = ring.push(Item::new(id)).map_or_else(ids, |()| Vec::new());
                    prop_assert_eq!(out, plain.push(id));
                },
                Op::Extend(n) => {
                    let mut chain = Chain::new();
                    for i in 0..n {
                        chain.push_back(Item::new(id + 1 + i));
                    }
                    let fits = (RING_CAPACITY - plain.ring.len()).min(n as usize) as u32;
                    plain.ring.extend(id + 1..=id + fits);
                    ring.extend(&mut chain);
                    prop_assert_eq!(ids(chain), (id + fits + 1..=id + n).collect::<Vec<_>>());
                    id += n;
                }
                Op::Pop(n) => for _ in 0..n {
                    prop_assert_eq!(ring.pop().map(Item::id), plain.pop());
                },
                Op::HandBack => {
                    let fits = (RING_CAPACITY - plain.ring.len()).min(plain.batch.len());
                    plain.ring.extend(plain.batch.drain(..fits));
                    let out = ring.hand_back().map_or_else(ids, |()| Vec::new());
                    prop_assert_eq!(out, plain.batch.drain(..).collect::<Vec<_>>());
                }
                Op::Steal => prop_assert_eq!(ring.ring().steal_into(&thief).map(Item::id), plain.steal()),
                Op::DrainThief => prop_assert_eq!(drain(&thief), plain.thief.drain(..).collect::<Vec<_>>()),
            }
            prop_assert_eq!(ring.len(), plain.ring.len() + plain.batch.len());
            prop_assert_eq!(ring.room(), RING_CAPACITY - plain.ring.len());
        }
    }
}

#[test]
fn three_threads_lose_and_double_nothing() {
    const TASKS: u32 = 200_000;
    let ring = leak();
    let (sum, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let done = Arc::new(AtomicBool::new(false));
    let thieves: Vec<_> = (0..2)
        .map(|_| {
            let (sum, count, done) = (Arc::clone(&sum), Arc::clone(&count), Arc::clone(&done));
            std::thread::spawn(move || {
                let own = owner();
                while !done.load(Ordering::Acquire) || !ring.is_empty() {
                    let Some(first) = ring.steal_into(&own) else {
                        std::thread::yield_now();
                        continue;
                    };
                    for id in core::iter::once(first.id()).chain(drain(&own)) {
                        sum.fetch_add(id.into(), Ordering::Relaxed);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    // SAFETY: the ring is leaked, and this is its only owner.
    let own = unsafe { Owner::new(ring) };
    let mut take = |id: u32| {
        sum.fetch_add(id.into(), Ordering::Relaxed);
        count.fetch_add(1, Ordering::Relaxed);
    };
    for id in 1..=TASKS {
        if let Err(out) = own.push(Item::new(id)) {
            ids(out).into_iter().for_each(&mut take);
        }
        if id % 3 == 0 {
            own.pop().map(Item::id).into_iter().for_each(&mut take);
        }
    }
    drain(&own).into_iter().for_each(&mut take);
    done.store(true, Ordering::Release);
    for thief in thieves {
        thief.join().unwrap();
    }
    assert_eq!(count.load(Ordering::Relaxed), TASKS.into());
    assert_eq!(sum.load(Ordering::Relaxed), u64::from(TASKS) * u64::from(TASKS + 1) / 2);
}
