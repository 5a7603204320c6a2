//! One running server: started, asked for its counters, its CPU time read, stopped.

use super::build::Built;
use crate::cpu;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to accept its first connection.
const START: Duration = Duration::from_secs(60);

/// See the module. The process ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    driver: String,
    child: Child,
    addr: SocketAddr,
    control: BufReader<TcpStream>,
    log: PathBuf,
}

/// What the server and the system count, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// The `STAT` lines whose value is a number.
    pub(crate) stats: HashMap<String, u64>,
    /// CPU time of all threads.
    pub(crate) cpu: Duration,
}

impl Server {
    /// Starts the server on a free port and waits until it accepts.
    pub(crate) fn start(built: &Built, driver: &str, threads: u32) -> Result<Self, String> {
        Self::start_with(built, driver, &["-t", &threads.to_string()])
    }

    /// As `start`, told more.
    pub(crate) fn start_with(built: &Built, driver: &str, args: &[&str]) -> Result<Self, String> {
        let port = free_port().map_err(|e| format!("no free port: {e}"))?;
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let log = built.dir.join(format!("kv-{driver}.log"));
        let out = File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let err = out.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
        let mut child = Command::new(&built.kv)
            .args(["-p", &port.to_string(), "--driver", driver])
            .args(args)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|e| format!("{}: {e}", built.kv.display()))?;
        let control = match connect(&mut child, addr) {
            Ok(stream) => BufReader::new(stream),
            Err(e) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{e}{}", last_words(&log)));
            }
        };
        let mut server = Server { driver: driver.into(), child, addr, control, log };
        let told = server.ask_stats()?.into_iter().find(|(name, _)| name == "driver").map(|(_, v)| v);
        match told {
            Some(told) if told.contains(driver) => Ok(server),
            Some(told) => Err(format!("it was told {driver} and runs on {told}")),
            None => Err("its stats name no driver".into()),
        }
    }

    pub(crate) fn driver(&self) -> &str {
        &self.driver
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Reads all counters.
    pub(crate) fn counters(&mut self) -> Result<Counters, String> {
        let stats = self.ask_stats()?;
        let numbers = stats.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?)));
        let cpu = cpu::time_of(self.child.id()).map_err(|e| format!("CPU time of the server: {e}"))?;
        Ok(Counters { stats: numbers.collect(), cpu })
    }

    fn ask_stats(&mut self) -> Result<Vec<(String, String)>, String> {
        let asked = self.control.get_mut().write_all(b"stats\r\n");
        let told = asked.and_then(|()| read_stats(&mut self.control));
        told.map_err(|e| format!("{} did not answer stats: {e}{}", self.driver, last_words(&self.log)))
    }

    /// Ends the server, which must still be running.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!(
                "the server on {} ended by itself: {status}{}",
                self.driver,
                last_words(&self.log)
            )),
            Err(e) => Err(format!("the server on {}: {e}", self.driver)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Connects as soon as the server accepts.
pub(crate) fn connect(child: &mut Child, addr: SocketAddr) -> Result<TcpStream, String> {
    let start = Instant::now();
    loop {
        if let Ok(stream) = TcpStream::connect(addr) {
            let timeout = stream.set_read_timeout(Some(Duration::from_secs(60)));
            return timeout
                .and_then(|()| stream.set_nodelay(true))
                .map(|()| stream)
                .map_err(|e| e.to_string());
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("the server ended with {status}"));
        }
        if start.elapsed() > START {
            return Err(format!("no connection within {} s", START.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `STAT name value` lines up to `END`.
fn read_stats(input: &mut impl BufRead) -> std::io::Result<Vec<(String, String)>> {
    let mut stats = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut words = line.trim_end().splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("END"), None, None) => return Ok(stats),
            (Some("STAT"), Some(name), Some(value)) => stats.push((name.into(), value.into())),
            _ => return Err(std::io::Error::other(format!("unexpected line {:?}", line.trim_end()))),
        }
    }
}

/// The end of the server's log, for an error message.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.trim_end().lines().last().map_or(String::new(), |line| format!(" ({line})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat_lines_to_the_end_and_no_further() {
        let mut input = &b"STAT driver uring: all features\r\nSTAT enters 12\r\nEND\r\nrest"[..];
        let stats = read_stats(&mut input).unwrap();
        assert_eq!(stats[0], ("driver".into(), "uring: all features".into()));
        assert_eq!(stats[1], ("enters".into(), "12".into()));
        assert_eq!(input, b"rest");
        assert!(read_stats(&mut &b"ERROR\r\n"[..]).is_err());
        assert!(read_stats(&mut &b"STAT a 1\r\n"[..]).is_err());
    }
}
