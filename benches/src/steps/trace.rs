//! Single-stepping a thread of a child process from one mark to the other.

use std::collections::HashMap;

use super::child::Child;
use super::clock::Clock;
use super::count::{Counts, Error};
use super::decode::{Kind, LONGEST, decode};
use super::scenario::{ouzel_steps_begin, ouzel_steps_end};

/// Runs a scenario in a child and counts what its thread does between the marks.
///
/// # Errors
/// The child failed, or it may not be traced here.
pub fn count(engine: &str, scenario: &str, n: u64) -> Result<Counts, Error> {
    let mut child = Child::start(engine, scenario, n)?;
    child.seize()?;
    let clock = Clock::new(&child, child.mark)?;
    let (begin, end) = (child.there(ouzel_steps_begin), child.there(ouzel_steps_end));
    while child.step()?.rip != begin {}
    let mut known = HashMap::new();
    let mut counts = Counts::default();
    let mut regs = child.step()?;
    while regs.rip != end {
        let at = regs.rip;
        if clock.answer(&child, &mut regs, counts.insns)? {
            child.set_registers(regs)?;
            continue;
        }
        let kind = match known.get(&at) {
            Some(kind) => *kind,
            None => *known.entry(at).or_insert(kind_of(&child, at)?),
        };
        regs = child.step()?;
        if kind.repeats && regs.rip == at {
            continue;
        }
        counts.insns += 1;
        counts.syscalls += u64::from(kind.syscall);
        if kind.rmw {
            counts.rmw += 1;
            *counts.places.entry(child.in_program(at)).or_default() += 1;
        }
    }
    Ok(counts)
}

fn kind_of(child: &Child, at: u64) -> Result<Kind, Error> {
    let mut bytes = [0; LONGEST];
    // An instruction at the very end of a mapping has fewer bytes behind it.
    let n = child.read_some(at, &mut bytes)?;
    Ok(decode(&bytes[..n]).ok_or_else(|| format!("no instruction at {at:#x}: {:02x?}", &bytes[..n]))?)
}
