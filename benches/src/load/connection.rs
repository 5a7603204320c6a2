//! One connection: its keys, its pipeline, its two buffers.

use super::bare::ONE;
use super::error::LoadError;
use super::expect::{Checked, Expect, Protocol, Request, append_set};
use super::values::{Recipe, ValueId, splitmix};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Instant;

/// Bytes asked for in one read.
const READ_BYTES: usize = 64 * 1024;
/// Unsent bytes above which no further request is put into the buffer.
const SEND_BYTES: usize = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    protocol: Protocol,
    keys: Range<u64>,
    versions: Vec<u32>,
    random: u64,
    outstanding: VecDeque<Expect>,
    output: Vec<u8>,
    written: usize,
    /// Received and not yet checked are the first `filled` bytes; the rest is room, zeroed only once.
    input: Vec<u8>,
    filled: usize,
}

/// Which requests to send.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mix {
    /// SET every key once, in order.
    Preload,
    /// SETs with a probability of `.0 / 2^32`, else GETs.
    Random(u64),
    /// GETs of keys that are not there.
    Misses,
    /// As many SETs without a reply as the pipeline is deep, and a GET of the last key that was set.
    Noreply,
    /// GETs of the value that `bare` has.
    One,
}

impl Connection {
    /// Connects, without Nagle's delay, and owns `keys` from now on.
    pub(super) fn open(
        addr: SocketAddr,
        protocol: Protocol,
        keys: Range<u64>,
        seed: u64,
    ) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            protocol,
            versions: vec![0; (keys.end - keys.start) as usize],
            random: seed ^ keys.start.rotate_left(32),
            keys,
            outstanding: VecDeque::new(),
            output: Vec::new(),
            written: 0,
            input: Vec::new(),
            filled: 0,
        })
    }

    /// Requests sent and not yet answered.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether bytes wait for the socket to take them.
    pub(super) fn wants_write(&self) -> bool {
        self.written < self.output.len()
    }

    /// Whether every key has been set at least once.
    pub(super) fn preloaded(&self) -> bool {
        self.versions.last().is_none_or(|v| *v > 0)
    }

    /// Puts requests into the pipeline until `depth` are outstanding.
    pub(super) fn fill(&mut self, depth: usize, mix: Mix, recipe: &Recipe, now: Instant) {
        while self.outstanding.len() < depth && self.output.len() - self.written < SEND_BYTES {
            let mut unanswered = 0;
            let what = match mix {
                Mix::Preload => match self.versions.iter().position(|v| *v == 0) {
                    Some(i) => self.set(i),
                    None => return,
                },
                Mix::Random(sets) => {
                    let r = splitmix(&mut self.random);
                    let i = ((r >> 32) as usize) % self.versions.len();
                    if r & 0xFFFF_FFFF < sets { self.set(i) } else { Request::Get(self.id(i)) }
                }
                Mix::Misses => {
                    let i = self.any();
                    Request::Miss(self.id(i).key)
                }
                Mix::One => ONE,
                Mix::Noreply if !self.outstanding.is_empty() => return,
                Mix::Noreply => {
                    let mut last = 0;
                    for _ in 0..depth {
                        last = self.any();
                        self.versions[last] += 1;
                        append_set(self.id(last), " noreply", recipe, &mut self.output);
                    }
                    unanswered = depth as u32;
                    Request::Get(self.id(last))
                }
            };
            what.append(self.protocol, recipe, &mut self.output);
            self.outstanding.push_back(Expect { what, sent: now, unanswered });
        }
    }

    fn any(&mut self) -> usize {
        (splitmix(&mut self.random) >> 32) as usize % self.versions.len()
    }

    fn id(&self, i: usize) -> ValueId {
        ValueId { key: self.keys.start + i as u64, version: self.versions[i] }
    }

    fn set(&mut self, i: usize) -> Request {
        self.versions[i] += 1;
        Request::Set(self.id(i))
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), LoadError> {
        while self.wants_write() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what is there, checks it, and calls `answered` for each whole response.
    pub(super) fn receive(
        &mut self,
        recipe: &Recipe,
        scratch: &mut Vec<u8>,
        mut answered: impl FnMut(&Expect),
    ) -> Result<(), LoadError> {
        loop {
            let room = self.filled + READ_BYTES;
            if self.input.len() < room {
                self.input.resize(room, 0);
            }
            match self.stream.read(&mut self.input[self.filled..room]) {
                Ok(0) => return Err(LoadError::Closed),
                Ok(n) => {
                    self.filled += n;
                    self.check_input(recipe, scratch, &mut answered)?;
                    if n < READ_BYTES {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn check_input(
        &mut self,
        recipe: &Recipe,
        scratch: &mut Vec<u8>,
        answered: &mut impl FnMut(&Expect),
    ) -> Result<(), LoadError> {
        let mut used = 0;
        while used < self.filled {
            let Some(expect) = self.outstanding.front() else {
                let extra = String::from_utf8_lossy(&self.input[used..self.filled])
                    .chars()
                    .take(60)
                    .collect::<String>();
                return Err(LoadError::Wrong(format!("bytes that nobody asked for: {extra:?}")));
            };
            match expect.what.check(self.protocol, recipe, &self.input[used..self.filled], scratch) {
                Checked::Partial => break,
                Checked::Wrong(what) => return Err(LoadError::Wrong(what)),
                Checked::Whole(n) => {
                    answered(expect);
                    self.outstanding.pop_front();
                    used += n;
                }
            }
        }
        self.input.copy_within(used..self.filled, 0);
        self.filled -= used;
        Ok(())
    }
}
