//! The clock of a stepped thread: a call of the vDSO's `clock_gettime` is answered by the stepper.

use super::child::Child;
use super::count::Error;
use nix::libc::user_regs_struct;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use object::{Object, ObjectSymbol};

/// See the module.
pub(super) struct Clock {
    /// Where the function begins in the child. None: the kernel gives it no such page, and the clock is the real one.
    entry: Option<u64>,
    start: [TimeSpec; CLOCKS],
}

/// The clocks that are answered, by their numbers: realtime, monotonic and the five that follow.
const CLOCKS: usize = 8;
/// Instructions that take a nanosecond.
const PER_NS: u64 = 4;

impl Clock {
    /// `mark`: the monotonic time at which the child came to the mark. It goes on from there, whatever has passed.
    pub(super) fn new(child: &Child, mark: TimeSpec) -> Result<Self, Error> {
        let mut start = [mark; CLOCKS];
        let late = clock_gettime(ClockId::CLOCK_MONOTONIC)? - mark;
        for (id, start) in (0..).zip(&mut start) {
            if let Ok(now) = clock_gettime(ClockId::from_raw(id)) {
                *start = now - late;
            }
        }
        let entry = match child.mapping("[vdso]")? {
            None => None,
            Some((from, to)) => {
                let mut image = vec![0; (to - from) as usize];
                child.read(from, &mut image)?;
                let file = object::File::parse(&*image).map_err(|e| format!("the vDSO: {e}"))?;
                let mut symbols = file.dynamic_symbols();
                symbols.find(|s| s.name() == Ok("__vdso_clock_gettime")).map(|s| from + s.address())
            }
        };
        Ok(Clock { entry, start })
    }

    /// If the child stands at the function's first instruction, does what it would do, and returns. True: it did.
    pub(super) fn answer(
        &self,
        child: &Child,
        regs: &mut user_regs_struct,
        insns: u64,
    ) -> Result<bool, Error> {
        let Some(start) = self.start.get(regs.rdi as usize) else { return Ok(false) };
        if Some(regs.rip) != self.entry {
            return Ok(false);
        }
        let ns = start.tv_nsec() as u64 + insns / PER_NS;
        let mut now = [0; 16];
        now[..8].copy_from_slice(&(start.tv_sec() as u64 + ns / 1_000_000_000).to_ne_bytes());
        now[8..].copy_from_slice(&(ns % 1_000_000_000).to_ne_bytes());
        child.write(regs.rsi, &now)?;
        let mut back = [0; 8];
        child.read(regs.rsp, &mut back)?;
        regs.rip = u64::from_ne_bytes(back);
        regs.rsp += 8;
        regs.rax = 0;
        Ok(true)
    }
}
