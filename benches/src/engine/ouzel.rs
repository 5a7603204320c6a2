//! `ouzel`: [`ouzel::Runtime`].

use super::{Engine, Inject, Joined};
use crate::work::echo::Echoed;
use crate::work::files::Queue;
use ouzel::net::{TcpListener, TcpStream};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum Ouzel {}

impl Ouzel {
    /// Runs what `root` makes as a task on `workers` workers.
    pub fn enter<T, F>(workers: usize, root: impl FnOnce(ouzel::Handle) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let runtime = ouzel::Runtime::builder().worker_threads(workers).build().expect("a runtime");
        let root = runtime.spawn(root(runtime.handle()));
        runtime.block_on(Joined(root))
    }
}

impl Engine for Ouzel {
    type Join<T: Send + 'static> = Joined<ouzel::JoinHandle<T>>;
    type Injector = ouzel::Handle;

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

    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static) {
        ouzel::spawn_detached(async move {
            ouzel::sleep(duration).await;
            then();
        });
    }

    fn spawn_reader(queue: &'static Queue) {
        ouzel::spawn_detached(queue.read_all_into(ouzel::fs::read_into));
    }

    async fn serve(echoed: &'static Echoed) -> io::Result<SocketAddr> {
        let (listener, address) = listen()?;
        ouzel::spawn_detached(async move {
            while let Ok((stream, _)) = listener.accept().await {
                ouzel::spawn_detached(echo(stream, echoed));
            }
        });
        Ok(address)
    }
}

impl Inject for ouzel::Handle {
    fn mapped(&self) -> u64 {
        self.metrics().task_bytes
    }

    fn inject(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn(future));
    }
}

pub(super) fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(super) async fn echo(stream: TcpStream, echoed: &'static Echoed) {
    let mut pieces = stream.recv_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        echoed.add(piece.len());
        if stream.write_all(piece).await.0.is_err() {
            return;
        }
    }
}
