//! The list of cases.

use crate::place::Over;

/// Names a case in code; what each does stands in [`CASES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the list says what each is")]
pub enum Id {
    SpawnJoin,
    SpawnLarge,
    SpawnDetached,
    ChainedSpawn,
    SelfWake,
    YieldOne,
    YieldMany,
    PingPong,
    ForkJoin,
    FanOut,
    /// By so many threads.
    Inject(u64),
    WakeStorm,
    TimersCancel,
    TimersSleeping,
    TimerLateness,
    /// Behind a poll of so many milliseconds.
    BehindLongPoll(u64),
    MixedDelay,
    /// On so many connections, with so many messages unanswered on each.
    Echo(Over, u64, u64),
    /// The same over TCP.
    EchoCalls(u64, u64),
    SmallFiles,
    TaskBytes16,
    TaskBytes128,
    TaskRss16,
    TaskRss128,
    SpawnMallocs,
    RemoteMallocs,
}

/// What ours should reach, at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The engine in the same round that the goal is a multiple of; none for a figure as it is.
    pub base: Option<&'static str>,
    /// For `ouzel`.
    pub shared: Option<f64>,
    /// For `ouzel-local`.
    pub local: Option<f64>,
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// For code.
    pub id: Id,
    /// For the command line.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// What a figure is in. Lower is better in every case.
    pub unit: &'static str,
    /// Operations to measure unless told otherwise.
    pub ops: u64,
    /// What ours should reach.
    pub goal: Goal,
    /// Needs a program with a counting allocator, see [`crate::heap`].
    pub counted: bool,
}

/// A case without a goal.
const fn case(id: Id, name: &'static str, unit: &'static str, ops: u64, about: &'static str) -> Case {
    let goal = Goal { base: None, shared: None, local: None };
    Case { id, name, about, unit, ops, goal, counted: false }
}

impl Case {
    /// With goals for both flavours, as multiples of tokio's multi-thread figure.
    const fn of_mt(self, shared: f64, local: f64) -> Self {
        let goal = Goal { base: Some("tokio-mt"), shared: Some(shared), local: Some(local) };
        Case { goal, ..self }
    }

    /// With a goal for `ouzel` alone.
    const fn of_mt_shared(self, shared: f64) -> Self {
        Case { goal: Goal { base: Some("tokio-mt"), shared: Some(shared), local: None }, ..self }
    }

    /// With the same goal for both flavours, as it is.
    const fn at_most(self, limit: f64) -> Self {
        Case { goal: Goal { base: None, shared: Some(limit), local: Some(limit) }, ..self }
    }

    const fn counted(self) -> Self {
        Case { counted: true, ..self }
    }

    /// Whether it has an outside load, and so can be measured again over the same connections.
    #[must_use]
    pub const fn has_turns(&self) -> bool {
        matches!(self.id, Id::Echo(..) | Id::EchoCalls(..))
    }
}

