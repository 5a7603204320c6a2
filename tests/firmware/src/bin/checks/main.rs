//! The executor for static tasks on a Cortex-M: spawns, joins, wakes from interrupts, timers, aborts, all counted.
//!
//! Prints what it counted and ends with success if every count is what it must be.

#![no_std]
#![no_main]

mod interrupts;
mod tasks;

use core::mem::size_of_val;
use core::time::Duration;

use cortex_m_rt::entry;
use ouzel_core::driver::{Deadline, Driver};
use ouzel_core::fixed::{Executor, Runner, TaskSpace, Timed, Timers, task_bytes};
use ouzel_firmware::driver::{Interrupts, Tick};
use ouzel_firmware::host;
use portable_atomic::Ordering;

use interrupts::{ABORT, EVENT, Storm};
use tasks::{DROPS, LOG, Token};

static EXECUTOR: Executor = Executor::new(&Interrupts);
static TIMERS: Timers<4> = Timers::new(&EXECUTOR);

type Own = Runner<Timed<Tick>>;

/// Polls that each yielding task takes.
const YIELDS: u32 = 100;
/// Interrupts of the storm.
const STORM: u32 = 20_000;

/// Prints a count and says whether it is right.
fn count(what: &str, is: u32, wanted: u32) -> bool {
    let ok = is == wanted;
    host::print(format_args!("{what:<32} {is:>6}{}", if ok { "" } else { "  WRONG" }));
    if !ok {
        host::print(format_args!("{:<32} {wanted:>6}", "  wanted"));
    }
    ok
}

/// Polls until nothing is ready.
fn settle(runner: &mut Own) -> u32 {
    let mut polls = 0;
    loop {
        EXECUTOR.unpark();
        match runner.run_once(None) {
            Ok(0) => return polls,
            Ok(n) => polls += n as u32,
            Err(e) => panic!("{e}"),
        }
    }
}

fn joins(runner: &mut Own) -> bool {
    static ADD: TaskSpace<{ task_bytes(tasks::add) }> = TaskSpace::new();
    let (mut joined, mut busy, mut sum) = (0, 0, 0);
    for i in 0..1000 {
        let handle = ADD.spawn(&EXECUTOR, tasks::add(sum, i)).expect("free");
        busy += u32::from(ADD.spawn(&EXECUTOR, tasks::add(0, 0)).is_err());
        if let Ok(Ok(output)) = runner.block_on(handle) {
            sum = output;
            joined += 1;
        }
    }
    count("joined", joined, 1000) & count("refused, storage in use", busy, 1000) & count("sum", sum, 499_500)
}

fn yields(runner: &mut Own) -> bool {
    static SPACES: [TaskSpace<{ task_bytes(tasks::yields) }>; 8] = [const { TaskSpace::new() }; 8];
    for space in &SPACES {
        space.spawn_detached(&EXECUTOR, tasks::yields(YIELDS - 1)).expect("free");
    }
    count("polls of tasks that yield", settle(runner), 8 * YIELDS)
}

/// The interrupt comes in the middle of the poll that asks for it.
fn wakes_inside_a_poll(runner: &mut Own) -> bool {
    static SPACE: TaskSpace<{ task_bytes(tasks::pends_and_waits) }> = TaskSpace::new();
    let before = EVENT.count();
    let handle = SPACE.spawn(&EXECUTOR, tasks::pends_and_waits(1000)).expect("free");
    let seen = runner.block_on(handle).ok().and_then(Result::ok).unwrap_or(0);
    count("wakes in the poll itself", seen, 1000) & count("interrupts for it", EVENT.count() - before, 1000)
}

/// A timer interrupts wherever the executor happens to be: it wakes a task, and spawns another.
fn storm(runner: &mut Own) -> bool {
    static SPACE: TaskSpace<{ task_bytes(tasks::counts_interrupts) }> = TaskSpace::new();
    static NOISE: TaskSpace<{ task_bytes(tasks::yields) }> = TaskSpace::new();
    let handle = SPACE.spawn(&EXECUTOR, tasks::counts_interrupts(STORM)).expect("free");
    let noise = NOISE.spawn(&EXECUTOR, tasks::yields(u32::MAX)).expect("free");
    let storm = Storm::start();
    let seen = runner.block_on(handle).ok().and_then(Result::ok).unwrap_or(0);
    noise.abort();
    // And asleep: only interrupts wake it now.
    let handle = SPACE.spawn(&EXECUTOR, tasks::counts_interrupts(seen + STORM)).expect("free");
    let asleep = runner.block_on(handle).ok().and_then(Result::ok).unwrap_or(0);
    let (spawned, refused) = storm.stop();
    settle(runner);
    let ran = tasks::RAN.load(Ordering::Relaxed);
    host::print(format_args!("{:<32} {asleep:>6}", "interrupts counted by a task"));
    host::print(format_args!("{:<32} {refused:>6}", "spawns in them that were refused"));
    let tries = spawned + refused;
    count("tasks spawned in interrupts ran", ran, spawned)
        & (spawned > 0 && seen >= STORM && asleep >= seen + STORM && tries >= asleep)
        & (noise.is_finished())
}

