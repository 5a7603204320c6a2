//! The traced process: an echo server in this same binary, told what to do by its environment.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ouzel::net::{TcpListener, TcpStream};
use ouzel::{Driver, Runtime};
use ouzel_tests::Setup;

const ENV: &str = "OUZEL_INJECTED";
/// How the task of the process that uses files begins.
const FILES: &str = "files ";
/// As there, of the one that copies a file.
const COPY: &str = "copy ";
/// As there, of the one that moves bytes in all ways.
const TRANSFERS: &str = "transfers ";
/// The task of the one that loses bytes when a write is short.
const CARELESS: &str = "careless";

/// What the server counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Connections that ended with an error.
    pub(crate) failed: u64,
    /// Accepts that failed, and were tried again.
    pub(crate) retried: u64,
    /// Connections it had not closed when it was told to stop, and their clients had gone.
    pub(crate) open: u64,
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) port: u16,
}

fn spawn(strace: &mut Command, driver: Driver, workers: usize) -> Child {
    spawn_for(strace, &format!("{driver} {workers}"))
}

fn spawn_for(strace: &mut Command, task: &str) -> Child {
    strace
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--nocapture", "--test-threads=1"])
        .env(ENV, task)
        .env_remove("OUZEL_DRIVER")
        // Looking for leaks takes ptrace, which strace has.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The rest of the line that holds `word`; libtest writes on the same lines.
fn line(out: &mut impl BufRead, word: &str) -> Option<String> {
    let mut text = String::new();
    while out.read_line(&mut text).unwrap() > 0 {
        if let Some(at) = text.find(word) {
            return Some(text[at + word.len()..].trim().to_owned());
        }
        text.clear();
    }
    None
}

/// Starts a server under `strace`.
pub(crate) fn start(strace: &mut Command, driver: Driver, workers: usize) -> Server {
    let mut child = spawn(strace, driver, workers);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let Some(port) = line(&mut out, "port: ") else {
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        panic!("the server did not start: {errors}");
    };
    Server { child, out, port: port.parse().unwrap() }
}

/// Starts a server that may fail to: its error, if it did.
pub(crate) fn try_start(strace: &mut Command, driver: Driver) -> Option<String> {
    let mut child = spawn(strace, driver, 0);
    drop(child.stdin.take());
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    text.lines().find_map(|line| Some(line.split_once("error: ")?.1.to_owned()))
}

/// Runs the process that uses files; what it counted.
pub(crate) fn run_files(strace: &mut Command, driver: Driver, folder: &Path) -> String {
    run(strace, &format!("{FILES}{driver} {}", folder.display()))
}

/// Runs the process that copies a file; what it says of it.
pub(crate) fn run_copy(strace: &mut Command, driver: Driver, from: &Path, to: &Path) -> String {
    run(strace, &format!("{COPY}{driver} {} {}", from.display(), to.display()))
}

/// Runs the process that moves bytes in all ways; how many it moved.
pub(crate) fn run_transfers(under: &mut Command, driver: Driver, folder: &Path) -> String {
    run(under, &format!("{TRANSFERS}{driver} {}", folder.display()))
}

/// Runs the process that is careless about short writes: whether it lost nothing.
pub(crate) fn is_careful(under: &mut Command) -> bool {
    run(under, CARELESS).parse().unwrap()
}

fn run(strace: &mut Command, task: &str) -> String {
    let output = spawn_for(strace, task).wait_with_output().unwrap();
    assert!(output.status.success(), "it ended with {output:?}");
    line(&mut output.stdout.as_slice(), "counted: ").unwrap_or_else(|| panic!("it counts: {output:?}"))
}

impl Server {
    /// Ends it and returns what it counted.
    pub(crate) fn stop(mut self) -> Told {
        drop(self.child.stdin.take());
        let told = line(&mut self.out, "counted: ");
        let _ = io::copy(&mut self.out, &mut io::sink());
        let status = self.child.wait().unwrap();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(status.success(), "the server ended with {status}: {errors}");
        let told = told.expect("it counts");
        let mut numbers = told.split(' ').map(|n| n.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Told { failed: next(), retried: next(), open: next() }
    }
}

#[derive(Default)]
struct Counts {
    failed: AtomicU64,
    retried: AtomicU64,
    open: AtomicU64,
}

/// The server itself, if this process was started as one.
pub(crate) fn inside() {
    let Ok(task) = std::env::var(ENV) else { return };
    if let Some(task) = task.strip_prefix(FILES) {
        return crate::files::inside(task);
    }
    if let Some(task) = task.strip_prefix(COPY) {
        return crate::copies::inside(task);
    }
    if let Some(task) = task.strip_prefix(TRANSFERS) {
        return crate::transfers::inside(task);
    }
    if task == CARELESS {
        return crate::transfers::careless();
    }
    let (driver, workers) = task.split_once(' ').unwrap();
    let (driver, workers): (Driver, usize) = (driver.parse().unwrap(), workers.parse().unwrap());
    let setup = Setup { driver, workers };
    if let Err(e) = Runtime::builder().driver(driver).build_local() {
        println!("error: {e}");
        return;
    }
    setup.run(serve(setup));
}

async fn serve(setup: Setup) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("port: {}", listener.local_addr().unwrap().port());
    let counts = Arc::new(Counts::default());
    let counted = Arc::clone(&counts);
    let accepting = setup.spawn(accept(setup, listener, counts));
    ouzel::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await.unwrap().unwrap();
    drop(accepting);
    // The last clients' ends of stream.
    for _ in 0..200 {
        // ORDERING: Relaxed, a counter.
        if counted.open.load(Ordering::Relaxed) == 0 {
            break;
        }
        ouzel::sleep(Duration::from_millis(10)).await;
    }
    // ORDERING: Relaxed, counters.
    let [failed, retried, open] =
        [&counted.failed, &counted.retried, &counted.open].map(|n| n.load(Ordering::Relaxed));
    println!("counted: {failed} {retried} {open}");
}

async fn accept(setup: Setup, listener: TcpListener, counts: Arc<Counts>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // ORDERING: Relaxed, a counter.
                counts.open.fetch_add(1, Ordering::Relaxed);
                let counts = Arc::clone(&counts);
                drop(setup.spawn(async move {
                    let ended = echo(stream).await;
                    // ORDERING: Relaxed, counters.
                    counts.failed.fetch_add(u64::from(ended.is_err()), Ordering::Relaxed);
                    counts.open.fetch_sub(1, Ordering::Relaxed);
                }));
            }
            Err(_) => {
                // ORDERING: Relaxed, a counter.
                counts.retried.fetch_add(1, Ordering::Relaxed);
                ouzel::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = Vec::with_capacity(4096);
    loop {
        let (got, bytes) = stream.read(buf).await;
        if got? == 0 {
            return Ok(());
        }
        let (sent, bytes) = stream.write_all(bytes).await;
        sent?;
        buf = bytes;
        buf.clear();
    }
}

/// Which of a server's calls are made while its runtime comes to be.
pub(crate) fn calls_at_start(driver: Driver, call: &str) -> std::ops::Range<usize> {
    let count = |env: Option<&str>| -> usize {
        let mut strace = Command::new("strace");
        strace.args(["-f", "--seccomp-bpf", "-qqq", "-e", &format!("trace={call}")]);
        strace.arg(std::env::current_exe().unwrap()).args([
            "--exact",
            "inside",
            "--nocapture",
            "--test-threads=1",
        ]);
        strace.env_remove("OUZEL_DRIVER").env("ASAN_OPTIONS", "detect_leaks=0").stdin(Stdio::null());
        if let Some(env) = env {
            strace.env(ENV, env);
        }
        let Ok(output) = strace.output() else { return 0 };
        output.stderr.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count()
    };
    let before = count(None);
    before + 1..count(Some(&format!("{driver} 0"))) + 1
}

/// An error's number.
pub(crate) fn number(name: &str) -> i32 {
    match name {
        "EMFILE" => libc::EMFILE,
        "ENFILE" => libc::ENFILE,
        "ENOMEM" => libc::ENOMEM,
        "EPERM" => libc::EPERM,
        "EIO" => libc::EIO,
        "ENOSPC" => libc::ENOSPC,
        "EROFS" => libc::EROFS,
        _ => panic!("{name} has no number here"),
    }
}
