//! `smol`: one executor, run by as many threads as there are workers. That is what `smol::spawn` sets up
//! when it is told the number of threads through the environment.

use super::Engine;
use std::future::{Future, pending};
use std::time::Duration;

static EXECUTOR: smol::Executor<'static> = smol::Executor::new();

/// See the module.
#[derive(Debug)]
pub enum Smol {}

impl Smol {
    /// Runs `root` as a task on `workers` threads, which stay for the rest of the process.
    pub fn enter<T: Send + 'static>(workers: usize, root: impl Future<Output = T> + Send + 'static) -> T {
        for _ in 0..workers {
            std::thread::spawn(|| smol::block_on(EXECUTOR.run(pending::<()>())));
        }
        smol::block_on(EXECUTOR.spawn(root))
    }
}

impl Engine for Smol {
    type Join<T: Send + 'static> = smol::Task<T>;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        EXECUTOR.spawn(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        smol::future::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        let timer = smol::Timer::after(duration);
        async move {
            timer.await;
        }
    }
}
