use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::Waker;
use std::sync::Mutex;
use std::task::Wake;

use super::*;
use crate::config::ALARM_CHUNK_NODES;
use crate::sync::{AtomicUsize, Ordering};
use crate::testing::Bed;

/// How often it was woken, and in what order with others.
struct Counted {
    name: usize,
    woken: AtomicUsize,
    log: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
        self.log.lock().unwrap().push(self.name);
    }
}

struct Rig {
    alarms: Alarms,
    park: Arc<ParkWord>,
    log: Arc<Mutex<Vec<usize>>>,
}

impl Rig {
    fn new() -> Self {
        let park = Arc::new(ParkWord::new());
        let alarms = Alarms::new(Nanos(0), Arc::clone(&park), Arc::new(Bed::default()));
        Rig { alarms, park, log: Arc::default() }
    }

    fn counted(&self, name: usize) -> Arc<Counted> {
        Arc::new(Counted { name, woken: AtomicUsize::new(0), log: Arc::clone(&self.log) })
    }

    fn set(&self, at: u64, waker: &Arc<Counted>) -> Alarm {
        self.alarms.set(Deadline(Nanos(at)), Waker::from(Arc::clone(waker))).unwrap()
    }

    fn expire(&self, now: u64) -> Vec<usize> {
        let n = self.alarms.expire(Nanos(now));
        let log = core::mem::take(&mut *self.log.lock().unwrap());
        assert_eq!(log.len(), n);
        log
    }
}

const MS: u64 = 1_000_000;

#[test]
fn before_the_first_alarm_nothing_is_due_and_the_first_may_come_late() {
    let rig = Rig::new();
    assert!(rig.alarms.is_idle() && rig.alarms.is_empty());
    assert_eq!((rig.alarms.next_deadline(), rig.expire(u64::MAX / 2)), (None, Vec::new()));
    rig.alarms.take_back();
    rig.alarms.end_all();
    let waker = rig.counted(1);
    let _alarm = rig.set(3_600_000 * MS, &waker);
    assert!(rig.expire(3_600_000 * MS - 1).is_empty());
    assert_eq!(rig.expire(3_600_000 * MS + MS), [1]);
}

#[test]
fn alarms_ring_in_order_and_never_early() {
    let rig = Rig::new();
    let wakers: Vec<_> = (0..3).map(|i| rig.counted(i)).collect();
    let alarms: Vec<_> = [30, 10, 20].iter().zip(&wakers).map(|(ms, w)| rig.set(ms * MS, w)).collect();
    assert_eq!(rig.alarms.len(), 3);
    assert!(rig.alarms.next_deadline().unwrap().0.0 >= 10 * MS);
    assert_eq!(rig.expire(10 * MS - 1), [0; 0]);
    assert_eq!(rig.expire(21 * MS), [1, 2]);
    assert_eq!(rig.expire(100 * MS), [0]);
    for alarm in alarms {
        assert_eq!(rig.alarms.state(&alarm, Waker::noop()), AlarmState::Rung);
        assert!(rig.alarms.end(alarm).is_none(), "the waker was taken");
    }
    assert!(wakers.iter().all(|w| Arc::strong_count(w) == 1));
}

#[test]
fn an_ended_alarm_gives_its_waker_back_and_its_node_to_the_next() {
    let rig = Rig::new();
    let (a, b) = (rig.counted(0), rig.counted(1));
    let alarm = rig.set(5 * MS, &a);
    let waker = Waker::from(Arc::clone(&a));
    assert_eq!(rig.alarms.state(&alarm, &waker), AlarmState::Set);
    assert_eq!(rig.alarms.state(&alarm, &Waker::from(Arc::clone(&b))), AlarmState::OtherWaker);
    let node = core::ptr::from_ref(alarm.node());
    assert!(rig.alarms.end(alarm).is_some_and(|w| w.will_wake(&waker)));
    assert!(rig.alarms.is_empty());
    let next = rig.set(7 * MS, &b);
    assert_eq!(core::ptr::from_ref(next.node()), node);
    assert_eq!(rig.expire(6 * MS), [0; 0], "the first one's deadline");
    assert_eq!(rig.expire(8 * MS), [1]);
    drop(rig.alarms.end(next));
}

