//! The stack's two races: a push against the clearing of the bit, and two consumers.

use super::StackInject;
use crate::queue::testing::{Item, ids};
use crate::sync::model;
use loom::sync::Arc;
use loom::thread;
use std::vec::Vec;

fn take(inject: &StackInject<Item>, room: usize) -> Vec<u32> {
    ids(inject.pop_batch(0, room).0)
}

/// Two producers on one shard against a consumer that takes batches: the bits find every task.
#[test]
fn loom_stack_two_producers_against_batch_pop() {
    model("stack_two_producers_against_batch_pop", Some(3), || {
        let inject = Arc::new(StackInject::new(1));
        let producers = [0, 1].map(|producer| {
            let inject = Arc::clone(&inject);
            thread::spawn(move || {
                inject.push(0, Item::new(2 * producer));
                inject.push(0, Item::new(2 * producer + 1));
            })
        });
        let mut found = take(&inject, 1);
        found.extend(take(&inject, 2));
        for producer in producers {
            producer.join().unwrap();
        }
        while !inject.is_empty() {
            found.extend(take(&inject, 2));
        }
        let order = |id| found.iter().position(|&f| f == id);
        let in_order = order(0) < order(1) && order(2) < order(3);
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2, 3], "a task was lost or found twice");
        assert!(in_order, "one producer's tasks out of order");
    });
}

/// Two consumers and a producer: each task goes to one of them, or stays behind its bit.
#[test]
fn loom_stack_two_consumers() {
    model("stack_two_consumers", Some(3), || {
        let inject = Arc::new(StackInject::new(1));
        inject.push(0, Item::new(0));
        let producer = Arc::clone(&inject);
        let producer = thread::spawn(move || producer.push(0, Item::new(1)));
        let consumer = Arc::clone(&inject);
        let consumer = thread::spawn(move || take(&consumer, 1));
        let mut found = take(&inject, 1);
        producer.join().unwrap();
        found.extend(consumer.join().unwrap());
        while !inject.is_empty() {
            found.extend(take(&inject, 1));
        }
        found.sort_unstable();
        assert_eq!(found, [0, 1], "a task was lost or found twice");
    });
}
