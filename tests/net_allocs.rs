//! In steady state an operation on a socket allocates nothing: counted by the global allocator.
//!
//! One test, so that nothing else in this process allocates meanwhile.

use std::future::{Future, poll_fn};

use ouzel::net::{PollFd, RecvStream, TcpStream, UdpSocket};
use ouzel_tests::counting::{Counting, allocations};
use ouzel_tests::sockets::{LOOPBACK, pair, waits};
use ouzel_tests::{Setup, drivers, watchdog};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = 500;

/// Runs `round` until all lists and tables have their size, then `ROUNDS` times; the allocations of those.
async fn steady<S, F: Future<Output = S>>(mut state: S, round: impl Fn(S) -> F) -> usize {
    for _ in 0..ROUNDS {
        state = round(state).await;
    }
    let before = allocations();
    for _ in 0..ROUNDS {
        state = round(state).await;
    }
    let after = allocations();
    drop(state);
    after - before
}

/// Each reads, really waits, and then gets what is sent.
async fn reads((client, server, buf): (TcpStream, TcpStream, Vec<u8>)) -> (TcpStream, TcpStream, Vec<u8>) {
    let mut read = server.read(buf);
    assert!(waits(&mut read).await);
    client.write_all("hello").await.0.unwrap();
    let (n, buf) = read.await;
    assert_eq!((n.unwrap(), &*buf), (5, &b"hello"[..]));
    (client, server, buf)
}

type Vectored = (TcpStream, TcpStream, [Vec<u8>; 2]);

async fn vectored((client, server, bufs): Vectored) -> Vectored {
    let mut read = server.read_vectored(bufs);
    assert!(waits(&mut read).await);
    client.write_vectored(["he", "l", "lo"]).await.0.unwrap();
    let (n, bufs) = read.await;
    assert_eq!((n.unwrap(), &*bufs[0], &*bufs[1]), (5, &b"hel"[..], &b"lo"[..]));
    (client, server, bufs)
}

async fn datagrams((a, b, buf): (UdpSocket, UdpSocket, Vec<u8>)) -> (UdpSocket, UdpSocket, Vec<u8>) {
    let mut recv = b.recv_from(buf);
    assert!(waits(&mut recv).await);
    a.send_to("datagram", b.local_addr().unwrap()).await.0.unwrap();
    let (result, buf) = recv.await;
    assert_eq!((result.unwrap(), &*buf), ((8, a.local_addr().unwrap()), &b"datagram"[..]));
    (a, b, buf)
}

async fn borrowed((client, mut server): (TcpStream, PollFd<TcpStream>)) -> (TcpStream, PollFd<TcpStream>) {
    let mut buf = [0; 16];
    {
        let mut read = poll_fn(|cx| server.poll_read_with(cx, |s| s.try_read(&mut buf)));
        assert!(waits(&mut read).await);
        client.write_all("borrowed").await.0.unwrap();
        assert_eq!(read.await.unwrap(), 8);
    }
    assert_eq!(&buf[..8], b"borrowed");
    (client, server)
}

async fn streamed((client, mut stream): (TcpStream, RecvStream)) -> (TcpStream, RecvStream) {
    client.write_all("in a buffer of the driver's").await.0.unwrap();
    let piece = stream.next().await.unwrap().unwrap();
    assert_eq!(&*piece, b"in a buffer of the driver's");
    (client, stream)
}

/// A reply as a server sends it: the buffer comes back with the next event.
async fn lazy((client, server, buf): (TcpStream, TcpStream, Vec<u8>)) -> (TcpStream, TcpStream, Vec<u8>) {
    let mut sending = server.write_lazy("a reply").unwrap();
    let (n, buf) = client.read(buf).await;
    assert_eq!((n.unwrap(), &*buf), (7, &b"a reply"[..]));
    let (sent, _) = match sending.try_finish() {
        Some(done) => done,
        None => sending.await,
    };
    assert_eq!(sent.unwrap(), 7);
    (client, server, buf)
}

#[test]
fn operations_on_sockets_allocate_nothing() {
    for driver in drivers() {
        watchdog(&format!("{driver}"), move || {
            Setup { driver, workers: 0 }.run(async {
                let (client, server) = pair().await;
                let room = || Vec::with_capacity(64);
                assert_eq!(steady((client, server, room()), reads).await, 0, "reads and writes");
                let (client, server) = pair().await;
                assert_eq!(steady((client, server, room()), lazy).await, 0, "lazy writes");
                let (client, server) = pair().await;
                let rooms = [Vec::with_capacity(3), room()];
                assert_eq!(steady((client, server, rooms), vectored).await, 0, "vectored");
                let (a, b) = (UdpSocket::bind(LOOPBACK).unwrap(), UdpSocket::bind(LOOPBACK).unwrap());
                assert_eq!(steady((a, b, room()), datagrams).await, 0, "datagrams");
                let (client, server) = pair().await;
                let server = PollFd::new(server).unwrap();
                assert_eq!(steady((client, server), borrowed).await, 0, "borrowed reads");
                let (client, server) = pair().await;
                let stream = server.recv_stream();
                assert_eq!(steady((client, stream), streamed).await, 0, "a stream of pieces");
            });
        });
    }
}
