//! `smol`: one executor, run by as many threads as there are workers. That is what `smol::spawn` sets up
//! when it is told the number of threads through the environment.

use super::{Engine, Inject};
use crate::place::{Over, Place};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use crate::work::files::Queue;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::unix::UnixListener;
use smol::net::{TcpListener, UdpSocket};
use std::future::{Future, pending};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

static EXECUTOR: smol::Executor<'static> = smol::Executor::new();

/// See the module.
#[derive(Debug)]
pub enum Smol {}

/// Spawns on the executor from anywhere.
#[derive(Clone, Copy, Debug)]
pub struct SmolInjector;

impl Smol {
    /// Runs what `root` makes as a task on `workers` threads, which stay for the rest of the process.
    pub fn enter<T, F>(workers: usize, root: impl FnOnce(SmolInjector) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        for _ in 0..workers {
            std::thread::spawn(|| smol::block_on(EXECUTOR.run(pending::<()>())));
        }
        smol::block_on(EXECUTOR.spawn(root(SmolInjector)))
    }
}

impl Engine for Smol {
    type Join<T: Send + 'static> = smol::Task<T>;
    type Injector = SmolInjector;

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

    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static) {
        Self::spawn_detached(async move {
            smol::Timer::after(duration).await;
            then();
        });
    }

    fn spawn_reader(queue: &'static Queue) {
        Self::spawn_detached(queue.read_all(smol::fs::read));
    }

    async fn serve(echoed: &'static Echoed, over: Over) -> io::Result<Place> {
        let anywhere = (Ipv4Addr::LOCALHOST, 0);
        Ok(match over {
            Over::Tcp => {
                let listener = TcpListener::bind(anywhere).await?;
                let place = Place::Tcp(listener.local_addr()?);
                Self::spawn_detached(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        Self::spawn_detached(echo(stream, echoed));
                    }
                });
                place
            }
            Over::Unix => {
                let path = Place::free_path();
                let listener = UnixListener::bind(&path)?;
                Self::spawn_detached(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        Self::spawn_detached(echo(stream, echoed));
                    }
                });
                Place::Unix(path)
            }
            Over::Udp => {
                let socket = UdpSocket::bind(anywhere).await?;
                let place = Place::Udp(socket.local_addr()?);
                Self::spawn_detached(echo_udp(socket, echoed));
                place
            }
        })
    }
}

impl Inject for SmolInjector {
    fn inject(&self, future: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.spawn(future).detach();
    }
}

async fn echo<S: AsyncReadExt + AsyncWriteExt + Unpin>(mut stream: S, echoed: &'static Echoed) {
    let mut buf = vec![0; ECHO_BUFFER];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        echoed.add(n);
        if stream.write_all(&buf[..n]).await.is_err() {
            return;
        }
    }
}

async fn echo_udp(socket: UdpSocket, echoed: &'static Echoed) {
    let mut buf = vec![0; ECHO_BUFFER];
    while let Ok((n, peer)) = socket.recv_from(&mut buf).await {
        echoed.add(n);
        if socket.send_to(&buf[..n], peer).await.is_err() {
            return;
        }
    }
}
