//! The owner is the model's first thread; alarms are dropped on others.

use alloc::sync::Arc;
use core::task::Waker;
use std::task::Wake;

use loom::sync::Notify;
use loom::thread;

use super::*;
use crate::sync::model;

struct Bell(Notify);

impl Unpark for Bell {
    fn unpark(&self) {
        self.0.notify();
    }
}

/// Counted by those who keep it.
struct Kept;

impl Wake for Kept {
    fn wake(self: Arc<Self>) {}
}

struct Owner {
    alarms: Alarms,
    park: Arc<ParkWord>,
    bell: Arc<Bell>,
}

const LATER: Deadline = Deadline(Nanos(1 << 40));
const DUE: Deadline = Deadline(Nanos(0));

impl Owner {
    fn new() -> Self {
        let (park, bell) = (Arc::new(ParkWord::new()), Arc::new(Bell(Notify::new())));
        let unpark = Arc::clone(&bell) as Arc<dyn Unpark>;
        Owner { alarms: Alarms::new(Nanos(0), Arc::clone(&park), unpark), park, bell }
    }

    fn set(&self, at: Deadline) -> (Alarm, Arc<Kept>) {
        let kept = Arc::new(Kept);
        (self.alarms.set(at, Waker::from(Arc::clone(&kept))).unwrap(), kept)
    }

    /// A worker's sleep: only an unpark ends it.
    fn sleep(&self) {
        if self.park.begin() {
            self.bell.0.wait();
        }
        self.park.end();
    }
}

/// Drops `alarm` on another thread.
fn drop_elsewhere(alarm: Alarm) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        // The last that this thread does with the node, beside pushing it.
        alarm.node().link.with(|_| ());
        drop(alarm);
    })
}

#[test]
fn loom_alarm_dropped_elsewhere_frees_its_waker_and_wakes_the_owner() {
    model("loom_alarm_dropped_elsewhere_frees_its_waker_and_wakes_the_owner", Some(3), || {
        let owner = Owner::new();
        let ((a, a_kept), (b, b_kept)) = (owner.set(LATER), owner.set(LATER));
        let dropping = [a, b].map(drop_elsewhere);
        loop {
            owner.alarms.take_back();
            if owner.alarms.is_empty() {
                break;
            }
            owner.sleep();
        }
        assert_eq!((Arc::strong_count(&a_kept), Arc::strong_count(&b_kept)), (1, 1), "a waker was kept");
        // The same nodes: whoever still touched them would be seen.
        for alarm in [owner.set(LATER).0, owner.set(LATER).0] {
            drop(owner.alarms.end(alarm));
        }
        for thread in dropping {
            thread.join().unwrap();
        }
    });
}

#[test]
fn loom_alarm_rings_while_it_is_dropped() {
    model("loom_alarm_rings_while_it_is_dropped", Some(3), || {
        let owner = Owner::new();
        let ((a, a_kept), (b, b_kept)) = (owner.set(DUE), owner.set(DUE));
        let dropping = [a, b].map(drop_elsewhere);
        owner.alarms.take_back();
        owner.alarms.expire(Nanos(1));
        owner.alarms.take_back();
        // On the same nodes, if they have come back.
        let again = [owner.set(LATER).0, owner.set(LATER).0];
        owner.alarms.take_back();
        assert_eq!(owner.alarms.len(), 2, "a new alarm went with an old one");
        for thread in dropping {
            thread.join().unwrap();
        }
        owner.alarms.take_back();
        assert_eq!(owner.alarms.len(), 2, "a new alarm went with an old one");
        assert_eq!((Arc::strong_count(&a_kept), Arc::strong_count(&b_kept)), (1, 1), "a waker was kept");
        for alarm in again {
            drop(owner.alarms.end(alarm));
        }
    });
}

#[test]
fn loom_alarm_two_are_dropped_while_their_owner_ends() {
    model("loom_alarm_two_are_dropped_while_their_owner_ends", Some(3), || {
        let owner = Owner::new();
        let alarms = [owner.set(LATER).0, owner.set(LATER).0];
        let dropping = alarms.map(drop_elsewhere);
        let Owner { alarms, bell, park } = owner;
        drop(alarms);
        for thread in dropping {
            thread.join().unwrap();
        }
        assert_eq!(Arc::strong_count(&bell), 1, "the memory was lost");
        assert_eq!(Arc::strong_count(&park), 1);
    });
}
