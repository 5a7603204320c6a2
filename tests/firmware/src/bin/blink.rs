//! A first program: two tasks in static storage, one woken by time, the other by the first.

#![no_std]
#![no_main]

use core::time::Duration;

use cortex_m_rt::entry;
use ouzel_core::driver::Deadline;
use ouzel_core::driver::{Driver, Nanos};
use ouzel_core::fixed::{Executor, TaskSpace, Timers, task_bytes};
use ouzel_firmware::driver::{Interrupts, Tick};
use ouzel_firmware::host;

static EXECUTOR: Executor = Executor::new(&Interrupts);
static TIMERS: Timers<4> = Timers::new(&EXECUTOR);
static BLINK: TaskSpace<{ task_bytes(blink) }> = TaskSpace::new();
static ADD: TaskSpace<{ task_bytes(add) }> = TaskSpace::new();

async fn add(a: u32, b: u32) -> u32 {
    a + b
}

async fn blink(start: Nanos, times: u32) -> u32 {
    let mut sum = 0;
    for i in 1..=times {
        let next = Deadline(start + Duration::from_millis(10) * i);
        TIMERS.sleep_until(next).expect("four at a time").await;
        sum =
            ADD.spawn(&EXECUTOR, add(sum, i)).expect("free: it was joined").await.expect("nobody aborts it");
        host::print(format_args!("blink {i}, sum {sum}"));
    }
    sum
}

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("taken once");
    let mut driver = TIMERS.driver(Tick::start(&mut core.SYST, 1_000, &EXECUTOR)).expect("taken once");
    let now = driver.now();
    let mut runner = EXECUTOR.runner(driver).expect("the only one");
    let handle = BLINK.spawn(&EXECUTOR, blink(now, 3)).expect("free");
    let sum = runner.block_on(handle);
    host::exit(matches!(sum, Ok(Ok(6))));
}
