//! The engines: each runtime behind one small trait, so that a case is written once.
//!
//! | engine | flavour | file |
//! |---|---|---|
//! | `ouzel` | workers that share tasks | `ouzel.rs` |
//! | `ouzel-local` | one thread | `ouzel_local.rs` |
//! | `tokio-mt`, `tokio-ct` | workers, one thread | `tokio.rs` |
//! | `smol` | workers on one executor | `smol.rs` |
//! | `monoio`, `compio`, `glommio` | one thread | one file each |
//! | `rayon` | workers, closures in place of futures | `case/rayon.rs` |
//! | `bare-epoll`, `bare-uring` | none: a loop of system calls, for the echo cases | `case/bare.rs` |
//! | `bare-threads` | none: each worker a loop of system calls, for `small_files` | `case/files.rs` |
//!
//! A case is an `async fn` that is generic over [`Engine`] and makes its engine's calls through the trait's
//! functions, all of which act on the runtime the calling task is on. Each engine has an `enter` of its own
//! that makes the runtime and runs a case's root *as a task*, made by a closure that gets the engine's
//! injector. Those differ in whether the root has to be `Send`, which is why `enter` is no part of the trait:
//! [`crate::cell`] names the engines one by one. For the same reason tasks that use an engine's own timers,
//! files or sockets are spawned by the engine.

mod ouzel;
mod ouzel_local;

#[cfg(feature = "peers")]
mod compio;
#[cfg(feature = "peers")]
mod glommio;
#[cfg(feature = "peers")]
mod monoio;
#[cfg(feature = "peers")]
mod smol;
#[cfg(feature = "peers")]
mod tokio;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::place::{Over, Place};
use crate::work::echo::Echoed;
use crate::work::files::Queue;
use crate::work::yield_now;

pub use ouzel::Ouzel;
pub use ouzel_local::OuzelLocal;

#[cfg(feature = "peers")]
pub use compio::Compio;
#[cfg(feature = "peers")]
pub use glommio::Glommio;
#[cfg(feature = "peers")]
pub use monoio::Monoio;
#[cfg(feature = "peers")]
pub use smol::Smol;
#[cfg(feature = "peers")]
pub use tokio::Tokio;

/// What a case asks of a runtime. Every function acts on the current task's runtime.
///
/// Futures are `Send` also where the engine does not ask for it: the tasks are the same on all.
pub trait Engine: 'static {
    /// What waits for a task's output.
    type Join<T: Send + 'static>: Future<Output = T> + Unpin + 'static;

    /// Spawns a task to be awaited.
    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T>;

    /// Spawns a task nobody waits for, in the cheapest way the engine has.
    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static);

    /// Lets other tasks run, in the way the engine offers. One that offers none: [`yield_now`].
    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        yield_now()
    }

    /// The engine's timer.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;

    /// Spawns a task that sleeps for `duration` and then calls `then`.
    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static);

    /// Spawns a task that reads files with the engine's own means until `queue` has none left.
    fn spawn_reader(queue: &'static Queue);

    /// What its echo servers go over.
    const ECHOES: &'static [Over] = &[Over::Tcp, Over::Unix, Over::Udp];

    /// Listens at a free place and spawns a task for each connection that sends back what it reads; for datagrams,
    /// one task for all.
    fn serve(echoed: &'static Echoed, over: Over) -> impl Future<Output = io::Result<Place>> + 'static;

    /// How other threads spawn.
    type Injector: Inject;
}

/// Spawns from threads that are not the engine's.
pub trait Inject: Clone + Send + 'static {
    /// Whether the engine can do that at all.
    const POSSIBLE: bool = true;

    /// Bytes that the engine keeps for tasks and did not get from the allocator.
    fn mapped(&self) -> u64 {
        0
    }

    /// Whether the engine counts its system calls.
    const COUNTS_CALLS: bool = false;

    /// System calls that the engine's drivers have made, if it counts them.
    fn calls(&self) -> u64 {
        0
    }

    /// Spawns a task nobody waits for.
    fn inject(&self, future: impl Future<Output = ()> + Send + 'static);
}

/// The injector of an engine that has none.
#[derive(Clone, Debug)]
pub struct NoInjector;

impl Inject for NoInjector {
    const POSSIBLE: bool = false;

    fn inject(&self, _: impl Future<Output = ()> + Send + 'static) {
        unreachable!("`POSSIBLE` says so");
    }
}

/// A join handle whose tasks end well: gives the output itself, and panics where the handle says otherwise.
#[derive(Debug)]
pub struct Joined<J>(J);

impl<J, T, E> Future for Joined<J>
where
    J: Future<Output = Result<T, E>> + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|r| r.unwrap_or_else(|_| panic!("a task of a case failed")))
    }
}
