//! Inside core, imports go down: `sched, local -> owned, slab, queue -> task -> sync, config`, and past the
//! slabs `fixed -> queue -> task`.

use super::circles::{Crate, Edge};
use super::findings::Findings;
use super::tree::Tree;

/// A module of core, and those it may never import.
const NEVER: &[(&str, &[&str])] = &[
    ("task", &["queue", "owned", "sched", "local", "runnable", "fixed"]),
    ("queue", &["task", "slab", "owned", "sched", "local", "op", "timer", "runnable", "fixed"]),
    ("slab", &["queue", "owned", "sched", "local", "op", "timer"]),
    ("owned", &["sched", "local", "fixed"]),
    ("runnable", &["slab", "owned", "sched", "local", "op", "timer", "fixed"]),
    ("fixed", &["slab", "owned", "sched", "local", "op"]),
    ("context", &["slab", "queue", "owned", "sched", "local", "op", "timer"]),
    ("op", &["owned", "sched", "local"]),
    ("timer", &["task", "slab", "queue", "owned", "sched", "local", "fixed"]),
    ("alarm", &["task", "slab", "owned", "sched", "local", "op", "fixed"]),
    ("waiting", &["task", "slab", "queue", "owned", "sched", "local", "op", "timer", "alarm", "fixed"]),
    ("anchor", &["task", "slab", "queue", "owned", "sched", "local", "op", "timer"]),
    ("presence", &["task", "slab", "queue", "owned", "sched", "local", "op", "timer"]),
    ("driver", &["task", "slab", "queue", "owned", "sched", "local", "op", "timer", "park"]),
    ("park", &["task", "slab", "queue", "owned", "sched", "local", "op", "timer"]),
    ("sync", &["task", "slab", "queue", "owned", "sched", "local", "op", "timer", "park", "context"]),
    ("config", &["task", "slab", "queue", "owned", "sched", "local", "op", "timer", "park", "context"]),
];

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let core = Crate::of(tree, "core/src/");
    for Edge { from, to, path, line } in &core.edges {
        let (Some(from), Some(to)) = (from.first(), to.first()) else { continue };
        let barred = NEVER.iter().any(|(m, never)| m == from && never.contains(&to.as_str()));
        if barred {
            found.violations.push(format!("{path}:{line}: `{from}` imports `{to}`"));
        }
    }
    found.summary = format!("{} imports", core.edges.len());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_task_that_knows_its_scheduler() {
        let plant = [
            ("core/src/lib.rs", "pub mod task; pub mod sched; pub mod sync;"),
            ("core/src/task/mod.rs", "mod state; use crate::sync::Lock;"),
            ("core/src/task/state.rs", "use crate::{sync, sched::worker::Worker};"),
            ("core/src/sched/mod.rs", "pub mod worker;"),
            ("core/src/sched/worker.rs", "use crate::task::Header; pub struct Worker;"),
            ("core/src/sync.rs", "pub struct Lock;"),
        ];
        let found = check(&Tree::of(&plant));
        assert_eq!(found.violations, ["core/src/task/state.rs:1: `task` imports `sched`"]);
    }
}
