//! `ouzel-echo`: the load of the echo cases. One thread, one epoll, and no unchecked byte.
//!
//! ```text
//! connect -> warm-up -> `ready` -> (a line on stdin) -> a turn -> `done` -> (a line: another turn; end of stdin) -> close
//! ```
//! Each connection sends messages of 64 bytes whose words depend on connection and position, keeps up to
//! `depth` of them unanswered, and compares what comes back word by word, in order.

use crate::place::{Link, Place};
use hdrhistogram::Histogram;
use rustix::event::epoll;
use rustix::thread::CpuSet;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Bytes of a message.
pub const MESSAGE: usize = 64;
/// How long nothing may come back before that is an error.
const STALL: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub addr: Place,
    /// Connections.
    pub connections: u64,
    /// Messages unanswered on each.
    pub depth: u64,
    /// Messages of a turn, exactly.
    pub ops: u64,
    /// Messages before the first one.
    pub warmup: u64,
    /// Note how long each takes.
    pub latency: bool,
}

/// A load, connected and warm.
#[derive(Debug)]
pub struct Echo<'a> {
    options: &'a Options,
    epoll: OwnedFd,
    connections: Vec<Connection>,
}

impl<'a> Echo<'a> {
    /// Connects, and sends the messages of the warm-up.
    ///
    /// # Errors
    /// The system's, a wrong byte, a lost connection, ten seconds of silence.
    pub fn open(options: &'a Options) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connections = (0..options.connections)
            .map(|id| Connection::open(&options.addr, id))
            .collect::<io::Result<Vec<_>>>()?;
        for c in &connections {
            epoll::add(&epoll, c.stream.as_fd(), epoll::EventData::new_u64(c.id), epoll::EventFlags::IN)?;
        }
        let mut echo = Echo { options, epoll, connections };
        echo.send(options.warmup)?;
        Ok(echo)
    }

    /// Sends the messages of a turn. Nanoseconds from the look in which a message was sent to the one in which it came back;
    /// empty unless asked for.
    ///
    /// # Errors
    /// As [`Echo::open`].
    pub fn turn(&mut self) -> io::Result<Histogram<u64>> {
        self.send(self.options.ops)
    }

    fn send(&mut self, messages: u64) -> io::Result<Histogram<u64>> {
        let mut latency =
            Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("a minute, with three digits");
        drive(self.options, &self.epoll, &mut self.connections, messages, &mut latency)?;
        Ok(latency)
    }
}

