//! ouzel: a low-overhead async runtime any host can link.
//!
//! | what | where |
//! |---|---|
//! | [`Runtime`] | worker threads that share their tasks |
//! | [`LocalRuntime`] | everything on one thread, also inside a loop of the host's own |
//! | [`net`], [`fs`], [`time`] | sockets and files with owned buffers, timers |
//! | [`process`] | child processes |
//! | [`signal`] | signals of the operating system |
//! | [`sync`] | a semaphore and a bounded channel |
//! | [`spawn_blocking`], [`blocking_scope`] | work that blocks, on a pool that grows only when it is stuck |
//! | [`stream`] | many things under way, their results in order |
//! | [`op`], [`buf`] | what the above is built on |
//!
//! The drivers are io_uring, epoll and the portable `polling`; see [`Driver`]. How buffers are owned, what
//! cancellation means and how a driver is chosen: `docs/io.md`.
//!
//! ```
//! use ouzel::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! let runtime = ouzel::Runtime::builder().worker_threads(2).build()?;
//! runtime.block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     let server = ouzel::spawn(async move {
//!         let (stream, _) = listener.accept().await?;
//!         let (n, buf) = stream.read(Vec::with_capacity(64)).await;
//!         n?;
//!         stream.write_all(buf).await.0
//!     });
//!     let client = TcpStream::connect(address).await?;
//!     client.write_all("hello").await.0?;
//!     let (n, buf) = client.read(Vec::with_capacity(64)).await;
//!     assert_eq!((n?, buf.as_slice()), (5, &b"hello"[..]));
//!     server.await.unwrap()
//! })
//! # }
//! ```

#[cfg(unix)]
mod addr;
mod blocking;
pub mod buf;
mod builder;
#[cfg(all(unix, any(feature = "futures-io", feature = "hyper", feature = "tokio-io")))]
pub mod compat;
mod current;
mod driver;
#[cfg(unix)]
mod fd;
#[cfg(unix)]
pub mod fs;
mod join;
mod local_runtime;
mod metrics;
#[cfg(unix)]
pub mod net;
#[cfg_attr(not(unix), allow(dead_code, reason = "sockets and files use it, which are not there"))]
pub mod op;
#[cfg_attr(not(unix), allow(dead_code, reason = "sockets and files use it, which are not there"))]
mod platform;
#[cfg(unix)]
pub mod process;
mod provided;
#[cfg_attr(not(unix), allow(dead_code, reason = "sockets and files use it, which are not there"))]
mod reactor;
mod runtime;
mod shared;
#[cfg(unix)]
pub mod signal;
mod start;
pub mod stream;
pub mod sync;
mod task;
pub mod time;

use std::future::Future;

pub use blocking::{BlockingConfig, BlockingHandle, BlockingMetrics, BlockingScope, StartThread};
pub use builder::Builder;
pub use driver::{Driver, UnknownDriver};
pub use join::JoinHandle;
pub use local_runtime::{EnterGuard, LocalHandle, LocalRuntime, Tick};
pub use metrics::{IoCounters, Metrics};
pub use ouzel_core::error::JoinError;
pub use ouzel_core::local::LocalJoinHandle;
pub use ouzel_core::task::{TaskId, TaskState, WakeResult};
pub use ouzel_core::{anchor, presence};
pub use platform::Origin;
pub use runtime::{Handle, Runtime};
pub use shared::ShutdownError;
pub use task::{YieldNow, task_id, task_is_aborted, yield_now};
pub use time::{sleep, timeout};

use current::{Flavour, Place};
use ouzel_core::local::Local;
use ouzel_core::task::Given;
use shared::Inner;

const NO_RUNTIME: &str = "no ouzel runtime on this thread: call this inside a task or a block_on";

/// Spawns `future` on the current [`Runtime`].
///
/// Allocates nothing in steady state, for futures up to 2000 bytes. Dropping the handle detaches the task.
/// When the runtime is closing, `future` is dropped and the handle says cancelled.
///
/// # Panics
/// Outside a `Runtime`; on a [`LocalRuntime`] use [`spawn_local`].
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut future = Given::new(future);
    // SAFETY: the future is there.
    let spawn = |inner: &Inner| unsafe { inner.spawn_here(&mut future) };
    // SAFETY: the short way queues the future and calls none of the user's code.
    let here = unsafe { current::on_shared(spawn) };
    match here {
        Some(handle) => handle,
        None => spawn_further(future),
    }
}

// By value, here and below: a future whose address nobody is given can stay in registers until it is in its task.
#[cold]
#[inline(never)]
fn spawn_further<F>(mut future: Given<F>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // SAFETY: the short way has not taken it, and its holder gives it up.
    let mut future = Some(unsafe { future.take() });
    current::with(|current| match current.map(|c| &c.runtime) {
        Some(Flavour::Shared(inner)) => inner.spawn(&mut future),
        Some(Flavour::Local(_)) => {
            panic!("the runtime of this thread is a LocalRuntime: use spawn_local")
        }
        None => panic!("{NO_RUNTIME}"),
    })
}

