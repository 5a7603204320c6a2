//! Children that nobody waits for any more. Their end is taken note of, or they would be zombies.

use std::process::Child;
use std::sync::{Mutex, PoisonError};

use crate::signal;

static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Takes note of `child`'s end when it comes.
pub(super) fn adopt(child: Child) {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    // If that fails, it is done with the next child that is begun or dropped.
    let _ = signal::call_at(libc::SIGCHLD, reap);
    // It may have ended before anybody listened.
    reap();
}

/// Takes note of those that have ended.
pub(super) fn reap() {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    // One that the system does not know (an error) is nobody's child any more.
    orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}
