//! The servers as programs, and a client that compares what it is answered.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::cc;

/// For what must come about; then the test has failed.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server's program, and the driver it is to run on.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) program: &'static Path,
    pub(crate) driver: &'static str,
}

/// The same server in C and, with every version of Zig that is there, in Zig; each is built once.
pub(crate) fn programs() -> &'static [PathBuf] {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = cc::scratch("kv");
        let source = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let mut programs = vec![folder.join("kv-c")];
        cc::compile(&source("c/kv.c"), &programs[0], true);
        for zig in cc::Zig::all() {
            let program = folder.join(format!("kv-zig-{}", zig.version));
            zig.build(&source("zig/kv.zig"), &program);
            programs.push(program);
        }
        programs
    })
}

/// Calls `test` with each program on each driver.
pub(crate) fn on_each(test: impl Fn(Kind)) {
    for program in programs() {
        for driver in cc::drivers() {
            eprintln!("{} on {driver}", program.display());
            test(Kind { program, driver });
        }
    }
}

/// Waits for a state.
pub(crate) fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < PATIENCE, "{what}: waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    pub(crate) fn start(kind: Kind, args: &[&str]) -> Server {
        Server::spawn(Command::new(kind.program).args(["-p", "0", "--driver", kind.driver]).args(args))
    }

    pub(crate) fn spawn(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.strip_prefix("listening on ").and_then(|l| l.split(' ').next()).unwrap_or_default();
        let addr = addr.parse().unwrap_or_else(|e| panic!("{line:?}: {e}"));
        Server { child, addr }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }

    /// A field of its `/proc/PID/status`, in the unit it has there.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        value.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Descriptors below `end` that it has open.
    pub(crate) fn open_files(&self, end: u32) -> usize {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let numbers = folder.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
        numbers.filter(|number| *number < end).count()
    }

    /// Asks it to end with this signal, which must go well.
    pub(crate) fn end_by(mut self, signal: i32) {
        // SAFETY: our child has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
    }

    pub(crate) fn stop(self) {
        self.end_by(libc::SIGTERM);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn expect(&mut self, wanted: &[u8]) {
        let mut got = vec![0; wanted.len()];
        let mut n = 0;
        while n < got.len() {
            match self.0.read(&mut got[n..]) {
                Ok(0) => panic!("closed after {:?}", shown(&got[..n])),
                Ok(more) => n += more,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => panic!("{e} after {:?}", shown(&got[..n])),
            }
        }
        assert!(got == wanted, "got {:?}, not {:?}", shown(&got), shown(wanted));
    }

    /// The server closes now.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{:?} after the end", shown(&rest));
    }

    pub(crate) fn ask(&mut self, request: &[u8], wanted: &[u8]) {
        self.0.write_all(request).unwrap();
        self.expect(wanted);
    }

    pub(crate) fn stats(&mut self) -> HashMap<String, String> {
        self.0.write_all(b"stats\r\n").unwrap();
        let mut lines = BufReader::new(&self.0);
        let mut stats = HashMap::new();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if line == "END\r\n" {
                return stats;
            }
            let mut words = line.trim_end().splitn(3, ' ').skip(1);
            stats.insert(words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        }
    }

    /// Sends `requests` and no more; what came back.
    pub(crate) fn converse(self, requests: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (&self.0).write_all(requests).unwrap();
                self.0.shutdown(Shutdown::Write).unwrap();
            });
            (&self.0).read_to_end(&mut answer).unwrap();
        });
        answer
    }

    /// Closes at once, with a reset whatever is under way.
    pub(crate) fn reset(self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let size = size_of_val(&linger) as libc::socklen_t;
        // SAFETY: the descriptor is open, and the option is as long as said.
        let set = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size,
            )
        };
        assert_eq!(set, 0);
    }

    pub(crate) fn stat(&mut self, name: &str) -> u64 {
        self.stats()[name].parse().unwrap()
    }
}

pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}
