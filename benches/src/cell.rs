//! One cell of the table: a case on an engine, in a process of its own.

use crate::case::{CASES, Case, Id, tasks, timers};
#[cfg(feature = "peers")]
use crate::engine::{Monoio, Smol, Tokio};
use crate::engine::{Ouzel, OuzelLocal};
use crate::measure::{Outcome, Plan};

/// The engines this build has, in the order of the table.
pub const ENGINES: &[&str] = &[
    "ouzel",
    "ouzel-local",
    #[cfg(feature = "peers")]
    "tokio-mt",
    #[cfg(feature = "peers")]
    "tokio-ct",
    #[cfg(feature = "peers")]
    "smol",
    #[cfg(feature = "peers")]
    "monoio",
];

/// Why there is no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoOutcome {
    /// There is no such engine or case in this build.
    Unknown(String),
    /// The engine has no way to do what the case asks.
    CannotRun,
    /// It ran and did not do what it was asked.
    Wrong(String),
}

impl std::fmt::Display for NoOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoOutcome::Unknown(what) | NoOutcome::Wrong(what) => f.write_str(what),
            NoOutcome::CannotRun => f.write_str("this engine cannot run this case"),
        }
    }
}

impl std::error::Error for NoOutcome {}

/// The case called `name`.
///
/// # Errors
/// There is none.
pub fn find_case(name: &str) -> Result<&'static Case, NoOutcome> {
    CASES.iter().find(|c| c.name == name).ok_or_else(|| {
        let names: Vec<_> = CASES.iter().map(|c| c.name).collect();
        NoOutcome::Unknown(format!("no case {name:?}; there are {}", names.join(", ")))
    })
}

/// The case as a root task of `$engine`, which `$enter` runs. A macro because roots are `Send` on some
/// engines and not on others, and only the compiler can tell.
macro_rules! enter {
    ($engine:ty, $enter:path, $id:expr, $plan:expr) => {{
        let plan: Plan = $plan;
        match $id {
            Id::SpawnJoin => $enter(plan.workers, tasks::spawn_join::<$engine>(plan)),
            Id::SpawnDetached => $enter(plan.workers, tasks::spawn_detached::<$engine>(plan)),
            Id::ChainedSpawn => $enter(plan.workers, tasks::chained_spawn::<$engine>(plan)),
            Id::SelfWake => $enter(plan.workers, tasks::self_wake::<$engine>(plan)),
            Id::YieldOne => $enter(plan.workers, tasks::yield_one::<$engine>(plan)),
            Id::YieldMany => $enter(plan.workers, tasks::yield_many::<$engine>(plan)),
            Id::PingPong => $enter(plan.workers, tasks::ping_pong::<$engine>(plan)),
            Id::TimersCancel => $enter(plan.workers, timers::timers_cancel::<$engine>(plan)),
        }
    }};
}

/// Runs `case` on `engine`. Blocks until it is over; once a process, for what one run leaves behind (memory,
/// threads) is the next one's head start.
///
/// # Errors
/// See [`NoOutcome`].
pub fn run(engine: &str, case: &Case, plan: Plan) -> Result<Outcome, NoOutcome> {
    let outcome = match engine {
        "ouzel" => enter!(Ouzel, Ouzel::enter, case.id, plan),
        "ouzel-local" => enter!(OuzelLocal, OuzelLocal::enter, case.id, plan),
        #[cfg(feature = "peers")]
        "tokio-mt" => enter!(Tokio, Tokio::enter_mt, case.id, plan),
        #[cfg(feature = "peers")]
        "tokio-ct" => enter!(Tokio, Tokio::enter_ct, case.id, plan),
        #[cfg(feature = "peers")]
        "smol" => enter!(Smol, Smol::enter, case.id, plan),
        #[cfg(feature = "peers")]
        "monoio" => enter!(Monoio, Monoio::enter, case.id, plan),
        other => {
            return Err(NoOutcome::Unknown(format!("no engine {other:?}; there are {}", ENGINES.join(", "))));
        }
    };
    if outcome.done != plan.ops {
        let what = format!("{} operations were asked for and {} were done", plan.ops, outcome.done);
        return Err(NoOutcome::Wrong(what));
    }
    Ok(outcome)
}