fn timers(runner: &mut Own) -> bool {
    static SPACES: [TaskSpace<{ task_bytes(tasks::sleeps) }>; 3] = [const { TaskSpace::new() }; 3];
    let start = runner.driver().now();
    let handles: [_; 3] = core::array::from_fn(|i| {
        let ms = [30, 10, 20][i];
        let until = Deadline(start + Duration::from_millis(ms));
        SPACES[i].spawn(&EXECUTOR, tasks::sleeps(until, ms as u32)).expect("free")
    });
    for handle in handles {
        if !matches!(runner.block_on(handle), Ok(Ok(()))) {
            return false;
        }
    }
    let took = runner.driver().now().since(start);
    let order = LOG.take();
    host::print(format_args!("{:<32} {order:?} after {took:?}", "sleeps of 30, 10, 20 ms ended"));
    order == [10, 20, 30] && took >= Duration::from_millis(30)
}

fn aborts(runner: &mut Own) -> bool {
    static SPACE: TaskSpace<{ task_bytes(tasks::sleeps_for_ever) }> = TaskSpace::new();
    let (mut cancelled, before) = (0, DROPS.load(Ordering::Relaxed));
    for i in 0..100 {
        let handle = SPACE.spawn(&EXECUTOR, tasks::sleeps_for_ever(Token)).expect("free");
        // Before its first poll, when it is asleep, and when it is asleep, in an interrupt.
        if i % 3 != 0 {
            settle(runner);
        }
        if i % 3 == 2 {
            ABORT.of(handle.abort_handle());
        } else {
            handle.abort();
        }
        cancelled += u32::from(matches!(runner.block_on(handle), Ok(Err(e)) if e.is_cancelled()));
        settle(runner);
    }
    let dropped = DROPS.load(Ordering::Relaxed) - before;
    count("aborted tasks joined", cancelled, 100) & count("their futures dropped", dropped, 100)
}

fn handles(runner: &mut Own) -> bool {
    static SPACE: TaskSpace<{ task_bytes(tasks::gives_back) }> = TaskSpace::new();
    let before = DROPS.load(Ordering::Relaxed);
    drop(SPACE.spawn(&EXECUTOR, tasks::gives_back(Token)).expect("free"));
    settle(runner);
    let handle = SPACE.spawn(&EXECUTOR, tasks::gives_back(Token)).expect("free");
    settle(runner);
    drop(handle);
    let dropped = DROPS.load(Ordering::Relaxed) - before;

    // A waker keeps the storage after the task's end, and wakes nobody.
    static KEPT: TaskSpace<{ task_bytes(tasks::lends_its_waker) }> = TaskSpace::new();
    let handle = KEPT.spawn(&EXECUTOR, tasks::lends_its_waker()).expect("free");
    let Ok(Ok(waker)) = runner.block_on(handle) else { return false };
    waker.wake_by_ref();
    let woken = settle(runner);
    let refused = KEPT.spawn(&EXECUTOR, tasks::lends_its_waker()).is_err();
    drop(waker);
    let free = KEPT.spawn_detached(&EXECUTOR, tasks::lends_its_waker()).is_ok();
    settle(runner);
    count("outputs dropped with handles", dropped, 2)
        & count("polls after completion", woken, 0)
        & count("refused while a waker is left", u32::from(refused), 1)
        & count("free when it has gone", u32::from(free), 1)
}

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("taken once");
    interrupts::enable(&mut core.NVIC);
    let driver = TIMERS.driver(Tick::start(&mut core.SYST, 1_000, &EXECUTOR)).expect("taken once");
    let mut runner = EXECUTOR.runner(driver).expect("the only one");
    let scenes: [fn(&mut Own) -> bool; 7] =
        [joins, yields, wakes_inside_a_poll, storm, timers, aborts, handles];
    let mut good = 0;
    for scene in scenes {
        good += u32::from(scene(&mut runner));
    }
    host::print(format_args!(
        "bytes: executor {}, task {} + its future, timer {}, runner with wheel {}",
        size_of_val(&EXECUTOR),
        size_of::<TaskSpace<0>>(),
        (size_of::<Timers<9>>() - size_of::<Timers<1>>()) / 8,
        size_of_val(&runner),
    ));
    host::exit(count("scenes", good, scenes.len() as u32));
}