#[test]
fn one_dropped_elsewhere_is_ended_at_the_next_turn_and_the_owner_woken_for_it() {
    let rig = Rig::new();
    let waker = rig.counted(0);
    let alarm = rig.set(5 * MS, &waker);
    std::thread::spawn(move || drop(alarm)).join().unwrap();
    assert!(rig.park.has_token());
    assert_eq!((rig.alarms.len(), Arc::strong_count(&waker)), (1, 2));
    rig.alarms.take_back();
    assert_eq!((rig.alarms.len(), Arc::strong_count(&waker)), (0, 1));
    assert_eq!(rig.expire(9 * MS), [0; 0]);
}

#[test]
fn one_that_rings_on_its_way_back_is_ended_all_the_same() {
    let rig = Rig::new();
    let waker = rig.counted(0);
    drop(rig.set(5 * MS, &waker));
    assert_eq!(rig.expire(9 * MS), [0]);
    rig.alarms.take_back();
    assert_eq!(Arc::strong_count(&waker), 1);
    assert_eq!(rig.alarms.own().out(), 0);
}

#[test]
fn all_are_woken_at_the_end_and_none_can_be_set_after_it() {
    let rig = Rig::new();
    let waker = rig.counted(0);
    let alarms: Vec<_> = (0..2 * ALARM_CHUNK_NODES as u64 + 1).map(|i| rig.set(i * MS, &waker)).collect();
    rig.alarms.end_all();
    assert_eq!(waker.woken.load(Ordering::Relaxed), alarms.len());
    assert!(rig.alarms.is_empty());
    let again = rig.set(MS, &waker);
    rig.alarms.close();
    let refused = rig.alarms.set(Deadline(Nanos(MS)), Waker::from(Arc::clone(&waker)));
    assert!(refused.is_err_and(|e| e.closed));
    drop((alarms, again));
    rig.alarms.take_back();
    assert_eq!(Arc::strong_count(&waker), 1);
}

#[test]
fn alarms_outlive_their_owner() {
    let rig = Rig::new();
    let waker = rig.counted(0);
    let (a, b) = (rig.set(MS, &waker), rig.set(MS, &waker));
    drop(a);
    drop(rig.alarms);
    assert_eq!(Arc::strong_count(&rig.park), 2, "the memory is there while an alarm is");
    std::thread::spawn(move || drop(b)).join().unwrap();
    assert_eq!(Arc::strong_count(&rig.park), 1);
    assert_eq!(Arc::strong_count(&waker), 1);
}

std::thread_local! {
    static HERE: RefCell<Option<(Rig, Vec<Alarm>)>> = const { RefCell::new(None) };
}

/// Ends the last alarm of `HERE` and sets another.
struct Busy;

impl Wake for Busy {
    fn wake(self: Arc<Self>) {
        HERE.with_borrow_mut(|here| {
            let (rig, alarms) = here.as_mut().unwrap();
            drop(rig.alarms.end(alarms.pop().unwrap()));
            alarms.insert(0, rig.set(50 * MS, &rig.counted(7)));
        });
    }
}

#[test]
fn a_waker_may_set_and_end_alarms_while_they_expire() {
    let rig = Rig::new();
    let set = |at| rig.alarms.set(Deadline(Nanos(at)), Waker::from(Arc::new(Busy))).unwrap();
    let alarms: Vec<_> = (0..4).map(|i| set(i * MS)).collect();
    // As `expire`, which cannot be called here while the waker borrows: a waker at a time.
    HERE.set(Some((rig, alarms)));
    let mut woken = 0;
    while let Some(waker) =
        HERE.with_borrow(|here| here.as_ref().unwrap().0.alarms.own().pop_expired(Nanos(9 * MS)))
    {
        waker.wake();
        woken += 1;
    }
    // The first ended the fourth, the second the third.
    assert_eq!(woken, 2);
    let (rig, alarms) = HERE.take().unwrap();
    assert_eq!((rig.alarms.len(), alarms.len()), (2, 4));
    assert_eq!(rig.expire(60 * MS), [7, 7]);
}
