//! `ouzel`: [`ouzel::Runtime`].

use super::{Engine, Inject, Joined};
use crate::place::{Over, Place};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use crate::work::files::Queue;
use ouzel::net::{LazyWrite, TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
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

    async fn serve(echoed: &'static Echoed, over: Over) -> io::Result<Place> {
        let (server, place) = listen(over)?;
        match server {
            Server::Tcp(listener) => ouzel::spawn_detached(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    ouzel::spawn_detached(echo(stream, echoed));
                }
            }),
            Server::Unix(listener) => ouzel::spawn_detached(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    ouzel::spawn_detached(echo_unix(stream, echoed));
                }
            }),
            Server::Udp(socket) => ouzel::spawn_detached(echo_udp(socket, echoed)),
        }
        Ok(place)
    }
}

impl Inject for ouzel::Handle {
    const COUNTS_CALLS: bool = true;

    fn calls(&self) -> u64 {
        self.metrics().io.syscalls
    }

    fn mapped(&self) -> u64 {
        self.metrics().task_bytes
    }

    fn inject(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn(future));
    }
}

/// A server of either flavour.
pub(super) enum Server {
    Tcp(TcpListener),
    Unix(UnixListener),
    Udp(UdpSocket),
}

pub(super) fn listen(over: Over) -> io::Result<(Server, Place)> {
    let anywhere = (Ipv4Addr::LOCALHOST, 0);
    Ok(match over {
        Over::Tcp => {
            let listener = TcpListener::bind(anywhere)?;
            let place = Place::Tcp(listener.local_addr()?);
            (Server::Tcp(listener), place)
        }
        Over::Unix => {
            let path = Place::free_path();
            (Server::Unix(UnixListener::bind(&path)?), Place::Unix(path))
        }
        Over::Udp => {
            let socket = UdpSocket::bind(anywhere)?;
            let place = Place::Udp(socket.local_addr()?);
            (Server::Udp(socket), place)
        }
    })
}

/// The same of streams of both kinds. A reply is a copy that the driver sends; where it takes none, one that is begun and not
/// waited for: when the next piece is there it has long gone out, and the ring has had its buffer back meanwhile.
macro_rules! echo {
    ($name:ident, $stream:ty) => {
        pub(super) async fn $name(stream: $stream, echoed: &'static Echoed) {
            let mut pieces = stream.recv_stream();
            let mut begun: Option<LazyWrite<Vec<u8>>> = None;
            while let Some(Ok(piece)) = pieces.next().await {
                let mut bytes = match begun.take() {
                    None => Vec::new(),
                    Some(reply) => match ended(reply).await {
                        (Ok(_), bytes) => bytes,
                        (Err(_), _) => return,
                    },
                };
                echoed.add(piece.len());
                match stream.send_copy(&piece) {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(_) => return,
                }
                bytes.clear();
                bytes.extend_from_slice(&piece);
                drop(piece);
                let Ok(reply) = stream.write_lazy(bytes) else { return };
                begun = Some(reply);
            }
            if let Some(reply) = begun {
                // Whoever does not read it any more has what was asked for.
                let _ = ended(reply).await;
            }
        }
    };
}

/// Waits for a reply's end only if it is not over.
async fn ended(mut reply: LazyWrite<Vec<u8>>) -> (io::Result<usize>, Vec<u8>) {
    match reply.try_finish() {
        Some(done) => done,
        None => reply.await,
    }
}
echo!(echo, TcpStream);
echo!(echo_unix, UnixStream);

pub(super) async fn echo_udp(socket: UdpSocket, echoed: &'static Echoed) {
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
