//! Stepping a thread of a child process from one mark to the other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::block::Block;
use super::child::Child;
use super::clock::Clock;
use super::count::{Counts, Error};
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
        if clock.answer(&child, &mut regs, counts.insns)? {
            child.set_registers(regs)?;
            continue;
        }
        let block = match known.entry(regs.rip) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Block::read(&child, regs.rip)?),
        };
        if regs.rip != block.last() {
            regs = child.run_to(block.last())?;
        }
        for (at, kind) in &block.insns {
            counts.insns += 1;
            counts.syscalls += u64::from(kind.syscall);
            if kind.rmw {
                counts.rmw += 1;
                *counts.places.entry(child.in_program(*at)).or_default() += 1;
            }
        }
        regs = match block.branch(&child, &regs)? {
            Some(next) => {
                child.set_registers(next)?;
                next
            }
            None => child.step_over(regs.rip)?,
        };
    }
    Ok(counts)
}
