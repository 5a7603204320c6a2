//! `tokio-mt` and `tokio-ct`: the two flavours of tokio's runtime, told apart by how they are entered.

use super::{Engine, Joined};
use std::future::Future;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum Tokio {}

impl Tokio {
    /// Runs `root` as a task on `workers` workers.
    pub fn enter_mt<T: Send + 'static>(workers: usize, root: impl Future<Output = T> + Send + 'static) -> T {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(workers).enable_all().build().expect("a runtime");
        let root = runtime.spawn(root);
        runtime.block_on(Joined(root))
    }

    /// Runs `root` as a task on this thread.
    pub fn enter_ct<T: Send + 'static>(_workers: usize, root: impl Future<Output = T> + Send + 'static) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        let root = runtime.spawn(root);
        runtime.block_on(Joined(root))
    }
}

impl Engine for Tokio {
    type Join<T: Send + 'static> = Joined<tokio::task::JoinHandle<T>>;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Joined(tokio::spawn(future))
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(future));
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }
}
