//! Executors and storage that are made while the program runs, and drivers that fail.

use core::convert::Infallible;

use super::*;

/// Leaked, as by a program that knows their number only then.
#[test]
fn what_is_made_at_run_time_serves_as_a_static_does() {
    // Still reachable at the end: what looks for leaks finds none.
    static KEPT: OnceLock<(&Executor, &Timers<2>, &TaskStorage<Ready<u32>>, &TaskSpace<64>)> =
        OnceLock::new();
    let executor: &'static Executor = Box::leak(Box::new(Executor::new(&Nobody)));
    let (executor, timers, storage, space) = *KEPT.get_or_init(|| {
        let timers: Box<Timers<2>> = Box::new(Timers::new(executor));
        (executor, Box::leak(timers), Box::leak(Box::default()), Box::leak(Box::default()))
    });
    let timed = timers.driver(Hand::default()).unwrap();
    let mut runner = executor.runner(timed).unwrap();
    let first = storage.spawn(executor, future::ready(1)).unwrap();
    let second = async {
        timers.sleep_until(Deadline(Nanos(7))).unwrap().await;
        2
    };
    let second = space.spawn(executor, second).unwrap();
    let sum = runner.block_on(async { first.await.unwrap() + second.await.unwrap() }).unwrap();
    assert_eq!(sum, 3);
    let slept = runner.driver().inner().now;
    assert!(slept >= Nanos(7) && slept < Nanos(10_000), "its driver slept for the one deadline: {slept:?}");
    assert!(!executor.park_word().is_parked());
}

/// Fails as it is told.
#[derive(Default)]
struct Faulty {
    poll: Option<Errno>,
    park: Option<Errno>,
}

impl Driver for Faulty {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }

    fn park(&mut self, _: Option<Deadline>) -> Result<(), Errno> {
        Err(self.park.expect("asleep for ever"))
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        self.poll.map_or(Ok(0), Err)
    }
}

fn why(end: Result<Infallible, Errno>) -> Errno {
    end.unwrap_err()
}

#[test]
fn a_driver_that_fails_ends_the_run_and_no_task_is_lost() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static STORAGE: TaskStorage<Ready<u32>> = TaskStorage::new();
    let mut runner = EXECUTOR.runner(Faulty { park: Some(Errno(4)), poll: None }).unwrap();
    let handle = STORAGE.spawn(&EXECUTOR, future::ready(1)).unwrap();
    assert_eq!(why(runner.run()), Errno(4));
    assert!(handle.is_finished(), "it was ready before there was a reason to sleep");
    assert_eq!(runner.block_on(handle).unwrap().unwrap(), 1);

    let mut handle = STORAGE.spawn(&EXECUTOR, future::ready(2)).unwrap();
    runner.driver().poll = Some(Errno(5));
    assert_eq!(why(runner.run()), Errno(5));
    assert_eq!(
        runner.block_on(&mut handle).unwrap_err(),
        Errno(5),
        "the task is queued, the driver comes first"
    );
    assert!(!handle.is_finished());
    runner.driver().poll = None;
    assert_eq!(runner.block_on(handle).unwrap().unwrap(), 2);
}

#[test]
fn a_deadline_that_is_due_keeps_the_driver_from_sleeping() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static TIMERS: Timers<2> = Timers::new(&EXECUTOR);
    let mut timed = TIMERS.driver(Hand { now: Nanos(50), polls: 0 }).unwrap();
    let sleep = TIMERS.sleep_until(Deadline(Nanos(60))).unwrap();
    // The earlier of the two, whoever asks for it.
    timed.park(Some(Deadline(Nanos(55)))).unwrap();
    assert_eq!((timed.now(), std::format!("{sleep:?}").contains("false")), (Nanos(55), true));
    timed.park(Some(Deadline(Nanos(1 << 40)))).unwrap();
    let now = timed.now();
    assert!(now >= Nanos(60) && now < Nanos(1 << 30), "{now:?}");
    assert!(std::format!("{sleep:?}").contains("true"));
    drop(sleep);
    // Due before it is looked at: a driver that slept would panic.
    let due = TIMERS.sleep_until(Deadline(now)).unwrap();
    timed.park(None).unwrap();
    assert!(std::format!("{due:?}").contains("true"));
    assert_eq!(timed.now(), now);
}
