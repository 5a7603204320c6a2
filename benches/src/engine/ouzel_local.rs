//! `ouzel-local`: [`ouzel::LocalRuntime`].

use super::ouzel::{Server, echo, echo_udp, echo_unix, listen};
use super::{Engine, Inject, Joined};
use crate::place::{Over, Place};
use crate::work::echo::Echoed;
use crate::work::files::Queue;
use std::future::Future;
use std::io;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum OuzelLocal {}

impl OuzelLocal {
    /// Runs what `root` makes as a task on this thread.
    pub fn enter<T, F>(_workers: usize, root: impl FnOnce(ouzel::LocalHandle) -> F) -> T
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let runtime = ouzel::LocalRuntime::new().expect("a local runtime");
        let root = runtime.spawn(root(runtime.handle()));
        runtime.block_on(Joined(root))
    }
}

impl Engine for OuzelLocal {
    type Join<T: Send + 'static> = Joined<ouzel::LocalJoinHandle<T>>;
    type Injector = ouzel::LocalHandle;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Joined(ouzel::spawn_local(future))
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

    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static) {
        drop(ouzel::spawn_local(async move {
            ouzel::sleep(duration).await;
            then();
        }));
    }

    fn spawn_reader(queue: &'static Queue) {
        drop(ouzel::spawn_local(queue.read_all_into(ouzel::fs::read_into)));
    }

    async fn serve(echoed: &'static Echoed, over: Over) -> io::Result<Place> {
        let (server, place) = listen(over)?;
        match server {
            Server::Tcp(listener) => drop(ouzel::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    drop(ouzel::spawn_local(echo(stream, echoed)));
                }
            })),
            Server::Unix(listener) => drop(ouzel::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    drop(ouzel::spawn_local(echo_unix(stream, echoed)));
                }
            })),
            Server::Udp(socket) => drop(ouzel::spawn_local(echo_udp(socket, echoed))),
        }
        Ok(place)
    }
}

impl Inject for ouzel::LocalHandle {
    const COUNTS_CALLS: bool = true;

    fn calls(&self) -> u64 {
        self.io_counters().syscalls
    }

    fn mapped(&self) -> u64 {
        self.task_bytes()
    }

    fn inject(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_send(future);
    }
}
