//! Names to addresses: the system's own look-up, which blocks, on the blocking pool.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use crate::blocking::BlockingHandle;
use crate::current;

/// A host and a port, by text or apart. An address of numbers is one too.
///
/// For `"host:port"`, `("host", port)` and their owned forms; closed to others.
pub trait ToHost: sealed::Sealed {}

mod sealed {
    use std::net::SocketAddr;

    #[derive(Debug)]
    pub enum Host {
        Known(SocketAddr),
        Text(String),
        Name(String, u16),
    }

    pub trait Sealed {
        fn to_host(self) -> Host;
    }
}

use sealed::{Host, Sealed};

impl ToHost for &str {}
impl Sealed for &str {
    fn to_host(self) -> Host {
        self.parse().map_or_else(|_| Host::Text(self.into()), Host::Known)
    }
}

impl ToHost for String {}
impl Sealed for String {
    fn to_host(self) -> Host {
        self.parse().map_or_else(|_| Host::Text(self), Host::Known)
    }
}

impl ToHost for &String {}
impl Sealed for &String {
    fn to_host(self) -> Host {
        self.as_str().to_host()
    }
}

impl ToHost for (&str, u16) {}
impl Sealed for (&str, u16) {
    fn to_host(self) -> Host {
        self.0
            .parse()
            .map_or_else(|_| Host::Name(self.0.into(), self.1), |ip: IpAddr| Host::Known((ip, self.1).into()))
    }
}

impl ToHost for (String, u16) {}
impl Sealed for (String, u16) {
    fn to_host(self) -> Host {
        (self.0.as_str(), self.1).to_host()
    }
}

type Found = vec::IntoIter<SocketAddr>;

/// The addresses of a host, in the order in which they should be tried.
///
/// An address of numbers is its own answer. A name is looked up as the system is configured to (files, name servers), by a
/// thread of the blocking pool, which waits as long as that takes: limit it with [`timeout`](crate::timeout). Dropping
/// the future takes the look-up out of the pool's queue; one that has begun goes on, and its result is dropped.
///
/// # Errors
/// `InvalidInput` for a text without a port. The look-up's own for a name that is not known, or if no server answers. One
/// of kind `Other` if the runtime is shut down meanwhile.
///
/// # Panics
/// When polled outside a runtime, with a name.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let found: Vec<_> = ouzel::net::lookup_host("localhost:80").await?.collect();
///     assert!(!found.is_empty() && found.iter().all(|a| a.ip().is_loopback() && a.port() == 80));
///     Ok(())
/// })
/// # }
/// ```
pub async fn lookup_host(host: impl ToHost) -> io::Result<vec::IntoIter<SocketAddr>> {
    match host.to_host() {
        Host::Known(address) => Ok(vec![address].into_iter()),
        Host::Text(text) => on_pool(move || text.to_socket_addrs()).await,
        Host::Name(name, port) => on_pool(move || (name, port).to_socket_addrs()).await,
    }
}

fn on_pool(look: impl FnOnce() -> io::Result<Found> + Send + 'static) -> Lookup {
    current::with(|current| {
        let current = current.expect("no ouzel runtime on this thread: a look-up needs its blocking pool");
        Lookup(current.runtime.pool().spawn(look))
    })
}

/// A look-up that is queued or runs.
struct Lookup(BlockingHandle<io::Result<Found>>);

impl Future for Lookup {
    type Output = io::Result<Found>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|found| found.unwrap_or_else(|e| Err(io::Error::other(e))))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.0.abort();
    }
}
