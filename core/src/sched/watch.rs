//! The watch over tasks that cannot be stolen.
//!
//! What is hidden in the LIFO slots and the batch cannot be stolen, so a poll that does not
//! end would strand it. While some worker is awake, one sleeper sleeps with a timeout (1 ms,
//! doubling to 16) and looks: an awake worker that has begun no poll between two looks is *raided*
//! (`biased`), its hidden tasks go to its ring, and from there to the watcher. A worker that hides its first task
//! while nobody watches wakes one. With all asleep nobody watches: an idle runtime stays idle. No wake-up
//! depends on this; it bounds how long a bad neighbour can hold tasks.

use core::time::Duration;

use crate::config::MAX_WORKERS;
use crate::sched::entry::Core;
use crate::sched::shared::{Shared, count};
use crate::sync::Ordering;

/// How long a watcher sleeps at first, and at most.
const WATCH: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

/// What a watcher remembers from one look to the next.
pub(super) struct Watch {
    polls: [u64; MAX_WORKERS],
    pub(super) sleep: Duration,
}

impl Watch {
    pub(super) fn new() -> Self {
        Watch { polls: [0; MAX_WORKERS], sleep: WATCH.0 }
    }

    /// Whether to watch the others in the sleep that begins now: some are awake and nobody else watches.
    pub(super) fn begin(&mut self, shared: &Shared, me: usize) -> bool {
        if shared.sleep.all_asleep_but(me) || !shared.become_watcher() {
            return false;
        }
        for (polls, remote) in self.polls.iter_mut().zip(&shared.remotes) {
            // ORDERING: Relaxed, a hint; a raid excludes the owner by itself.
            *polls = remote.counts.polls.load(Ordering::Relaxed);
        }
        true
    }

    /// After the sleep: if it lasted, raids whoever is awake and has stood still meanwhile.
    pub(super) fn end(&mut self, shared: &Shared, core: &Core, lasted: bool) {
        shared.stop_watching();
        if !lasted {
            return;
        }
        self.sleep = (self.sleep * 2).min(WATCH.1);
        for (i, (polls, remote)) in self.polls.iter().zip(&shared.remotes).enumerate() {
            // ORDERING: Relaxed, a hint, see `begin`.
            let still = remote.counts.polls.load(Ordering::Relaxed) == *polls;
            if i == core.index || !still || shared.sleep.is_asleep(i) {
                continue;
            }
            if let Some((1.., chain)) = remote.private.raid(|p| (p.hidden(), p.expose())) {
                shared.inject.push_chain(core.index, chain);
                count(&core.remote().counts.raids, 1);
                self.sleep = WATCH.0;
            }
        }
    }
}
