//! `ouzel-local`: [`ouzel::LocalRuntime`].

use super::{Engine, Joined};
use std::future::Future;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum OuzelLocal {}

impl OuzelLocal {
    /// Runs `root` as a task on this thread.
    pub fn enter<T: 'static>(_workers: usize, root: impl Future<Output = T> + 'static) -> T {
        let runtime = ouzel::LocalRuntime::new().expect("a local runtime");
        let root = runtime.spawn(root);
        runtime.block_on(Joined(root))
    }
}

impl Engine for OuzelLocal {
    type Join<T: Send + 'static> = Joined<ouzel::LocalJoinHandle<T>>;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Joined(ouzel::spawn_local(future))
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        drop(ouzel::spawn_local(future));
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        ouzel::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        ouzel::sleep(duration)
    }
}
