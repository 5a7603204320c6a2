//! A worker without others: its queue grows, and nothing of it goes by way of the injection queue.

use std::sync::Arc;
use std::vec::Vec;

use super::end::Guard;
use super::rig::{Clock, Rig, block_on, yield_now};
use crate::config::LIFO_SLOTS;
use crate::sync::{Lock, Ordering::Relaxed, Unwatched, explore};

/// More than there is room for at first.
const CHILDREN: usize = if cfg!(ouzel_shuttle) { 14 } else { 2_000 };

#[test]
fn whole_a_lone_worker_runs_a_burst_in_order() {
    explore("a_lone_worker_runs_a_burst_in_order", || {
        let rig = Rig::start(1, Clock::Stands);
        let (shared, order) = (Arc::clone(rig.shared()), Arc::new(Lock::new(Vec::new())));
        let ran = Arc::clone(&order);
        let parent = rig.shared().spawn(async move {
            let child = |i| {
                let ran = Arc::clone(&ran);
                shared.spawn(async move {
                    ran.lock().push(i);
                    yield_now().await;
                    ran.lock().push(CHILDREN + i);
                })
            };
            let children: Vec<_> = (0..CHILDREN).map(|i| child(i).ok().unwrap()).collect();
            for child in children {
                child.await.unwrap();
            }
        });
        block_on(parent.ok().unwrap()).unwrap();
        let metrics = rig.stop();
        assert_eq!(metrics.injected, 1, "the parent alone");
        assert_eq!(metrics.completed, CHILDREN as u64 + 1);
        let order = core::mem::take(&mut *order.lock());
        assert_eq!(order.len(), 2 * CHILDREN, "each ran twice");
        for round in 0..2 {
            // The newest few are in the LIFO slots.
            let queued = round * CHILDREN..(round + 1) * CHILDREN - LIFO_SLOTS;
            let ran: Vec<usize> = order.iter().copied().filter(|i| queued.contains(i)).collect();
            assert!(ran.iter().copied().eq(queued), "round {round}: {ran:?}");
        }
    });
}

#[test]
fn whole_a_lone_worker_leaves_nothing_behind() {
    explore("a_lone_worker_leaves_nothing_behind", || {
        let rig = Rig::start(1, Clock::Stands);
        let (shared, drops) = (Arc::clone(rig.shared()), Arc::new(Unwatched::new(0)));
        let dropped = Arc::clone(&drops);
        let parent = rig.shared().spawn(async move {
            for _ in 0..CHILDREN {
                let guard = Guard::new(&dropped);
                let child = async move {
                    yield_now().await;
                    drop(guard);
                };
                shared.spawn_detached(child).ok().unwrap();
            }
            shared.close();
        });
        block_on(parent.ok().unwrap()).unwrap();
        rig.stop();
        assert_eq!(drops.load(Relaxed), CHILDREN, "each once");
    });
}
