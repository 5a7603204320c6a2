//! A server of a few lines to test the load generator against, with faults on request.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What the server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Flips one bit of one byte of the n-th GET's value.
    CorruptByte(u64),
    /// Answers the n-th GET with the value before the last SET.
    StaleValue(u64),
    /// Answers the n-th GET with `END` alone.
    Miss(u64),
    /// Sends the n-th GET's reply twice.
    Twice(u64),
    /// Closes the connection at the n-th GET.
    Close(u64),
    /// Never answers the n-th GET.
    Silent(u64),
}

struct Item {
    flags: String,
    value: Vec<u8>,
    before: Option<(String, Vec<u8>)>,
}

struct Shared {
    fault: Fault,
    gets: AtomicU64,
    items: Mutex<HashMap<String, Item>>,
}

/// Starts a server on a free port; it lives as long as the process.
pub(super) fn start(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let shared = Arc::new(Shared { fault, gets: AtomicU64::new(0), items: Mutex::new(HashMap::new()) });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream.unwrap(), &shared));
        }
    });
    addr
}

fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut out = stream.try_clone().ok()?;
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["set", key, flags, _, len, ..] => {
                let mut value = vec![0; len.parse::<usize>().ok()? + 2];
                input.read_exact(&mut value).ok()?;
                value.truncate(value.len() - 2);
                let mut items = shared.items.lock().unwrap();
                let before = items.remove(key).map(|i| (i.flags, i.value));
                items.insert(key.into(), Item { flags: flags.into(), value, before });
                if words.len() == 5 {
                    out.write_all(b"STORED\r\n").ok()?;
                }
            }
            ["get", key] => out.write_all(&get(shared, key)?).ok()?,
            _ => out.write_all(b"ERROR\r\n").ok()?,
        }
    }
}

/// The answer to one GET; `None` ends the connection.
fn get(shared: &Shared, key: &str) -> Option<Vec<u8>> {
    let n = shared.gets.fetch_add(1, Ordering::Relaxed) + 1;
    let items = shared.items.lock().unwrap();
    let Some(item) = items.get(key) else { return Some(b"END\r\n".to_vec()) };
    let (mut flags, mut value) = (item.flags.clone(), item.value.clone());
    let mut repeat = 1;
    match shared.fault {
        Fault::CorruptByte(at) if n == at => {
            let i = value.len() / 2;
            value[i] ^= 0x10;
        }
        Fault::StaleValue(at) if n >= at => {
            if let Some((f, v)) = &item.before {
                (flags, value) = (f.clone(), v.clone());
            }
        }
        Fault::Miss(at) if n == at => return Some(b"END\r\n".to_vec()),
        Fault::Twice(at) if n == at => repeat = 2,
        Fault::Close(at) if n == at => return None,
        Fault::Silent(at) if n == at => return Some(Vec::new()),
        _ => {}
    }
    let mut reply = format!("VALUE {key} {flags} {}\r\n", value.len()).into_bytes();
    reply.extend_from_slice(&value);
    reply.extend_from_slice(b"\r\nEND\r\n");
    Some(reply.repeat(repeat))
}
