//! `ouzel`: [`ouzel::Runtime`].

use super::{Engine, Joined};
use std::future::Future;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum Ouzel {}

impl Ouzel {
    /// Runs `root` as a task on `workers` workers.
    pub fn enter<T: Send + 'static>(workers: usize, root: impl Future<Output = T> + Send + 'static) -> T {
        let runtime = ouzel::Runtime::builder().worker_threads(workers).build().expect("a runtime");
        let root = runtime.spawn(root);
        runtime.block_on(Joined(root))
    }
}

impl Engine for Ouzel {
    type Join<T: Send + 'static> = Joined<ouzel::JoinHandle<T>>;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Joined(ouzel::spawn(future))
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        ouzel::spawn_detached(future);
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        ouzel::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        ouzel::sleep(duration)
    }
}
