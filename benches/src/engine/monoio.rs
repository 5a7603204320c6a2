//! `monoio`: one thread on io_uring, or on epoll where there is no io_uring.

use super::Engine;
use std::future::Future;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum Monoio {}

impl Monoio {
    /// Runs `root` as a task on this thread.
    pub fn enter<T: 'static>(_workers: usize, root: impl Future<Output = T> + 'static) -> T {
        let builder = monoio::RuntimeBuilder::<monoio::FusionDriver>::new();
        let mut runtime = builder.enable_timer().build().expect("a runtime");
        runtime.block_on(async { monoio::spawn(root).await })
    }
}

impl Engine for Monoio {
    type Join<T: Send + 'static> = monoio::task::JoinHandle<T>;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        monoio::spawn(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        drop(monoio::spawn(future));
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(duration)
    }
}
