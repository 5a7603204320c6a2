//! `glommio`: one thread on three rings of io_uring. It wants 512 KiB of locked memory for them.

use super::{Engine, NoInjector};
use crate::place::{Over, Place};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use crate::work::files::{FILE_BYTES, Queue};
use glommio::io::BufferedFile;
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub enum Glommio {}

impl Glommio {
    /// Runs what `root` makes as a task on this thread.
    pub fn enter<T, F>(_workers: usize, root: impl FnOnce(NoInjector) -> F) -> T
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make().expect("an executor");
        let root = root(NoInjector);
        executor.run(async { glommio::spawn_local(root).await })
    }
}

impl Engine for Glommio {
    type Join<T: Send + 'static> = glommio::Task<T>;
    type Injector = NoInjector;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        glommio::spawn_local(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + Send + 'static) {
        glommio::spawn_local(future).detach();
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        let timer = glommio::timer::Timer::new(duration);
        async move {
            timer.await;
        }
    }

    fn spawn_sleeper(duration: Duration, then: impl FnOnce() + Send + 'static) {
        glommio::spawn_local(async move {
            glommio::timer::Timer::new(duration).await;
            then();
        })
        .detach();
    }

    fn spawn_reader(queue: &'static Queue) {
        glommio::spawn_local(queue.read_all(read_file)).detach();
    }

    const ECHOES: &'static [Over] = &[Over::Tcp];

    async fn serve(echoed: &'static Echoed, _: Over) -> io::Result<Place> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        glommio::spawn_local(async move {
            while let Ok(stream) = listener.accept().await {
                glommio::spawn_local(echo(stream, echoed)).detach();
            }
        })
        .detach();
        Ok(Place::Tcp(address))
    }
}

async fn read_file(path: &'static Path) -> io::Result<Vec<u8>> {
    let file = BufferedFile::open(path).await?;
    let bytes = file.read_at(0, FILE_BYTES).await?.to_vec();
    file.close().await?;
    Ok(bytes)
}

async fn echo(mut stream: TcpStream, echoed: &'static Echoed) {
    let mut buf = vec![0; ECHO_BUFFER];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        echoed.add(n);
        if stream.write_all(&buf[..n]).await.is_err() {
            return;
        }
    }
}
