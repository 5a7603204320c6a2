//! The example servers `echo.c` and `echo.cpp`, and `own_loop.c`, on every driver.

mod cc;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

const CLIENTS: usize = 40;
/// More than the sockets and the server hold.
const BYTES: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(300);

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)
}

/// The programs, compiled once: C's and C++'s.
fn servers() -> &'static [PathBuf; 2] {
    static BUILT: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = cc::scratch("echo");
        let programs = [folder.join("echo-c"), folder.join("echo-cpp")];
        cc::compile(&source("c/echo.c"), &programs[0], true);
        cc::compile_cpp(&source("cpp/echo.cpp"), &programs[1], &["-O1"]);
        programs
    })
}

struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(program: &Path, driver: &str) -> Server {
        let mut child =
            Command::new(program).args(["--driver", driver]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.ends_with(&format!(" driver {driver}\n")), "{line:?}");
        let addr = line.strip_prefix("listening on ").and_then(|l| l.split(' ').next()).unwrap_or_default();
        Server { child, addr: addr.parse().unwrap_or_else(|e| panic!("{line:?}: {e}")) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Asks it to end, which must go well.
    fn stop(mut self) {
        // SAFETY: our child has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) }, 0);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls `f` with each server on each driver; it must still end well when asked to.
fn on_each(f: impl Fn(&Server)) {
    for program in servers() {
        for driver in cc::drivers() {
            let server = Server::start(program, driver);
            f(&server);
            server.stop();
        }
    }
}

#[test]
fn a_stream_longer_than_all_buffers_comes_back_whole() {
    let bytes: Vec<u8> = (0..BYTES).map(|i| (i * 31 + i / 251) as u8).collect();
    on_each(|server| {
        let mut stream = server.connect();
        // Nothing is read until no more can be written: the server has had to stop reading.
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut written = 0;
        while let Ok(n @ 1..) = stream.write(&bytes[written..]) {
            written += n;
        }
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        thread::scope(|scope| {
            let mut out = stream.try_clone().unwrap();
            let rest = &bytes[written..];
            scope.spawn(move || {
                out.write_all(rest).unwrap();
                out.shutdown(Shutdown::Write).unwrap();
            });
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            assert!(got == bytes, "{} bytes came back, not those sent", got.len());
        });
    });
}

#[test]
fn many_connections_at_once_get_their_own_bytes() {
    on_each(|server| {
        let mut streams: Vec<TcpStream> = (0..CLIENTS).map(|_| server.connect()).collect();
        for round in 0..20 {
            for (n, stream) in streams.iter_mut().enumerate() {
                stream.write_all(format!("{round} of {n};").as_bytes()).unwrap();
            }
            for (n, stream) in streams.iter_mut().enumerate() {
                let wanted = format!("{round} of {n};");
                let mut got = vec![0; wanted.len()];
                stream.read_exact(&mut got).unwrap();
                assert_eq!(String::from_utf8_lossy(&got), wanted);
            }
        }
    });
}

#[test]
fn a_peer_that_is_gone_does_no_harm_to_the_others() {
    on_each(|server| {
        let mut stays = server.connect();
        for _ in 0..20 {
            let mut leaves = server.connect();
            leaves.write_all(&[7; 100_000]).unwrap();
            drop(leaves); // unread answers: a reset
        }
        stays.write_all(b"still here").unwrap();
        let mut got = [0; 10];
        stays.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"still here");
    });
}

#[test]
fn a_host_with_its_own_epoll_loop_runs_tasks_timers_and_wakes() {
    let program = cc::scratch("own-loop").join("own_loop");
    cc::compile(&source("c/own_loop.c"), &program, true);
    for driver in cc::drivers() {
        let said = cc::run(&program, &[driver]);
        assert_eq!(said, format!("driver {driver}: ticks enough, round trips 1000, sleeps 10, wakes 100\n"));
    }
}
