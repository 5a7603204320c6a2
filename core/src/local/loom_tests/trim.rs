//! Memory given back while a weak id of what was in it is used.

use std::sync::Arc;

use loom::thread;

use super::executor::executor;
use crate::sync::model;

/// Another thread wakes by ids whose tasks are over, while their chunk is given back and used again. What it queues
/// must be there when the stack is looked at.
#[test]
fn loom_local_weak_wake_against_trim() {
    model("local_weak_wake_against_trim", Some(3), || {
        let (ex, park) = executor();
        // Three chunks of two cells each. One stays as the reserve.
        let tasks: [_; 6] = core::array::from_fn(|_| ex.spawn(async {}));
        let ids = [tasks[0].id().unwrap(), tasks[3].id().unwrap()];
        let spawner = ex.spawner();
        let other = thread::spawn(move || {
            for id in ids {
                spawner.wake(id);
            }
        });
        ex.run_nowait(8).unwrap();
        drop(tasks);
        ex.trim();
        let again: [_; 6] = core::array::from_fn(|_| ex.spawn(async {}));
        ex.run_nowait(8).unwrap();
        assert!(again.iter().all(|task| task.is_finished()));
        drop(again);
        other.join().unwrap();
        drop(ex);
        assert_eq!(Arc::strong_count(&park), 1, "a cell leaked");
    });
}
