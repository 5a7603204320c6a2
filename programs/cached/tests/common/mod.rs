//! A session without a network, and memcached where there is one.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ouzel_cached::counters::Counters;
use ouzel_cached::proto::{Alone, Cx, Output, Session};
use ouzel_cached::store::{Held, Store};

/// Splitmix64: Steele, Lea, Flood, 2014.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// A store and one client of it.
pub(crate) struct Ours {
    pub(crate) store: Store,
    pub(crate) session: Session,
    pub(crate) count: Counters,
    /// Bytes not taken yet.
    pub(crate) waiting: Vec<u8>,
}

impl Ours {
    pub(crate) fn new(memory: usize) -> Self {
        let store = Store::new(memory, 1 << 20, 1).unwrap();
        Ours { store, session: Session::new(), count: Counters::default(), waiting: Vec::new() }
    }

    /// Feeds `input` and takes the replies until no more come.
    pub(crate) fn ask(&mut self, input: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(input);
        let mut replies = Vec::new();
        loop {
            let mut out = Output::default();
            let now = self.store.now();
            let held = Held::new(&self.store);
            let mut cx = Cx {
                held,
                out: &mut out,
                count: &self.count,
                host: &Alone { item_max: 1 << 20 },
                now,
                turns: 7,
            };
            let taken = self.session.feed(&self.waiting, &mut cx);
            drop(cx);
            self.waiting.drain(..taken);
            replies.extend(out.to_vec());
            let idle = out.is_empty() && taken == 0;
            out.clear(&self.store);
            if idle || self.session.end().is_some() {
                return replies;
            }
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.session.close(&self.store);
    }
}

/// Ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where nobody listens, for now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// For what takes moments, on a machine that does nothing else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to what has just been started.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    try_connect(address, || true).unwrap_or_else(|| panic!("nobody listens on {address}"))
}

/// None: whoever should listen has ended, or does not listen in a long time.
fn try_connect(address: SocketAddr, mut lives: impl FnMut() -> bool) -> Option<TcpStream> {
    let begun = Instant::now();
    while lives() && begun.elapsed() < PATIENCE {
        if let Ok(stream) = TcpStream::connect(address)
            // Where nobody listens yet, a socket may be given that very port and meet itself.
            && stream.local_addr().unwrap() != address
        {
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            return Some(stream);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// A memcached, if there is one.
pub(crate) fn memcached(args: &[&str]) -> Option<(Process, TcpStream)> {
    for _ in 0..5 {
        let port = free_port();
        let started = Command::new("memcached")
            .args(["-p", &port.to_string(), "-U", "0", "-l", "127.0.0.1", "-u", "nobody"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match started {
            Ok(child) => Process(child),
            Err(e) => {
                println!("skipped: no memcached to compare with ({e}); on Debian: apt-get install memcached");
                return None;
            }
        };
        let lives = || matches!(child.0.try_wait(), Ok(None));
        let stream = try_connect(SocketAddr::from(([127, 0, 0, 1], port)), lives);
        // The port may have been somebody else's by then, whom our child has not yet met.
        if let Some(mut stream) = stream
            && is_of(&mut stream, child.0.id())
        {
            return Some((child, stream));
        }
    }
    panic!("memcached does not start");
}

/// Whether the process `id` is at the other end.
fn is_of(stream: &mut TcpStream, id: u32) -> bool {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    let asked = stream.write_all(b"stats\r\nmn\r\n");
    while asked.is_ok() && !all.ends_with(DONE) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(n) => all.extend_from_slice(&part[..n]),
        }
    }
    String::from_utf8_lossy(&all).contains(&format!("STAT pid {id}\r\n"))
}

/// What answers a no-op.
const DONE: &[u8] = b"MN\r\n";

/// Sends `request`, and reads what comes up to the answer to the no-op at its end.
pub(crate) fn ask(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    ask_as(stream, request, DONE)
}

/// The same of a request to which `ours` is our reply. If that does not end with the no-op's, which was taken for part of
/// a value then, nothing but the number of lines says when all has come.
pub(crate) fn ask_as(stream: &mut TcpStream, request: &[u8], ours: &[u8]) -> Vec<u8> {
    stream.write_all(request).unwrap();
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    let mut patience = PATIENCE;
    while !all.ends_with(DONE) {
        if !ours.ends_with(DONE) && lines(&all) >= lines(ours) {
            // A line more would be wrong; that it comes late is missed here, and noticed by the next command.
            patience = Duration::from_millis(100);
        }
        stream.set_read_timeout(Some(patience)).unwrap();
        match stream.read(&mut part) {
            Ok(0) => panic!("closed after {:?}", String::from_utf8_lossy(request)),
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(_) => break,
        }
    }
    all
}

/// A command, right or a little wrong: `~` is the end of a line, `@k` the cas of `k`.
pub(crate) fn random_command(random: &mut Random) -> String {
    let key = random.one_of(&["a", "b", "c", "longer-key"]);
    let value = random.one_of(&["", "1", "12", "99", "abc", "value with blanks", "0"]);
    let noreply = random.one_of(&["", "", "", " noreply"]);
    let flags = random.one_of(&[
        "", " k", " v", " s", " f", " Oab", " q", " t", " b", " c", " h", " T60", " N60", " k v", " q k v",
        " I", " M+", " MA", " ME", " MR", " D5", " J9",
    ]);
    let more = random.one_of(&["", "", "", " F9", " Oxy", " q", " k", " C1", " C@a", " v t"]);
    let len = value.len();
    match random.below(22) {
        0..4 => format!("set {key} 3 0 {len}{noreply}~{value}~"),
        4 => format!("add {key} 4 0 {len}{noreply}~{value}~"),
        5 => format!("replace {key} 5 0 {len}{noreply}~{value}~"),
        6 => format!("append {key} 6 0 {len}{noreply}~{value}~"),
        7 => format!("prepend {key} 7 0 {len}{noreply}~{value}~"),
        8 => format!("cas {key} 8 0 {len} @{key}{noreply}~{value}~"),
        9 => format!("cas {key} 8 0 {len} 3~{value}~"),
        10 => format!("get {key} a b~"),
        11 => format!("gets {key}~"),
        12 => format!("incr {key} {len}{noreply}~"),
        13 => format!("decr {key} {len}{noreply}~"),
        14 => format!("delete {key}{noreply}~"),
        15 => format!("touch {key} 100{noreply}~"),
        16 => format!("gat 100 {key} c~"),
        17 => format!("ms {key} {len}{flags}{more}~{value}~"),
        18 => format!("md {key}{flags}{more}~"),
        19 => format!("ma {key}{flags}{more}~"),
        20 => format!("mg {key}{flags}{more}~"),
        _ => random.one_of(&["flush_all~", "verbosity 1~", "nothing~", "set a 0 0 2~abc~", "~"]).to_owned(),
    }
}
