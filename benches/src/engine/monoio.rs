//! `monoio`: one thread on io_uring, or on epoll where there is no io_uring.

use super::{Engine, NoInjector};
use crate::place::{Over, Place};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use crate::work::files::{FILE_BYTES, Queue};
use monoio::fs::File;
use monoio::io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt};
use monoio::net::udp::UdpSocket;
use monoio::net::{ListenerOpts, TcpListener, UnixListener};
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum Monoio {}

impl Monoio {
    /// Runs what `root` makes as a task on this thread.
    pub fn enter<T, F>(_workers: usize, root: impl FnOnce(NoInjector) -> F) -> T
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let builder = monoio::RuntimeBuilder::<monoio::FusionDriver>::new();
        let mut runtime = builder.enable_timer().build().expect("a runtime");
        let root = root(NoInjector);
        runtime.block_on(async { monoio::spawn(root).await })
    }
}

impl Engine for Monoio {
    type Join<T: Send + 'static> = monoio::task::JoinHandle<T>;
    type Injector = NoInjector;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        monoio::spawn(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        drop(monoio::spawn(future));
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(duration)
    }

    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static) {
        drop(monoio::spawn(async move {
            monoio::time::sleep(duration).await;
            then();
        }));
    }

    fn spawn_reader(queue: &'static Queue) {
        drop(monoio::spawn(queue.read_all(read_file)));
    }

    async fn serve(echoed: &'static Echoed, over: Over) -> io::Result<Place> {
        let anywhere = (Ipv4Addr::LOCALHOST, 0);
        Ok(match over {
            Over::Tcp => {
                let listener = TcpListener::bind(anywhere)?;
                let place = Place::Tcp(listener.local_addr()?);
                drop(monoio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        drop(monoio::spawn(echo(stream, echoed)));
                    }
                }));
                place
            }
            Over::Unix => {
                let path = Place::free_path();
                // By itself it asks for a shared port, which a Unix socket has not.
                let options = ListenerOpts::new().reuse_port(false);
                let listener = UnixListener::bind_with_config(&path, &options)?;
                drop(monoio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        drop(monoio::spawn(echo(stream, echoed)));
                    }
                }));
                Place::Unix(path)
            }
            Over::Udp => {
                let socket = UdpSocket::bind(anywhere)?;
                let place = Place::Udp(socket.local_addr()?);
                drop(monoio::spawn(echo_udp(socket, echoed)));
                place
            }
        })
    }
}

async fn read_file(path: &'static Path) -> io::Result<Vec<u8>> {
    let file = File::open(path).await?;
    let (result, buf) = file.read_exact_at(Vec::with_capacity(FILE_BYTES), 0).await;
    result?;
    file.close().await?;
    Ok(buf)
}

async fn echo<S: AsyncReadRent + AsyncWriteRent>(mut stream: S, echoed: &'static Echoed) {
    let mut buf = Vec::with_capacity(ECHO_BUFFER);
    loop {
        let (n, b) = stream.read(buf).await;
        match n {
            Ok(n @ 1..) => echoed.add(n),
            _ => return,
        }
        let (sent, b) = stream.write_all(b).await;
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
        let (got, bytes) = socket.recv_from(buf).await;
        let Ok((n, peer)) = got else { return };
        echoed.add(n);
        let (sent, bytes) = socket.send_to(bytes, peer).await;
        if sent.is_err() {
            return;
        }
        buf = bytes;
        buf.clear();
    }
}
