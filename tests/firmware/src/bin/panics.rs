//! A task panics: without `std` that is the end of the program.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use ouzel_core::fixed::{Executor, TaskSpace};
use ouzel_firmware::driver::{Interrupts, Tick};
use ouzel_firmware::host;

static EXECUTOR: Executor = Executor::new(&Interrupts);
static TASK: TaskSpace<16> = TaskSpace::new();

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("taken once");
    let mut runner = EXECUTOR.runner(Tick::start(&mut core.SYST, 1_000, &EXECUTOR)).expect("the only one");
    let handle = TASK.spawn(&EXECUTOR, async { panic!("on purpose") }).expect("free");
    let _ = runner.block_on(handle);
    host::print(format_args!("went on after a panic"));
    host::exit(true);
}
