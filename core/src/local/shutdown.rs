//! The end of an executor: every future dropped once, every cell handed to whoever still holds it.
//!
//! 1. Closed: spawns give the future back; the inbox refuses, and what lies in it is dropped.
//! 2. A walk over the slab: idle tasks are cancelled in place; scheduled ones are marked, their pointer is
//!    in the run queue. Destructors may wake, drop handles and try to spawn meanwhile.
//! 3. The run queue is emptied: everything in it is marked. Now all tasks have completed, and a
//!    foreign wake, whenever it comes, changes nothing but a word.
//! 4. The remote stack is closed, and what was on it looked at: after this, whoever is still about
//!    to push is refused and takes its QUEUED back.
//! 5. A second walk hands each cell that is still out to its holders: own count into the word, MERGED.
//!
//! No step waits for another thread: one stopped between its CAS and its push finds the stack closed.

use core::fmt;

use super::cell;
use super::owner::Local;
use super::{refs, run};

/// A shutdown was asked for inside a task of the same executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse;

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the executor cannot be shut down by a task that it is running")
    }
}

impl core::error::Error for InUse {}

impl Local {
    pub(super) fn shutdown(&self) -> Result<(), InUse> {
        let Some(_turn) = self.begin_turn() else { return Err(InUse) };
        if self.home.closed.replace(true) {
            return Ok(());
        }
        drop(self.shared.inbox.close());
        self.shared.table.all(|task| {
            // SAFETY: the owner's thread; the walk gives cells that are or were tasks.
            unsafe { run::cancel(&self.shared, task) };
            true
        });
        while self.run(u32::MAX) != 0 {}
        debug_assert_eq!(self.live_tasks(), 0, "a task survived the walk");

        for task in self.shared.stack.close() {
            self.look_at(task);
        }
        self.shared.table.all(|task| {
            // SAFETY: the owner's thread, the stack is closed and has been looked through.
            if unsafe { refs::hand_over(task) } {
                // SAFETY: nobody holds it.
                unsafe { cell::free(task) };
            }
            true
        });
        self.shared.foreign.close();
        Ok(())
    }
}
