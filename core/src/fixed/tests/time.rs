//! Deadlines, by a clock that moves when somebody sleeps.

use super::*;

fn at(ms: u64) -> Deadline {
    Deadline(Nanos(0) + Duration::from_millis(ms))
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines_and_not_early() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static TIMERS: Timers<3> = Timers::new(&EXECUTOR);
    static SPACES: [TaskSpace<64>; 3] = [const { TaskSpace::new() }; 3];
    static ORDER: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let mut runner = EXECUTOR.runner(TIMERS.driver(Hand::default()).unwrap()).unwrap();
    for (space, ms) in SPACES.iter().zip([30, 10, 20]) {
        space
            .spawn_detached(&EXECUTOR, async move {
                TIMERS.sleep_until(at(ms)).unwrap().await;
                ORDER.lock().unwrap().push(ms);
            })
            .unwrap();
    }
    for (i, ms) in [10, 20, 30].into_iter().enumerate() {
        while ORDER.lock().unwrap().len() <= i {
            runner.run_once(None).unwrap();
        }
        let now = runner.driver().now();
        assert!(now >= at(ms).0 && now < at(ms + 1).0, "{now:?} for {ms} ms");
    }
    assert_eq!(*ORDER.lock().unwrap(), [10, 20, 30]);
}

#[test]
fn slots_run_out_and_come_back() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static TIMERS: Timers<2> = Timers::new(&EXECUTOR);
    let mut runner = EXECUTOR.runner(TIMERS.driver(Hand::default()).unwrap()).unwrap();
    assert!(TIMERS.driver(Hand::default()).is_none(), "a second wheel for the same nodes");
    let (long, short) = (TIMERS.sleep_until(at(1000)).unwrap(), TIMERS.sleep_until(at(5)).unwrap());
    assert!(TIMERS.sleep_until(at(1)).is_none());
    runner.block_on(short).unwrap();
    // A sleep that has ended gives its slot back by itself, a dropped one when the driver has looked.
    let again = TIMERS.sleep_until(at(6)).unwrap();
    drop(long);
    assert!(TIMERS.sleep_until(at(7)).is_none());
    settle(&mut runner);
    let third = TIMERS.sleep_until(at(7)).unwrap();
    runner.block_on(third).unwrap();
    runner.block_on(again).unwrap();
    let now = runner.driver().now();
    assert!(now < at(8).0, "the dropped deadline was waited for: {now:?}");
}

#[test]
fn a_dropped_sleep_lets_go_of_its_task() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static TIMERS: Timers<1> = Timers::new(&EXECUTOR);
    static SPACE: TaskSpace<64> = TaskSpace::new();
    let mut runner = EXECUTOR.runner(TIMERS.driver(Hand::default()).unwrap()).unwrap();
    for _ in 0..3 {
        let task = async { TIMERS.sleep_until(at(1000)).unwrap().await };
        let handle = SPACE.spawn(&EXECUTOR, task).expect("no waker of the last one is left");
        settle_without_time(&mut runner);
        handle.abort();
        assert!(runner.block_on(handle).unwrap().unwrap_err().is_cancelled());
        settle_without_time(&mut runner);
    }
    assert!(runner.driver().now() < at(1000).0);
}

/// As `settle`, which stops at the first turn without a poll: the token keeps the clock where it is.
fn settle_without_time<D: Driver>(runner: &mut Runner<D>) {
    settle(runner);
    settle(runner);
}

#[test]
fn a_deadline_that_has_passed_ends_at_once() {
    static EXECUTOR: Executor = Executor::new(&Nobody);
    static TIMERS: Timers<1> = Timers::new(&EXECUTOR);
    let hand = Hand { now: at(50).0, polls: 0 };
    let mut runner = EXECUTOR.runner(TIMERS.driver(hand).unwrap()).unwrap();
    for _ in 0..5 {
        runner.block_on(TIMERS.sleep_until(at(10)).unwrap()).unwrap();
    }
    assert_eq!(runner.driver().now(), at(50).0);
}
