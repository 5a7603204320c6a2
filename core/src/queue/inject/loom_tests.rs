//! The injection queue with two shards and batches of two.

use super::Inject;
use crate::queue::testing::{Item, ids};
use crate::sync::model;
use loom::sync::Arc;
use loom::thread;

/// Two producers on one shard (and one of them on a second) against a worker that takes batches.
#[test]
fn loom_inject_two_producers_against_batch_pop() {
    model("inject_two_producers_against_batch_pop", Some(3), || {
        let inject = Arc::new(Inject::new(2));
        let producers = [0, 1].map(|producer| {
            let inject = Arc::clone(&inject);
            thread::spawn(move || {
                inject.push(0, Item::new(2 * producer));
                inject.push(producer as usize, Item::new(2 * producer + 1));
            })
        });
        let mut found = ids(inject.pop_batch(1, 2));
        found.extend(inject.pop(0).map(Item::id));
        for producer in producers {
            producer.join().unwrap();
        }
        // The bits are all that tells now: a task behind a bit that is off would never be found.
        while !inject.is_empty() {
            found.extend(ids(inject.pop_batch(0, 2)));
        }
        let order = |id| found.iter().position(|&f| f == id);
        let in_order = order(0) < order(1);
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2, 3], "a task was lost or found twice");
        assert!(in_order, "one producer, one shard, and out of order");
    });
}
