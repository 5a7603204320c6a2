//! The list of cases.

/// Names a case in code; what each does stands in [`CASES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the list says what each is")]
pub enum Id {
    SpawnJoin,
    SpawnDetached,
    ChainedSpawn,
    SelfWake,
    YieldOne,
    YieldMany,
    PingPong,
    TimersCancel,
}

/// What ours should reach: at most so many times the figure of `base` in the same round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The engine the ratio is to.
    pub base: &'static str,
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
}

const fn to(base: &'static str, shared: f64, local: f64) -> Goal {
    Goal { base, shared: Some(shared), local: Some(local) }
}

/// Every case there is.
pub const CASES: &[Case] = &[
    Case {
        id: Id::SpawnJoin,
        name: "spawn_join",
        about: "spawn 100,000 tasks, then await each",
        unit: "ns",
        ops: 400_000,
        goal: to("tokio-mt", 0.10, 0.035),
    },
    Case {
        id: Id::SpawnDetached,
        name: "spawn_detached",
        about: "spawn bursts of 1,000 tasks nobody joins",
        unit: "ns",
        ops: 1_000_000,
        goal: to("tokio-mt", 0.20, 0.07),
    },
    Case {
        id: Id::ChainedSpawn,
        name: "chained_spawn",
        about: "each task spawns the next, chains of 1,000",
        unit: "ns",
        ops: 1_000_000,
        goal: to("tokio-mt", 0.06, 0.045),
    },
    Case {
        id: Id::SelfWake,
        name: "self_wake",
        about: "1,000 tasks wake themselves and are pending",
        unit: "ns",
        ops: 2_000_000,
        goal: Goal { base: "tokio-mt", shared: None, local: None },
    },
    Case {
        id: Id::YieldOne,
        name: "yield_one",
        about: "one task yields, in the engine's own way",
        unit: "ns",
        ops: 1_000_000,
        goal: to("tokio-mt", 0.04, 0.025),
    },
    Case {
        id: Id::YieldMany,
        name: "yield_many",
        about: "1,000 tasks yield, in the engine's own way",
        unit: "ns",
        ops: 2_000_000,
        goal: to("tokio-mt", 0.35, 0.22),
    },
    Case {
        id: Id::PingPong,
        name: "ping_pong",
        about: "two tasks wake each other in turn; there and back is one operation",
        unit: "ns",
        ops: 1_000_000,
        goal: to("tokio-mt", 0.50, 0.42),
    },
    Case {
        id: Id::TimersCancel,
        name: "timers_cancel",
        about: "make a timer, poll it once, drop it",
        unit: "ns",
        ops: 1_000_000,
        goal: to("tokio-ct", 0.22, 0.18),
    },
];
