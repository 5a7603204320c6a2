//! Clients outside the traced process, on blocking sockets with time limits.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const CONNECTIONS: u32 = 12;
const REQUESTS: u32 = 10;
/// Longer than a segment, so that a reply comes in several.
const SIZES: [usize; 3] = [5, 700, 40_000];
const PATIENCE: Duration = Duration::from_secs(300);

/// What the clients saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answered: u32,
    pub(crate) lost: u32,
    pub(crate) wrong: u32,
}

/// Connects again and again and has bytes echoed. With `nudge`, a reply that does not come is helped along.
///
/// # Panics
/// When the server does not answer and does not hang up either.
pub(crate) fn run(port: u16, nudge: bool) -> Seen {
    let mut seen = Seen::default();
    for n in 0..CONNECTIONS {
        let before = seen.answered;
        let whole = connection(port, n, nudge, &mut seen);
        if !whole {
            seen.lost += 1;
        } else {
            assert_eq!(seen.answered - before, REQUESTS);
        }
    }
    seen
}

/// Whether the connection lasted.
fn connection(port: u16, n: u32, nudge: bool, seen: &mut Seen) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    // Not accepted yet, if accepting has to be nudged: the next connection does it.
    let _second = nudge.then(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(if nudge { 100 } else { 5_000 }))).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut ahead = Vec::new();
    for request in 0..REQUESTS {
        let size = SIZES[((n + request) % 3) as usize];
        let bytes: Vec<u8> = (0..size).map(|i| (i as u32 * 31 + n * 7 + request * 3) as u8).collect();
        if stream.write_all(&bytes).is_err() {
            return false;
        }
        ahead.extend_from_slice(&bytes);
        while !ahead.is_empty() {
            match answer(&mut stream, &mut ahead, nudge) {
                Some(true) => {}
                Some(false) => {
                    seen.wrong += 1;
                    return false;
                }
                None => return false,
            }
        }
        seen.answered += 1;
    }
    true
}

/// Some of the reply: right or wrong. `None`: the connection is over.
fn answer(stream: &mut TcpStream, ahead: &mut Vec<u8>, nudge: bool) -> Option<bool> {
    let (mut buf, start) = ([0; 16 << 10], Instant::now());
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return None,
            Ok(n) => {
                let right = n <= ahead.len() && ahead[..n] == buf[..n];
                ahead.drain(..n.min(ahead.len()));
                return Some(right);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert!(start.elapsed() < PATIENCE, "no answer: {} bytes are missing", ahead.len());
                if nudge {
                    stream.write_all(b"?").ok()?;
                    ahead.push(b'?');
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
