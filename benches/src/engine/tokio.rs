//! `tokio-mt` and `tokio-ct`: the two flavours of tokio's runtime, told apart by how they are entered.

use super::{Engine, Inject, Joined};
use crate::place::{Over, Place};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use crate::work::files::Queue;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket, UnixListener};
use tokio::runtime::{Builder, Handle, Runtime};

/// See the module.
#[derive(Debug)]
pub enum Tokio {}

impl Tokio {
    /// Runs what `root` makes as a task on `workers` workers.
    pub fn enter_mt<T, F>(workers: usize, root: impl FnOnce(Handle) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        run(Builder::new_multi_thread().worker_threads(workers).enable_all().build(), root)
    }

    /// Runs what `root` makes as a task on this thread.
    pub fn enter_ct<T, F>(_workers: usize, root: impl FnOnce(Handle) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        run(Builder::new_current_thread().enable_all().build(), root)
    }
}

fn run<T, F>(runtime: io::Result<Runtime>, root: impl FnOnce(Handle) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let runtime = runtime.expect("a runtime");
    let root = runtime.spawn(root(runtime.handle().clone()));
    runtime.block_on(Joined(root))
}

impl Engine for Tokio {
    type Join<T: Send + 'static> = Joined<tokio::task::JoinHandle<T>>;
    type Injector = Handle;

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

    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static) {
        drop(tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            then();
        }));
    }

    fn spawn_reader(queue: &'static Queue) {
        drop(tokio::spawn(queue.read_all(tokio::fs::read)));
    }

    async fn serve(echoed: &'static Echoed, over: Over) -> io::Result<Place> {
        let anywhere = (Ipv4Addr::LOCALHOST, 0);
        Ok(match over {
            Over::Tcp => {
                let listener = TcpListener::bind(anywhere).await?;
                let place = Place::Tcp(listener.local_addr()?);
                drop(tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        drop(tokio::spawn(echo(stream, echoed)));
                    }
                }));
                place
            }
            Over::Unix => {
                let path = Place::free_path();
                let listener = UnixListener::bind(&path)?;
                drop(tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        drop(tokio::spawn(echo(stream, echoed)));
                    }
                }));
                Place::Unix(path)
            }
            Over::Udp => {
                let socket = UdpSocket::bind(anywhere).await?;
                let place = Place::Udp(socket.local_addr()?);
                drop(tokio::spawn(echo_udp(socket, echoed)));
                place
            }
        })
    }
}

impl Inject for Handle {
    fn inject(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn(future));
    }
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, echoed: &'static Echoed) {
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