/// Every case there is.
pub const CASES: &[Case] = &[
    case(Id::SpawnJoin, "spawn_join", "ns", 400_000, "spawn 100,000 tasks, then await each")
        .of_mt(0.10, 0.035),
    case(
        Id::SpawnLarge,
        "spawn_large",
        "ns",
        200_000,
        "spawn bursts of 1,000 tasks of 1 KiB, then await each",
    ),
    case(Id::SpawnDetached, "spawn_detached", "ns", 1_000_000, "spawn bursts of 1,000 tasks nobody joins")
        .of_mt(0.20, 0.07),
    case(Id::ChainedSpawn, "chained_spawn", "ns", 1_000_000, "each task spawns the next, chains of 1,000")
        .of_mt(0.06, 0.045),
    case(Id::SelfWake, "self_wake", "ns", 2_000_000, "1,000 tasks wake themselves and are pending"),
    case(Id::YieldOne, "yield_one", "ns", 1_000_000, "one task yields, in the engine's own way")
        .of_mt(0.04, 0.025),
    case(Id::YieldMany, "yield_many", "ns", 2_000_000, "1,000 tasks yield, in the engine's own way")
        .of_mt(0.35, 0.22),
    case(Id::PingPong, "ping_pong", "ns", 1_000_000, "two tasks wake each other in turn, there and back")
        .of_mt(0.50, 0.42),
    case(Id::ForkJoin, "fork_join", "ns", 256_000, "spawn 64 tasks of about 1 us, await them"),
    case(Id::FanOut, "fan_out", "ns", 256_000, "one task spawns 32 that each spawn 32 of about 1 us"),
    case(Id::Inject(1), "remote_inject_1", "ns", 200_000, "one outside thread spawns").of_mt_shared(0.40),
    case(Id::Inject(2), "remote_inject_2", "ns", 200_000, "two outside threads spawn").of_mt_shared(0.40),
    case(Id::Inject(4), "remote_inject_4", "ns", 200_000, "four outside threads spawn").of_mt_shared(0.40),
    case(Id::WakeStorm, "wake_storm", "ns", 500_000, "an outside thread wakes 10,000 waiting tasks")
        .of_mt(0.60, 0.70),
    Case {
        goal: Goal { base: Some("tokio-ct"), shared: Some(0.22), local: Some(0.18) },
        ..case(Id::TimersCancel, "timers_cancel", "ns", 500_000, "make a timer, poll it once, drop it")
    },
    case(Id::TimersSleeping, "timers_sleeping", "cpu ns", 100_000, "as many tasks sleep, 50 to 550 ms"),
    case(Id::TimerLateness, "timer_lateness", "us", 1_000, "median lateness of 50 sleeping tasks at a time")
        .at_most(100.0),
    case(
        Id::BehindLongPoll(2),
        "behind_long_poll",
        "us",
        200,
        "from a wake to its task, whose waker polls for 2 ms",
    ),
    case(
        Id::BehindLongPoll(40),
        "behind_40ms_poll",
        "us",
        20,
        "from a wake to its task, whose waker polls for 40 ms",
    ),
    case(
        Id::MixedDelay,
        "mixed_delay",
        "us",
        20_000,
        "p99 of a yield among 100 tasks of 1 us polls, some of 1 ms",
    ),
    case(Id::Echo(Over::Tcp, 64, 1), "echo_64x1", "cpu us", 100_000, "64 connections, one message at a time")
        .of_mt(0.90, 0.85),
    case(
        Id::Echo(Over::Tcp, 64, 16),
        "echo_64x16",
        "cpu us",
        1_000_000,
        "64 connections, 16 messages at a time",
    )
    .of_mt(0.92, 0.88),
    case(
        Id::Echo(Over::Tcp, 512, 1),
        "echo_512x1",
        "cpu us",
        100_000,
        "512 connections, one message at a time",
    )
    .of_mt(0.90, 0.86),
    case(Id::EchoCalls(64, 1), "echo_calls_64x1", "calls", 100_000, "the driver's system calls of a message")
        .at_most(0.05),
    case(Id::Echo(Over::Unix, 64, 1), "unix_echo_64x1", "cpu us", 100_000, "the same over Unix sockets"),
    case(Id::Echo(Over::Unix, 64, 16), "unix_echo_64x16", "cpu us", 1_000_000, "with 16 messages at a time"),
    case(Id::Echo(Over::Udp, 64, 1), "udp_echo_64x1", "cpu us", 100_000, "64 peers of one UDP socket"),
    case(Id::SmallFiles, "small_files", "us", 54_000, "open, read and close files of 4 KiB, 64 at once")
        .of_mt_shared(0.25),
    case(
        Id::TaskBytes16,
        "task_bytes_16",
        "B",
        1_000_000,
        "memory set aside for a parked future of 16 bytes",
    )
    .at_most(64.0)
    .counted(),
    case(
        Id::TaskBytes128,
        "task_bytes_128",
        "B",
        1_000_000,
        "memory set aside for a parked future of 128 bytes",
    )
    .at_most(192.0)
    .counted(),
    case(Id::TaskRss16, "task_rss_16", "B", 1_000_000, "resident memory for a parked future of 16 bytes"),
    case(Id::TaskRss128, "task_rss_128", "B", 1_000_000, "resident memory for a parked future of 128 bytes"),
    case(Id::SpawnMallocs, "spawn_mallocs", "mallocs", 100_000, "heap allocations of a task, steady state")
        .at_most(0.0)
        .counted(),
    case(Id::RemoteMallocs, "remote_mallocs", "mallocs", 100_000, "the same, spawned by an outside thread")
        .at_most(0.0)
        .counted(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_names_and_no_two_the_same() {
        let names: HashSet<_> = CASES.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), CASES.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
    }
}
