//! The end of a runtime against what still comes in.

use alloc::sync::Arc;

use loom::thread;

use crate::slab::SharedSlab;
use crate::sync::model;
use crate::task::testing::{Drops, Rig, cell_of, until, waker_of};
use crate::task::{Schedule, cancel, spawn_detached_in};

#[test]
fn loom_shutdown_against_foreign_spawn() {
    model("loom_shutdown_against_foreign_spawn", None, || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let shared = Arc::new(SharedSlab::new());
        // The chunk is there already: no lock orders the spawn.
        shared.with(|| rig.meta(), |slab| assert!(slab.is_some()));
        let (mine, owned, queue) = (Arc::clone(&shared), Arc::clone(&rig.owned), Arc::clone(&rig.queue));
        let (meta, token) = (rig.meta(), drops.token());
        let spawning = thread::spawn(move || {
            let spawned = mine.with(
                || meta,
                |slab| spawn_detached_in::<false, _>(slab.unwrap(), &mut Some(until(token, |_| false))),
            );
            let task = spawned.unwrap();
            if owned.closed_after_publish() {
                cancel(task);
            } else {
                queue.schedule(task);
            }
        });
        rig.owned.close();
        rig.queue.drain(&rig.owned);
        spawning.join().unwrap();
        assert_eq!(drops.count(), 1, "a task survived the shutdown");
        rig.assert_empty();
        shared.close();
    });
}

#[test]
fn loom_late_wake_against_shutdown() {
    model("loom_late_wake_against_shutdown", None, || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, cell) = cell_of(rig.detached(until(drops.token(), |_| false)));
        let waker = waker_of(cell);
        rig.queue.run(task);
        let waking = thread::spawn(move || waker.wake());
        rig.owned.close();
        rig.queue.drain(&rig.owned);
        assert_eq!(drops.count(), 1, "the walk and the queue both missed a task");
        waking.join().unwrap();
        assert_eq!(drops.count(), 1);
        rig.assert_empty();
    });
}
