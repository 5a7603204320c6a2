//! One cell of the table: a case on an engine, in a process of its own.

use crate::case::{CASES, Case, Id, bursts, echo, files, memory, mixed, remote, stuck, tasks, timers};
#[cfg(feature = "peers")]
use crate::case::{bare, rayon};
#[cfg(feature = "peers")]
use crate::engine::{Compio, Glommio, Monoio, Smol, Tokio};
use crate::engine::{Engine, Inject, Ouzel, OuzelLocal};
use crate::heap::Heap;
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
    #[cfg(feature = "peers")]
    "compio",
    #[cfg(feature = "peers")]
    "glommio",
    #[cfg(feature = "peers")]
    "rayon",
    #[cfg(feature = "peers")]
    "bare-epoll",
    #[cfg(feature = "peers")]
    "bare-uring",
    #[cfg(feature = "peers")]
    "bare-threads",
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

/// The case as a root task of `$engine`, which `$enter` runs; nothing if the engine has no way to do it. A
/// macro because roots are `Send` on some engines and not on others, and only the compiler can tell.
macro_rules! enter {
    ($engine:ty, $enter:path, $id:expr, $plan:expr) => {{
        let plan: Plan = $plan;
        let from_outside = matches!($id, Id::Inject(_) | Id::RemoteMallocs);
        if from_outside && !<<$engine as Engine>::Injector as Inject>::POSSIBLE {
            return Err(NoOutcome::CannotRun);
        }
        match $id {
            Id::SpawnJoin => $enter(plan.workers, |_| tasks::spawn_join::<$engine>(plan)),
            Id::SpawnLarge => $enter(plan.workers, |_| tasks::spawn_large::<$engine>(plan)),
            Id::SpawnDetached => $enter(plan.workers, |_| tasks::spawn_detached::<$engine>(plan)),
            Id::ChainedSpawn => $enter(plan.workers, |_| tasks::chained_spawn::<$engine>(plan)),
            Id::SelfWake => $enter(plan.workers, |_| tasks::self_wake::<$engine>(plan)),
            Id::YieldOne => $enter(plan.workers, |_| tasks::yield_one::<$engine>(plan)),
            Id::YieldMany => $enter(plan.workers, |_| tasks::yield_many::<$engine>(plan)),
            Id::PingPong => $enter(plan.workers, |_| tasks::ping_pong::<$engine>(plan)),
            Id::ForkJoin => $enter(plan.workers, |_| bursts::fork_join::<$engine>(plan)),
            Id::FanOut => $enter(plan.workers, |_| bursts::fan_out::<$engine>(plan)),
            Id::Inject(n) => $enter(plan.workers, |out| remote::inject::<$engine>(plan, out, n)),
            Id::WakeStorm => $enter(plan.workers, |_| remote::wake_storm::<$engine>(plan)),
            Id::TimersCancel => $enter(plan.workers, |_| timers::timers_cancel::<$engine>(plan)),
            Id::TimersSleeping => $enter(plan.workers, |_| timers::timers_sleeping::<$engine>(plan)),
            Id::TimerLateness => $enter(plan.workers, |_| timers::timer_lateness::<$engine>(plan)),
            Id::Echo(over, n, depth) => {
                if !<$engine as Engine>::ECHOES.contains(&over) {
                    return Err(NoOutcome::CannotRun);
                }
                $enter(plan.workers, |_| echo::echo::<$engine>(plan, over, n, depth))
            }
            Id::EchoCalls(n, depth) => {
                if !<<$engine as Engine>::Injector as Inject>::COUNTS_CALLS {
                    return Err(NoOutcome::CannotRun);
                }
                $enter(plan.workers, |out| echo::echo_calls::<$engine>(plan, out, n, depth))
            }
            Id::BehindLongPoll(ms) => $enter(plan.workers, |_| stuck::behind_long_poll::<$engine>(plan, ms)),
            Id::MixedDelay => $enter(plan.workers, |_| mixed::mixed_delay::<$engine>(plan)),
            Id::SmallFiles => $enter(plan.workers, |_| files::small_files::<$engine>(plan)),
            Id::TaskBytes16 => $enter(plan.workers, |out| memory::task_bytes::<$engine, 1>(plan, out)),
            Id::TaskBytes128 => $enter(plan.workers, |out| memory::task_bytes::<$engine, 15>(plan, out)),
            Id::TaskRss16 => $enter(plan.workers, |_| memory::task_rss::<$engine, 1>(plan)),
            Id::TaskRss128 => $enter(plan.workers, |_| memory::task_rss::<$engine, 15>(plan)),
            Id::SpawnMallocs => $enter(plan.workers, |_| memory::spawn_mallocs::<$engine>(plan)),
            Id::RemoteMallocs => $enter(plan.workers, |out| memory::remote_mallocs::<$engine>(plan, out)),
        }
    }};
}

/// Runs `case` on `engine`. Blocks until it is over; once a process, for what one run leaves behind (memory,
/// threads) is the next one's head start.
///
/// # Errors
/// See [`NoOutcome`].
///
/// # Panics
/// When the engine cannot be started, and when an echo case is not told its [`Plan::loader`].
pub fn run(engine: &str, case: &Case, plan: Plan) -> Result<Outcome, NoOutcome> {
    if case.counted && !Heap::is_counted() {
        return Err(NoOutcome::Unknown(format!("{} is a case of ouzel-cell-counted", case.name)));
    }
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
        #[cfg(feature = "peers")]
        "compio" => enter!(Compio, Compio::enter, case.id, plan),
        #[cfg(feature = "peers")]
        "glommio" => enter!(Glommio, Glommio::enter, case.id, plan),
        #[cfg(feature = "peers")]
        "rayon" => rayon::run(case.id, plan).ok_or(NoOutcome::CannotRun)?,
        #[cfg(feature = "peers")]
        "bare-epoll" => bare::run(case.id, plan, bare::by_epoll).ok_or(NoOutcome::CannotRun)?,
        #[cfg(feature = "peers")]
        "bare-uring" => bare::run(case.id, plan, bare::by_uring).ok_or(NoOutcome::CannotRun)?,
        #[cfg(feature = "peers")]
        "bare-threads" => files::by_threads(case.id, plan).ok_or(NoOutcome::CannotRun)?,
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
