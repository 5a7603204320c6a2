//! What the types print: enough to tell them apart in a log, and nothing that would have to be dereferenced.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;
use std::sync::Arc;

use crate::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use crate::error::{JoinError, Payload};
use crate::fixed::{Busy, Executor, TaskSpace, TaskStorage, Timers};
use crate::local::LocalExecutor;
use crate::op::{Flavour, OpSlab};
use crate::park::ParkWord;
use crate::queue::{Chain, Inject, Lifo, Owner, Ring, StackInject};
use crate::sched::{Seat, Shared, Worker};
use crate::slab::{Pages, SharedSlab};
use crate::task::testing::Rig;
use crate::testing::Bed;

/// A driver without a clock or a sleep, for what never runs.
struct NoDriver;

impl Driver for NoDriver {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }

    fn park(&mut self, _: Option<Deadline>) -> Result<(), Errno> {
        panic!("it would sleep for ever")
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

/// Nobody sleeps.
struct Nobody;

impl Unpark for Nobody {
    fn unpark(&self) {}
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
}

#[track_caller]
fn assert_shows(value: &impl Debug, parts: &[&str]) {
    let text = shown(value);
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn errors_say_what_happened() {
    assert_eq!(shown(&Errno(11)), "Errno(11)");
    assert_eq!(format!("{}", Errno(11)), "os error 11");
    assert_eq!(format!("{}", JoinError::Cancelled), "the task was cancelled");
    let panicked = JoinError::Panic(Payload::new(std::boxed::Box::new("boo")));
    assert!(panicked.is_panic() && !panicked.is_cancelled());
    assert_eq!(shown(&Payload::new(std::boxed::Box::new(1))), "Payload", "what is in it may be anything");
    assert_eq!(format!("{panicked}"), "the task panicked");
    assert_shows(&panicked, &["Panic"]);
    assert_eq!(*panicked.into_panic().downcast::<&str>().unwrap(), "boo");
}

#[test]
#[should_panic(expected = "cancelled")]
fn a_cancelled_task_has_no_panic_to_give() {
    drop(JoinError::Cancelled.into_panic());
}

#[test]
fn queues_say_how_much_is_in_them() {
    let lifo = Lifo::<u32, 4>::default();
    assert_eq!(lifo.push(1), None);
    assert_shows(&lifo, &["Lifo", "len: 1"]);
    let ring = Ring::<crate::queue::testing::Item>::default();
    // SAFETY: the ring outlives its only owner.
    let owner = unsafe { Owner::new(&ring) };
    owner.push(crate::queue::testing::Item::new(7)).unwrap();
    assert_shows(&ring, &["Ring", "1"]);
    assert_shows(&owner, &["Owner", "1"]);
    assert_eq!(owner.pop().map(crate::queue::testing::Item::id), Some(7));
    assert_shows(&Chain::<crate::queue::testing::Item>::new(), &["Chain"]);
    assert_shows(&Inject::<crate::queue::testing::Item>::new(2), &["Inject"]);
    assert_shows(&StackInject::<crate::queue::testing::Item>::new(2), &["StackInject", "shards: 2"]);
}

#[test]
fn tasks_and_slabs_say_whose_they_are() {
    let rig = Rig::new();
    let (task, handle) = rig.spawn(core::future::ready(5));
    assert_shows(&handle, &["JoinHandle"]);
    assert_shows(&handle.id(), &["TaskId"]);
    assert_shows(&handle.abort_handle(), &["AbortHandle"]);
    assert_shows(&task, &["Notified"]);
    assert_shows(&rig.slab, &["Slab", "out: 1"]);
    assert_shows(&*rig.owned, &["OwnedTasks", "closed: false"]);
    assert_shows(&SharedSlab::new(), &["SharedSlab"]);
    rig.queue.run(task);
    drop(handle);
    rig.assert_empty();
}

#[test]
fn runtimes_say_how_large_they_are() {
    let bed = Arc::new(Bed::default());
    let seat = Seat { park: Arc::new(ParkWord::default()), unpark: Arc::clone(&bed) as _ };
    assert_shows(&seat, &["Seat", "park"]);
    let shared = Shared::new([seat], None, Pages::HEAP);
    assert_shows(&*shared, &["Shared", "workers: 1"]);
    assert_shows(&Worker::new(Arc::clone(&shared), 0, NoDriver), &["Worker", "index: 0"]);
    let ex = LocalExecutor::new(NoDriver, Arc::new(ParkWord::new()), Arc::clone(&bed) as _);
    let handle = ex.spawn(core::future::pending::<()>());
    assert_shows(&ex, &["LocalExecutor", "live: 1"]);
    assert_shows(&ex.spawner(), &["LocalSpawner"]);
    assert_shows(&handle, &["LocalJoinHandle"]);
    let sent = ex.spawner().spawn_send(core::future::ready(5)).ok().unwrap();
    assert_shows(&sent, &["SendJoinHandle", "finished: false"]);
    assert_eq!(ex.run_nowait(10).unwrap().completed, 1);
    assert_shows(&sent, &["SendJoinHandle", "finished: true"]);
    assert_eq!(shown(&ex.block_on(async { ex.shutdown() })), "Err(InUse)");
    assert!(format!("{}", crate::local::InUse).contains("a task that it is running"));
}

#[test]
fn operations_say_how_many_are_under_way_and_why_one_is_not() {
    let ops = OpSlab::new(Arc::new(ParkWord::new()), Arc::new(Bed::default()), Flavour::Local);
    assert_shows(&ops, &["OpSlab", "live: 0"]);
    ops.cancel_all(|key| panic!("nothing was submitted, yet {key:?} is to be cancelled"));
    let refused = ops.submit(7_u8, |_, _| panic!("refused before it is built")).unwrap_err();
    assert_eq!(refused.payload, 7, "it comes back");
    assert_shows(&refused, &["Rejected", "reason: Closing"]);
}

#[test]
fn what_lies_in_statics_says_what_it_is() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static STORAGE: TaskStorage<core::future::Ready<u8>> = TaskStorage::new();
    static SPACE: TaskSpace<32> = TaskSpace::new();
    static TIMERS: Timers<3> = Timers::new(&EXECUTOR);
    assert_shows(&EXECUTOR, &["Executor", "ready", "park"]);
    assert_shows(&SPACE, &["TaskSpace", "Place", "Header", "state"]);
    assert_shows(&TIMERS, &["Timers", "slots: 3"]);
    assert_shows(&Busy(NoDriver), &["Busy"]);
    let free = shown(&STORAGE);
    let handle = STORAGE.spawn(&EXECUTOR, core::future::ready(1)).unwrap();
    assert_ne!(shown(&STORAGE), free, "a task in it is seen");
    let mut runner = EXECUTOR.runner(TIMERS.driver(NoDriver).unwrap()).unwrap();
    assert_shows(&runner, &["Runner", "queue"]);
    assert_eq!(runner.block_on(handle).unwrap().unwrap(), 1);
    let sleep = TIMERS.sleep_until(Deadline(Nanos(9))).unwrap();
    assert_shows(&sleep, &["Sleep", "fired: false"]);
    assert_shows(runner.driver(), &["Timed", "timers: 0"]);
    assert_eq!(runner.driver().poll(), Ok(0));
    assert_shows(runner.driver(), &["Timed", "timers: 1"]);
}

#[test]
fn the_clock_saturates() {
    use core::time::Duration;
    assert_eq!(Nanos(5) + Duration::from_nanos(2), Nanos(7));
    assert_eq!(Nanos::MAX + Duration::MAX, Nanos::MAX);
    assert_eq!(Nanos(7).since(Nanos(5)), Duration::from_nanos(2));
    assert_eq!(Nanos(5).since(Nanos(7)), Duration::ZERO);
}
