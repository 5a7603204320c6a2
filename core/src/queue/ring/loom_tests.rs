//! The ring, four entries small, with positions that wrap in every model.
//!
//! Each task carries a cell that loom watches, so a task that is seen before it was published fails,
//! and so does a slot that is read while it is written.

use super::{Owner, Ring};
use crate::queue::testing::{Item, ids};
use crate::queue::{Chain, Lifo};
use crate::sync::model;
use loom::sync::Arc;
use loom::thread;
use std::vec::Vec;

/// A ring and its owner, which keeps it alive.
struct Own {
    owner: Owner<Item>,
    ring: Arc<Ring<Item>>,
}

impl Own {
    fn new() -> Self {
        let ring = Arc::new(Ring::new());
        // SAFETY: `ring` is kept beside the owner and dropped after it; there is no other owner.
        let owner = unsafe { Owner::new(&ring) };
        Own { owner, ring }
    }

    /// Pushes; what overflows is counted as found.
    fn push(&self, id: u32, found: &mut Vec<u32>) {
        if let Err(out) = self.owner.push(Item::new(id)) {
            found.extend(ids(out));
        }
    }

    fn drain(&self) -> Vec<u32> {
        core::iter::from_fn(|| self.owner.pop()).map(Item::id).collect()
    }
}

/// Steals `times` times, each time into an empty ring of its own, and returns what it got.
fn thief(victim: &Ring<Item>, times: usize) -> Vec<u32> {
    let own = Own::new();
    let mut found = Vec::new();
    for _ in 0..times {
        if let Some(first) = victim.steal_into(&own.owner) {
            found.push(first.id());
            found.extend(own.drain());
        }
    }
    found
}

fn spawn_thief(own: &Own, times: usize) -> thread::JoinHandle<Vec<u32>> {
    let ring = Arc::clone(&own.ring);
    thread::spawn(move || thief(&ring, times))
}

#[track_caller]
fn assert_each_once(mut found: Vec<u32>, tasks: u32) {
    found.sort_unstable();
    assert_eq!(found, (0..tasks).collect::<Vec<_>>(), "a task was lost or found twice");
}

#[test]
fn loom_ring_owner_one_stealer() {
    model("ring_owner_one_stealer", None, || {
        let own = Own::new();
        let mut found = Vec::new();
        own.push(0, &mut found);
        let stolen = spawn_thief(&own, 2);
        own.push(1, &mut found);
        found.extend(own.owner.pop().map(Item::id));
        own.push(2, &mut found);
        found.extend(own.owner.pop().map(Item::id));
        found.extend(stolen.join().unwrap());
        found.extend(own.drain());
        assert_each_once(found, 3);
    });
}

#[test]
fn loom_ring_owner_two_stealers() {
    model("ring_owner_two_stealers", Some(2), || {
        let own = Own::new();
        let mut found = Vec::new();
        for id in 0..4 {
            own.push(id, &mut found);
        }
        let stolen = [spawn_thief(&own, 1), spawn_thief(&own, 1)];
        found.extend(own.owner.pop().map(Item::id));
        own.push(4, &mut found);
        own.push(5, &mut found);
        found.extend(own.drain());
        for thief in stolen {
            found.extend(thief.join().unwrap());
        }
        assert_each_once(found, 6);
    });
}

/// Two claims leave one task of four: a pop in between may have to try again, but it finds one.
#[test]
fn loom_ring_pop_never_says_empty_early() {
    model("ring_pop_never_says_empty_early", Some(3), || {
        let own = Own::new();
        let mut found = Vec::new();
        for id in 0..4 {
            own.push(id, &mut found);
        }
        let stolen = [spawn_thief(&own, 1), spawn_thief(&own, 1)];
        found.push(own.owner.pop().expect("there is a task in the ring").id());
        for thief in stolen {
            found.extend(thief.join().unwrap());
        }
        found.extend(own.drain());
        assert_each_once(found, 4);
    });
}

#[test]
fn loom_ring_overflow_against_steal() {
    model("ring_overflow_against_steal", None, || {
        let own = Own::new();
        let mut found = Vec::new();
        for id in 0..3 {
            own.push(id, &mut found);
        }
        let stolen = spawn_thief(&own, 1);
        for id in 3..6 {
            own.push(id, &mut found);
        }
        found.extend(own.drain());
        found.extend(stolen.join().unwrap());
        assert_each_once(found, 6);
    });
}

/// The thief has claimed, the owner pops the rest: the ring is empty, and yet has no room.
#[test]
fn loom_ring_room_behind_a_slow_thief() {
    model("ring_room_behind_a_slow_thief", None, || {
        let own = Own::new();
        let mut found = Vec::new();
        for id in 0..4 {
            own.push(id, &mut found);
        }
        let stolen = spawn_thief(&own, 1);
        found.extend(own.drain());
        own.push(4, &mut found);
        let mut chain = Chain::new();
        chain.push_back(Item::new(5));
        own.owner.extend(&mut chain);
        found.extend(ids(chain));
        found.extend(stolen.join().unwrap());
        found.extend(own.drain());
        assert_each_once(found, 6);
    });
}

/// One pop against as many claims as there can be; the bound is asserted in `refill`.
#[test]
fn loom_ring_pop_bound() {
    model("ring_pop_bound", None, || {
        let own = Own::new();
        let mut found = Vec::new();
        for id in 0..4 {
            own.push(id, &mut found);
        }
        let stolen = spawn_thief(&own, 4);
        found.extend(own.owner.pop().map(Item::id));
        found.extend(stolen.join().unwrap());
        found.extend(own.drain());
        assert_each_once(found, 4);
    });
}

#[test]
fn loom_ring_batch_handed_back() {
    model("ring_batch_handed_back", None, || {
        let own = Own::new();
        let mut found = Vec::new();
        for id in 0..4 {
            own.push(id, &mut found);
        }
        let stolen = spawn_thief(&own, 2);
        found.extend(own.owner.pop().map(Item::id));
        own.push(4, &mut found);
        if let Err(out) = own.owner.hand_back() {
            found.extend(ids(out));
        }
        assert_eq!(own.owner.batched(), 0);
        found.extend(stolen.join().unwrap());
        found.extend(own.drain());
        assert_each_once(found, 5);
    });
}

#[test]
fn loom_lifo_overflow_into_a_ring_being_stolen_from() {
    model("lifo_overflow_into_a_ring_being_stolen_from", None, || {
        let own = Own::new();
        let lifo = Lifo::<Item, 1>::new();
        let mut found = Vec::new();
        let wake = |id, found: &mut Vec<u32>| {
            if let Some(Err(out)) = lifo.push(Item::new(id)).map(|oldest| own.owner.push(oldest)) {
                found.extend(ids(out));
            }
        };
        wake(0, &mut found);
        wake(1, &mut found);
        let stolen = spawn_thief(&own, 2);
        wake(2, &mut found);
        found.extend(lifo.pop().map(Item::id));
        wake(3, &mut found);
        wake(4, &mut found);
        found.extend(own.drain());
        found.extend(lifo.pop_oldest().map(Item::id));
        found.extend(stolen.join().unwrap());
        assert_each_once(found, 5);
    });
}
