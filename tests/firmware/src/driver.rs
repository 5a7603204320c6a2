//! Time from the SysTick interrupt, sleep by `wfi`.

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::{asm, interrupt};
use cortex_m_rt::exception;
use ouzel_core::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use ouzel_core::fixed::Executor;
use portable_atomic::{AtomicU32, Ordering};

/// The board's clock.
const HZ: u32 = 25_000_000;

/// Interrupts of the timer so far; wraps.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// Every wake comes from the runner itself, which is awake then, or from an interrupt, which ends a `wfi` by itself.
#[derive(Debug)]
pub struct Interrupts;

impl Unpark for Interrupts {
    fn unpark(&self) {}
}

/// The driver: counts ticks of SysTick.
#[derive(Debug)]
pub struct Tick {
    executor: &'static Executor,
    nanos_per_tick: u32,
    /// `TICKS` when `now` was called last, and with it the ticks since the beginning.
    seen: u32,
    ticks: u64,
}

impl Tick {
    /// Starts the timer with `per_second` ticks, for the runner of `executor`.
    pub fn start(syst: &mut SYST, per_second: u32, executor: &'static Executor) -> Self {
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(HZ / per_second - 1);
        syst.clear_current();
        syst.enable_counter();
        syst.enable_interrupt();
        Tick { executor, nanos_per_tick: 1_000_000_000 / per_second, seen: 0, ticks: 0 }
    }
}

impl Driver for Tick {
    fn now(&mut self) -> Nanos {
        // ORDERING: Relaxed: a number by itself.
        let now = TICKS.load(Ordering::Relaxed);
        self.ticks += u64::from(now.wrapping_sub(self.seen));
        self.seen = now;
        Nanos(self.ticks * u64::from(self.nanos_per_tick))
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        loop {
            // With interrupts masked: one that comes between the look and `wfi` stays pending and ends it.
            let slept = interrupt::free(|_| {
                let wait = deadline.is_none_or(|Deadline(end)| self.now() < end);
                let wait = wait && self.executor.park_word().is_parked();
                if wait {
                    asm::wfi();
                }
                wait
            });
            if !slept {
                return Ok(());
            }
        }
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

#[exception]
fn SysTick() {
    TICKS.fetch_add(1, Ordering::Relaxed);
}
