//! What is counted, and the marks around it. Each scenario is a task that does `n` operations to warm up and `n`
//! between the marks; all of it happens on one thread.

use std::cell::Cell;
use std::future::poll_fn;
use std::hint::black_box;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

#[cfg(feature = "peers")]
use crate::engine::Tokio;
use crate::engine::{Engine, Ouzel, OuzelLocal};
use crate::work::yield_now;

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// For the command line.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// At most so many read-modify-writes per operation on `ouzel`. (On `ouzel-local`: none.)
    pub goal: f64,
}

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "spawn_join", about: "spawn a task, await its handle", goal: 7.0 },
    Scenario { name: "spawn_detached", about: "spawn a task without a handle, yield once", goal: 2.0 },
    Scenario { name: "self_wake", about: "a task wakes itself and is polled again", goal: 2.0 },
    Scenario { name: "wake_by_value", about: "clone the waker, pending, woken by value, polled", goal: 4.0 },
];

/// The engines of this build.
pub const ENGINES: &[&str] = &[
    "ouzel",
    "ouzel-local",
    #[cfg(feature = "peers")]
    "tokio-mt",
    #[cfg(feature = "peers")]
    "tokio-ct",
];

macro_rules! enter {
    ($engine:ty, $enter:path, $name:expr, $n:expr) => {
        match $name {
            "spawn_join" => $enter(1, |_| spawn_join::<$engine>($n)),
            "spawn_detached" => $enter(1, |_| spawn_detached::<$engine>($n)),
            "self_wake" => $enter(1, |_| self_wake($n)),
            "wake_by_value" => $enter(1, |_| wake_by_value::<$engine>($n)),
            other => return Err(format!("no scenario {other:?}")),
        }
    };
}

/// Runs `n` operations to warm up and `n` more between the marks; one worker, where an engine has workers.
///
/// # Errors
/// There is no such engine or scenario.
///
/// # Panics
/// If the parent has gone.
pub fn run(engine: &str, scenario: &str, n: u64) -> Result<(), String> {
    match engine {
        "ouzel" => enter!(Ouzel, Ouzel::enter, scenario, n),
        "ouzel-local" => enter!(OuzelLocal, OuzelLocal::enter, scenario, n),
        #[cfg(feature = "peers")]
        "tokio-mt" => enter!(Tokio, Tokio::enter_mt, scenario, n),
        #[cfg(feature = "peers")]
        "tokio-ct" => enter!(Tokio, Tokio::enter_ct, scenario, n),
        other => return Err(format!("no engine {other:?}")),
    }
    Ok(())
}

/// Counts operations: `n` to warm up, `n` between the marks.
struct Marks {
    n: u64,
    done: u64,
}

impl Marks {
    fn new(n: u64) -> Self {
        Marks { n, done: 0 }
    }

    /// False: that was the last operation.
    #[inline]
    fn next(&mut self) -> bool {
        if self.done == self.n {
            begin();
        } else if self.done == 2 * self.n {
            ouzel_steps_end(2);
            return false;
        }
        self.done += 1;
        true
    }
}

/// Says which thread is about to do the counted work and what the time is, waits for the parent, and sets the mark.
#[cold]
fn begin() {
    let thread = rustix::thread::gettid().as_raw_nonzero();
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    println!("{thread} {} {}", now.tv_sec, now.tv_nsec);
    std::io::stdin().read_exact(&mut [0]).expect("the parent has gone");
    ouzel_steps_begin(1);
}

/// The mark before the first operation.
#[inline(never)]
pub extern "C" fn ouzel_steps_begin(mark: u32) {
    black_box(mark);
}

/// The mark behind the last. Not the same code as the other, or the two could become one function.
#[inline(never)]
pub extern "C" fn ouzel_steps_end(mark: u32) {
    black_box(mark + 1);
}

async fn spawn_join<E: Engine>(n: u64) {
    let mut marks = Marks::new(n);
    while marks.next() {
        let i = marks.done;
        E::spawn(async move { i }).await;
    }
}

async fn spawn_detached<E: Engine>(n: u64) {
    let mut marks = Marks::new(n);
    while marks.next() {
        E::spawn_detached(async {});
        yield_now().await;
    }
}

async fn self_wake(n: u64) {
    let mut marks = Marks::new(n);
    while marks.next() {
        yield_now().await;
    }
}

/// Two tasks that wake each other; each poll of either is one operation.
async fn wake_by_value<E: Engine>(n: u64) {
    static OVER: AtomicBool = AtomicBool::new(false);
    let other = E::spawn(poll_fn(|cx| {
        // ORDERING: Relaxed: both tasks run on one thread.
        hand_over(1, OVER.load(Ordering::Relaxed), cx)
    }));
    let mut marks = Marks::new(n / 2);
    poll_fn(|cx| hand_over(0, !marks.next(), cx)).await;
    // ORDERING: Relaxed, as above.
    OVER.store(true, Ordering::Relaxed);
    wake(1);
    other.await;
}

thread_local! {
    static WAITING: [Cell<Option<Waker>>; 2] = const { [Cell::new(None), Cell::new(None)] };
}

/// Task `mine` wakes the other one by value, and waits for the same unless it is `over`.
fn hand_over(mine: usize, over: bool, cx: &Context<'_>) -> Poll<()> {
    if !over {
        WAITING.with(|w| w[mine].set(Some(cx.waker().clone())));
    }
    wake(1 - mine);
    if over { Poll::Ready(()) } else { Poll::Pending }
}

fn wake(which: usize) {
    if let Some(waker) = WAITING.with(|w| w[which].take()) {
        waker.wake();
    }
}
