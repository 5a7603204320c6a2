//! Sockets for tests: connected pairs, bytes that tell a shift, one poll at a time.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;

use ouzel::net::{TcpListener, TcpStream};

/// This machine, any port.
pub const LOOPBACK: &str = "127.0.0.1:0";

/// A listener on the loopback, and its address.
#[must_use]
pub fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Two connected streams without delays.
pub async fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listener();
    // The backlog completes the handshake, so connecting first does not wait for the accept.
    let client = TcpStream::connect(address).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    (client, server)
}

/// Bytes that differ at every position, so that a shift, a gap or a double is seen.
#[must_use]
pub fn pattern(n: usize, seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .collect()
}

/// Reads `n` bytes in pieces.
///
/// # Errors
/// The stream's; its early end.
pub async fn read_exactly(stream: &TcpStream, n: usize) -> io::Result<Vec<u8>> {
    let mut all = Vec::with_capacity(n);
    while all.len() < n {
        let (got, buf) = stream.read(Vec::with_capacity((n - all.len()).min(64 * 1024))).await;
        if got? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        all.extend_from_slice(&buf);
    }
    Ok(all)
}

/// Polls `future` once and reports whether it waits.
pub async fn waits<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// Drives both; the second one's output.
///
/// # Panics
/// When one of them does.
pub async fn both<T>(first: impl Future<Output = ()>, second: impl Future<Output = T>) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut over = None;
    let mut fed = false;
    poll_fn(|cx| {
        fed = fed || first.as_mut().poll(cx).is_ready();
        if over.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(cx)
        {
            over = Some(output);
        }
        if fed && over.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    over.expect("the loop ends with it")
}