/// Sends `messages`, spread over the connections, and receives as many.
fn drive(
    options: &Options,
    epoll: &OwnedFd,
    all: &mut [Connection],
    messages: u64,
    latency: &mut Histogram<u64>,
) -> io::Result<()> {
    let mut left = messages;
    for c in &mut *all {
        c.to_send = messages / options.connections + u64::from(c.id < messages % options.connections);
        c.send(options.depth)?;
        c.stamp(options.latency, latency);
    }
    let stall = rustix::event::Timespec::try_from(STALL).expect("a few seconds fit");
    let mut events = Vec::with_capacity(256);
    let mut buf = vec![0; 64 * 1024];
    while left > 0 {
        events.clear();
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&stall)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            let c = &mut all[event.data.u64() as usize];
            left -= c.receive(&mut buf)?;
            c.send(options.depth)?;
            c.stamp(options.latency, latency);
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Connection {
    id: u64,
    stream: Link,
    /// Messages still to be sent in this phase.
    to_send: u64,
    /// Messages sent, and received back, since the connection was made.
    sent: u64,
    received: u64,
    /// Bytes the socket had no room for.
    unsent: Vec<u8>,
    /// The first bytes of a message whose rest has not come.
    half: Vec<u8>,
    /// When each unanswered message was sent, if that is to be known.
    since: VecDeque<Instant>,
    /// Of the messages received, how many were noted.
    noted: u64,
}

impl Connection {
    /// Connects and waits for the answer to a first message: a server that has not accepted yet would let
    /// the next ones pile up until the system refuses them.
    fn open(addr: &Place, id: u64) -> io::Result<Self> {
        let mut stream = Link::open(addr, STALL)?;
        let mut got = [0; MESSAGE];
        stream.send(&message(id, 0), MESSAGE)?;
        stream.read_exact(&mut got)?;
        check(id, 0, &got)?;
        stream.set_nonblocking()?;
        let (unsent, half, since) = (Vec::new(), Vec::new(), VecDeque::new());
        Ok(Connection { id, stream, to_send: 0, sent: 1, received: 1, unsent, half, since, noted: 1 })
    }

    /// After a turn: notes how long the messages took that came back in it, and when those were sent that went out.
    fn stamp(&mut self, wanted: bool, latency: &mut Histogram<u64>) {
        if !wanted {
            return;
        }
        let (now, unanswered) = (Instant::now(), (self.sent - self.received) as usize);
        // As many as were answered in this turn are gone from the front; as many as were sent come to the end.
        let answered = self.received - self.noted;
        self.noted = self.received;
        for then in self.since.drain(..(answered as usize).min(self.since.len())) {
            latency.saturating_record(u64::try_from(now.duration_since(then).as_nanos()).unwrap_or(u64::MAX));
        }
        self.since.resize(unanswered, now);
    }

    fn send(&mut self, depth: u64) -> io::Result<()> {
        while self.to_send > 0 && self.sent - self.received < depth {
            self.unsent.extend_from_slice(&message(self.id, self.sent));
            self.sent += 1;
            self.to_send -= 1;
        }
        // A full socket has answers on their way, and with the next of them the rest is sent.
        while !self.unsent.is_empty() {
            match self.stream.send(&self.unsent, MESSAGE) {
                Ok(n) => drop(self.unsent.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Takes what has come; returns how many messages that completed.
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<u64> {
        let n = match self.stream.read(buf) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(e) => return Err(e),
        };
        let before = self.received;
        self.half.extend_from_slice(&buf[..n]);
        let mut messages = self.half.chunks_exact(MESSAGE);
        for got in &mut messages {
            if self.received == self.sent {
                return Err(wrong(self.id, "an answer to nothing".into()));
            }
            check(self.id, self.received, got)?;
            self.received += 1;
        }
        self.half = messages.remainder().to_vec();
        Ok(self.received - before)
    }
}

/// Message `n` of a connection: no two are the same.
fn message(connection: u64, n: u64) -> [u8; MESSAGE] {
    let mut bytes = [0; MESSAGE];
    for (i, word) in bytes.chunks_exact_mut(8).enumerate() {
        let w = (connection << 40 | n << 3 | i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        word.copy_from_slice(&w.to_le_bytes());
    }
    bytes
}

fn check(connection: u64, n: u64, got: &[u8]) -> io::Result<()> {
    let right = got == message(connection, n);
    if right { Ok(()) } else { Err(wrong(connection, format!("wrong bytes in answer {n}"))) }
}

fn wrong(connection: u64, what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("connection {connection}: {what}"))
}

/// The CPUs this process may use.
///
/// # Errors
/// The system's.
pub fn cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Keeps this thread, and those it will start, on `cpus`.
///
/// # Errors
/// The system's.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{SocketAddr, TcpListener};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Echoes one connection, after `spoil` had the bytes.
    fn server(spoil: impl Fn(&mut [u8]) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buf = [0; 100]; // no multiple of a message: answers come in pieces
            while let Ok(n @ 1..) = stream.read(&mut buf) {
                spoil(&mut buf[..n]);
                if stream.write_all(&buf[..n]).is_err() {
                    return;
                }
            }
        });
        addr
    }

    fn options(addr: SocketAddr) -> Options {
        Options { addr: Place::Tcp(addr), connections: 1, depth: 3, ops: 50, warmup: 10, latency: true }
    }

    #[test]
    fn a_right_server_passes() {
        let options = options(server(|_| ()));
        let mut echo = Echo::open(&options).unwrap();
        for _ in 0..3 {
            let latency = echo.turn().unwrap();
            assert!(latency.min() >= 100, "{} ns for a round trip", latency.min());
            assert_eq!(latency.len(), 50, "a turn's own");
        }
    }

    #[test]
    fn one_wrong_bit_is_caught() {
        let before = AtomicU64::new(0);
        let addr = server(move |bytes| {
            // One bit in the sixth message, and none in the first, with which the connection is made.
            let first = before.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let place = 5 * MESSAGE as u64 + 7;
            if (first..first + bytes.len() as u64).contains(&place) {
                bytes[(place - first) as usize] ^= 1;
            }
        });
        let e = Echo::open(&options(addr)).unwrap_err();
        assert!(e.to_string().contains("answer 5"), "{e}");
    }

    #[test]
    fn no_two_messages_are_alike() {
        let all: std::collections::HashSet<_> =
            (0..20).flat_map(|c| (0..20).map(move |n| message(c, n))).collect();
        assert_eq!(all.len(), 400);
    }
}
