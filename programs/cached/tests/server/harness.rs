//! The program started, and a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, Process, connect};

pub(crate) const DRIVERS: [&str; 2] = ["uring", "epoll"];

pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) out: BufReader<std::process::ChildStdout>,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: String,
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ouzel-cached"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Server {
    /// None: this machine does not have the driver.
    pub(crate) fn start(driver: &str, args: &[&str]) -> Option<Self> {
        let common = ["-p", "0", "-l", "127.0.0.1", "-t", "1", "-m", "16", "--driver", driver];
        Server::spawn(command(&[&common[..], args].concat()), driver)
    }

    pub(crate) fn spawn(mut command: Command, driver: &str) -> Option<Self> {
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process(child);
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(place) = line.strip_prefix("listening on ") else {
            let mut why = String::new();
            process.0.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            assert!(driver == "uring" && why.contains("thread 0"), "it did not start: {line}{why}");
            println!("skipped: no io_uring here: {why}");
            return None;
        };
        let address = place.split(' ').next().unwrap();
        let address = address.parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 1)));
        let metrics = line.split("http://").nth(1).unwrap_or_default().trim().replace("/metrics", "");
        Some(Server { process, out, address, metrics })
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(connect(self.address))
    }

    pub(crate) fn signal(&self, number: i32) {
        // SAFETY: the number of a child that was not waited for.
        assert_eq!(unsafe { libc::kill(self.process.0.id() as i32, number) }, 0);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        let mut client = self.client();
        client.send(b"stats\r\n");
        loop {
            let line = client.line();
            assert_ne!(line, "END", "no {name}");
            if let Some(value) = line.strip_prefix(&format!("STAT {name} ")) {
                return value.parse().unwrap();
            }
        }
    }

    /// Bytes of memory the process has now.
    pub(crate) fn resident(&self) -> usize {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.process.0.id())).unwrap();
        text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
}

pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: BufReader<S>,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Client { stream: BufReader::new(stream) }
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut all = vec![0; n];
        self.stream.read_exact(&mut all).unwrap();
        all
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> String {
        self.send(request);
        self.line()
    }

    pub(crate) fn at_end(&mut self) -> bool {
        // A reset is an end too.
        matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }

    pub(crate) fn set(&mut self, key: &str, value: &[u8]) -> String {
        let head = format!("set {key} 0 0 {}\r\n", value.len());
        self.ask(&[head.as_bytes(), value, b"\r\n"].concat())
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        let line = self.ask(format!("get {key}\r\n").as_bytes());
        let len = line.strip_prefix("VALUE ")?.rsplit(' ').next().unwrap().parse().unwrap();
        let value = self.bytes(len);
        assert_eq!(self.bytes(7), b"\r\nEND\r\n");
        Some(value)
    }
}

/// Bytes that tell a shift.
pub(crate) fn pattern(n: usize, seed: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 31 + i / 251 + seed * 7) as u8).collect()
}

pub(crate) fn on_each(args: &[&str], test: impl Fn(Server)) {
    DRIVERS.iter().filter_map(|driver| Server::start(driver, args)).for_each(test);
}
