//! Interrupts: two that the program asks for itself, and the board's first timer.

use core::cell::RefCell;
use core::ptr;

use cortex_m::interrupt::{InterruptNumber, Mutex, free};
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use ouzel_core::fixed::{AbortHandle, TaskSpace, task_bytes};
use ouzel_core::sync::AtomicWaker;
use portable_atomic::{AtomicU32, Ordering};

use crate::{EXECUTOR, tasks};

/// A line of the interrupt controller.
#[derive(Clone, Copy)]
pub(crate) struct Irq(u16);

// SAFETY: the numbers below are lines that the board has, one for each value.
unsafe impl InterruptNumber for Irq {
    fn number(self) -> u16 {
        self.0
    }
}

/// An interrupt that counts itself and wakes a task.
pub(crate) struct Signal {
    pub(crate) number: Irq,
    count: AtomicU32,
    pub(crate) waker: AtomicWaker,
}

/// Two lines that nothing is connected to, and the timer's.
pub(crate) static EVENT: Signal = Signal::new(24);
pub(crate) static ABORT: Abort = Abort { number: Irq(25), task: Mutex::new(RefCell::new(None)) };
pub(crate) static TIMER: Signal = Signal::new(8);

static SPAWNED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

impl Signal {
    const fn new(line: u16) -> Self {
        Signal { number: Irq(line), count: AtomicU32::new(0), waker: AtomicWaker::new() }
    }

    /// How often it has come.
    pub(crate) fn count(&self) -> u32 {
        // ORDERING: Acquire pairs with the Release in `raise`.
        self.count.load(Ordering::Acquire)
    }

    fn raise(&self) {
        // ORDERING: Release pairs with the Acquire in `count`.
        self.count.fetch_add(1, Ordering::Release);
        self.waker.wake();
    }
}

/// An interrupt that aborts a task.
pub(crate) struct Abort {
    number: Irq,
    task: Mutex<RefCell<Option<AbortHandle>>>,
}

impl Abort {
    pub(crate) fn of(&self, task: AbortHandle) {
        free(|cs| self.task.borrow(cs).replace(Some(task)));
        NVIC::pend(self.number);
    }

    fn raise(&self) {
        if let Some(task) = free(|cs| self.task.borrow(cs).take()) {
            task.abort();
        }
    }
}

pub(crate) fn enable(nvic: &mut NVIC) {
    // The timer may interrupt the other two.
    for (number, priority) in [(EVENT.number, 0x80), (ABORT.number, 0x80), (TIMER.number, 0x40)] {
        // SAFETY: no critical section here depends on priorities.
        unsafe { nvic.set_priority(number, priority) };
        // SAFETY: nothing is masked on purpose at this time.
        unsafe { NVIC::unmask(number) };
    }
}

/// The timer, running.
pub(crate) struct Storm(());

/// The first of the board's two timers: control, value, reload, interrupt.
const TIMER0: *mut u32 = ptr::without_provenance_mut(0x4000_0000);
/// Clock ticks between two interrupts, at the least: 10 us, a few hundred instructions.
const EVERY: u32 = 250;
/// The interval grows by this at each interrupt, up to as much again: so that they come at every point of the code.
const DRIFT: u32 = 37;

fn write(register: usize, value: u32) {
    let at = TIMER0.wrapping_add(register);
    // SAFETY: a register of the timer, which this module alone uses.
    unsafe { at.write_volatile(value) };
}

impl Storm {
    pub(crate) fn start() -> Self {
        write(1, EVERY);
        write(2, EVERY);
        write(0, 0b1001);
        Storm(())
    }

    /// Stops it. Returns the spawns that it made, and those that were refused.
    pub(crate) fn stop(self) -> (u32, u32) {
        write(0, 0);
        (SPAWNED.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed))
    }
}

fn on_timer() {
    static SPACE: TaskSpace<{ task_bytes(tasks::runs_once) }> = TaskSpace::new();
    write(3, 1);
    write(2, EVERY + TIMER.count().wrapping_mul(DRIFT) % EVERY);
    let tried = SPACE.spawn_detached(&EXECUTOR, tasks::runs_once());
    let count = if tried.is_ok() { &SPAWNED } else { &REFUSED };
    count.fetch_add(1, Ordering::Relaxed);
    TIMER.raise();
}

#[exception]
unsafe fn DefaultHandler(line: i16) {
    match u16::try_from(line).map(Irq) {
        Ok(Irq(n)) if n == TIMER.number.0 => on_timer(),
        Ok(Irq(n)) if n == EVENT.number.0 => EVENT.raise(),
        Ok(Irq(n)) if n == ABORT.number.0 => ABORT.raise(),
        _ => panic!("interrupt {line} that nobody asked for"),
    }
}
