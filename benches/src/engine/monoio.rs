//! `monoio`: one thread on io_uring, or on epoll where there is no io_uring.

use super::{Engine, NoInjector};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use crate::work::files::{FILE_BYTES, Queue};
use monoio::fs::File;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
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

    async fn serve(echoed: &'static Echoed) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        drop(monoio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(monoio::spawn(echo(stream, echoed)));
            }
        }));
        Ok(address)
    }
}

async fn read_file(path: &'static Path) -> io::Result<Vec<u8>> {
    let file = File::open(path).await?;
    let (result, buf) = file.read_exact_at(Vec::with_capacity(FILE_BYTES), 0).await;
    result?;
    file.close().await?;
    Ok(buf)
}

async fn echo(mut stream: TcpStream, echoed: &'static Echoed) {
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
