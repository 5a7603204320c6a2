//! `compio`: one thread on io_uring.

use super::{Engine, Joined, NoInjector};
use crate::place::{Over, Place};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use crate::work::files::Queue;
use compio::BufResult;
use compio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use compio::net::{TcpListener, UdpSocket, UnixListener};
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum Compio {}

impl Compio {
    /// Runs what `root` makes as a task on this thread.
    pub fn enter<T, F>(_workers: usize, root: impl FnOnce(NoInjector) -> F) -> T
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let runtime = compio::runtime::Runtime::new().expect("a runtime");
        let root = root(NoInjector);
        runtime.block_on(async { Joined(compio::runtime::spawn(root)).await })
    }
}

impl Engine for Compio {
    type Join<T: Send + 'static> = Joined<compio::runtime::JoinHandle<T>>;
    type Injector = NoInjector;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Joined(compio::runtime::spawn(future))
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        compio::runtime::spawn(future).detach();
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        compio::time::sleep(duration)
    }

    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static) {
        compio::runtime::spawn(async move {
            compio::time::sleep(duration).await;
            then();
        })
        .detach();
    }

    fn spawn_reader(queue: &'static Queue) {
        compio::runtime::spawn(queue.read_all(compio::fs::read)).detach();
    }

    async fn serve(echoed: &'static Echoed, over: Over) -> io::Result<Place> {
        let anywhere = (Ipv4Addr::LOCALHOST, 0);
        Ok(match over {
            Over::Tcp => {
                let listener = TcpListener::bind(anywhere).await?;
                let place = Place::Tcp(listener.local_addr()?);
                compio::runtime::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        compio::runtime::spawn(echo(stream, echoed)).detach();
                    }
                })
                .detach();
                place
            }
            Over::Unix => {
                let path = Place::free_path();
                let listener = UnixListener::bind(&path).await?;
                compio::runtime::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        compio::runtime::spawn(echo(stream, echoed)).detach();
                    }
                })
                .detach();
                Place::Unix(path)
            }
            Over::Udp => {
                let socket = UdpSocket::bind(anywhere).await?;
                let place = Place::Udp(socket.local_addr()?);
                compio::runtime::spawn(echo_udp(socket, echoed)).detach();
                place
            }
        })
    }
}

async fn echo<S: AsyncRead + AsyncWrite>(mut stream: S, echoed: &'static Echoed) {
    let mut buf = Vec::with_capacity(ECHO_BUFFER);
    loop {
        let BufResult(n, b) = stream.read(buf).await;
        match n {
            Ok(n @ 1..) => echoed.add(n),
            _ => return,
        }
        let BufResult(sent, b) = stream.write_all(b).await;
        if sent.is_err() {
            return;
        }
        buf = b;
        buf.clear();
    }
}

async fn echo_udp(socket: UdpSocket, echoed: &'static Echoed) {
    let mut buf = Vec::with_capacity(ECHO_BUFFER);
    loop {
        let BufResult(got, bytes) = socket.recv_from(buf).await;
        let Ok((n, peer)) = got else { return };
        echoed.add(n);
        let BufResult(sent, bytes) = socket.send_to(bytes, peer).await;
        if sent.is_err() {
            return;
        }
        buf = bytes;
        buf.clear();
    }
}