/// Spawns `future` on the current runtime, of either kind, for its effects alone: cheaper than a handle that is
/// dropped.
///
/// # Panics
/// Outside a runtime.
pub fn spawn_detached<F>(future: F)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut future = Given::new(future);
    let spawn = |place: Place<'_>| match place {
        // SAFETY: the future is there.
        Place::Local(local) => unsafe { local.spawn_detached_listed(&mut future) },
        // SAFETY: as above.
        Place::Shared(inner) => unsafe { inner.spawn_detached_here(&mut future) },
    };
    // SAFETY: the short way queues the future and calls none of the user's code.
    let here = unsafe { current::on_either(spawn) };
    if here.is_none() {
        spawn_detached_further(future);
    }
}

#[cold]
#[inline(never)]
fn spawn_detached_further<F>(mut future: Given<F>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // SAFETY: the short way has not taken it, and its holder gives it up.
    let mut future = Some(unsafe { future.take() });
    current::with(|current| match current.map(|c| &c.runtime) {
        Some(Flavour::Shared(inner)) => inner.spawn_detached(&mut future),
        Some(Flavour::Local(local)) => local.spawn_detached(&mut future),
        None => panic!("{NO_RUNTIME}"),
    });
}

/// Spawns `future` on the current [`LocalRuntime`].
///
/// No locked instruction, and no allocation in steady state. Dropping the handle detaches the task.
///
/// # Panics
/// Outside a `LocalRuntime`.
pub fn spawn_local<F: Future + 'static>(future: F) -> LocalJoinHandle<F::Output> {
    let mut future = Given::new(future);
    // SAFETY: the future is there.
    let spawn = |local: &Local| unsafe { local.spawn_listed(&mut future) };
    // SAFETY: the short way queues the future and calls none of the user's code.
    let here = unsafe { current::on_local(spawn) };
    match here {
        Some(handle) => handle,
        None => spawn_local_further(future),
    }
}

#[cold]
#[inline(never)]
fn spawn_local_further<F: Future + 'static>(mut future: Given<F>) -> LocalJoinHandle<F::Output> {
    // SAFETY: the short way has not taken it, and its holder gives it up.
    let mut future = Some(unsafe { future.take() });
    current::with(|current| match current.map(|c| &c.runtime) {
        Some(Flavour::Local(local)) => local.spawn(&mut future),
        Some(Flavour::Shared(_)) => panic!("the runtime of this thread is a Runtime: use spawn"),
        None => panic!("{NO_RUNTIME}"),
    })
}

/// Runs `job` on the current runtime's blocking pool, see [`BlockingConfig`].
///
/// Allocates the job. Dropping the handle leaves the job alone; [`BlockingHandle::abort`] removes one that
/// has not begun.
///
/// # Panics
/// Outside a runtime.
pub fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> BlockingHandle<T> {
    current::with(|current| match current {
        Some(current) => current.runtime.pool().spawn(job),
        None => panic!("{NO_RUNTIME}"),
    })
}

/// Runs `f`, and jobs that it starts on the current runtime's blocking pool and that borrow from the caller. Returns when the
/// last of them has ended.
///
/// Blocks the calling thread, which works on the jobs itself while it waits: for the thread of a `block_on`, or a job of the
/// pool. In a task it keeps the worker's other tasks waiting.
///
/// # Panics
/// Outside a runtime; when `f` or a job panics, with what that said, after all jobs have ended.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// let text = String::from("one two three four");
/// let mut lengths = [0; 4];
/// ouzel::blocking_scope(|scope| {
///     for (length, word) in lengths.iter_mut().zip(text.split(' ')) {
///         scope.spawn(|| *length = word.len());
///     }
/// });
/// assert_eq!(lengths, [3, 3, 5, 4]);
/// # Ok(())
/// # })
/// # }
/// ```
pub fn blocking_scope<'env, T>(f: impl for<'scope> FnOnce(&'scope BlockingScope<'scope, 'env>) -> T) -> T {
    let pool = current::with(|current| current.map(|c| c.runtime.runner()));
    blocking::scope::enter(pool.unwrap_or_else(|| panic!("{NO_RUNTIME}")), f)
}

/// Whether this process is a forked child of one that made a runtime, and has made none itself: its parent's cannot be
/// used here.
#[must_use]
#[inline]
pub fn in_forked_child() -> bool {
    platform::in_forked_child()
}

/// Whether this thread is a worker of a [`Runtime`].
#[must_use]
pub fn on_worker() -> bool {
    shared::on_worker()
}

/// The examples of the README, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of docs/embedding.md, likewise.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
