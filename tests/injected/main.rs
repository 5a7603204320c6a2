//! System calls that fail: a server runs under `strace`, which makes every few calls of one kind fail with one error,
//! and clients outside compare every byte it answers.
//!
//! What is expected depends on the error. After one the kernel gives for a moment (`EINTR`, no descriptors left) the
//! runtime or the server tries again, and no client notices. After one that ends a connection, clients may lose that
//! connection, never see a wrong byte, and the next one works. A server that hangs is found by its clients' time
//! limit.
//!
//! `EAGAIN` out of nowhere cannot happen on a real edge-triggered descriptor that holds data; when it is injected, the
//! bytes wait for the next event, so clients send something more after a while. (And `futex` is left alone: strace
//! cannot tell its waits from its wakes, which never fail.)
//!
//! Calls that do less than they were asked to are in `short`.

mod client;
mod copies;
mod files;
mod server;
mod short;
mod transfers;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ouzel::Driver;
use ouzel_tests::{drivers, watchdog};

/// What clients may notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// Nothing.
    Nothing,
    /// Connections may end early.
    Losses,
    /// Bytes may wait until more are sent.
    Delays,
}
use Expect::{Delays, Losses, Nothing};

/// One call, one error, and when: strace's `FIRST+STEP`.
type Case = (&'static str, &'static str, &'static str, Expect);

const EPOLL: &[Case] = &[
    ("recvfrom", "EINTR", "3+3", Nothing),
    ("recvfrom", "EAGAIN", "7+5", Delays),
    ("recvfrom", "ECONNRESET", "20+20", Losses),
    ("recvfrom", "ENOMEM", "20+20", Losses),
    ("sendto", "EINTR", "3+3", Nothing),
    ("sendto", "EAGAIN", "9+60", Delays),
    ("sendto", "EPIPE", "20+20", Losses),
    ("sendto", "ECONNRESET", "20+20", Losses),
    ("sendto", "ENOBUFS", "20+20", Losses),
    ("accept4", "EINTR", "1+2", Nothing),
    ("accept4", "ECONNABORTED", "1+3", Nothing),
    ("accept4", "EMFILE", "1+3", Nothing),
    ("accept4", "ENFILE", "1+3", Nothing),
    ("accept4", "ENOMEM", "1+3", Nothing),
    ("accept4", "ENOBUFS", "1+3", Nothing),
    ("epoll_pwait2", "EINTR", "3+2", Nothing),
    // Each thread's calls are counted by themselves; the first four of the main thread are those of drivers that are made.
    ("epoll_ctl", "ENOMEM", "5+4", Losses),
    ("epoll_ctl", "ENOSPC", "5+4", Losses),
    ("close", "EINTR", "9+3", Nothing),
];

const URING: &[Case] = &[
    ("io_uring_enter", "EINTR", "3+3", Nothing),
    ("io_uring_enter", "EAGAIN", "5+5", Nothing),
    ("io_uring_enter", "EBUSY", "5+5", Nothing),
];

const POLL: &[Case] = &[
    ("recvfrom", "EINTR", "3+3", Nothing),
    ("recvfrom", "ECONNRESET", "20+20", Losses),
    ("sendto", "EINTR", "3+3", Nothing),
    ("sendto", "EPIPE", "20+20", Losses),
    ("accept", "EMFILE", "1+3", Nothing),
    ("accept", "ENOBUFS", "1+3", Nothing),
    ("accept", "ENOMEM", "1+3", Nothing),
    ("epoll_wait,epoll_pwait,epoll_pwait2", "EINTR", "3+2", Nothing),
];

/// A call that fails once while a runtime is made, and what its error must be.
const AT_START: &[(Driver, &str, &str)] = &[
    (Driver::Uring, "io_uring_setup", "EMFILE"),
    (Driver::Uring, "io_uring_setup", "ENOMEM"),
    (Driver::Uring, "io_uring_setup", "EPERM"),
    (Driver::Epoll, "epoll_create1", "EMFILE"),
    (Driver::Epoll, "eventfd2", "ENFILE"),
    (Driver::Epoll, "epoll_ctl", "ENOMEM"),
];

fn strace() -> Option<Command> {
    let there = Command::new("strace").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        let mut strace = Command::new("strace");
        strace.args(["-f", "--seccomp-bpf", "-qqq"]);
        return Some(strace);
    }
    assert!(std::env::var_os("CI").is_none(), "no strace: install it (Debian package strace)");
    println!("skipped: no strace on this machine (Debian package strace)");
    None
}

/// Runs the server with `call` failing, and clients against it.
fn survives(driver: Driver, workers: usize, (call, error, when, expect): Case) {
    let Some(mut strace) = strace() else { return };
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("injected-{driver}-{call}-{error}"));
    let inject = format!("inject={call}:error={error}:when={when}");
    strace.arg("-o").arg(&log).args(["-e", &format!("trace={call}"), "-e", &inject]);
    let name = format!("{driver}, {workers} workers, {call} {error}");
    let refused = call.starts_with("accept") && !matches!(error, "EINTR" | "EAGAIN");
    watchdog(&name.clone(), move || {
        let server = server::start(&mut strace, driver, workers);
        let seen = client::run(server.port, expect == Delays);
        let told = server.stop();
        let injected = fs::read_to_string(&log).unwrap().matches("(INJECTED)").count();
        assert!(injected > 0, "{name}: the call was never made");
        println!("{name}: {injected} failed, clients {seen:?}, server {told:?}");
        assert_eq!(seen.wrong, 0, "{name}: wrong bytes");
        assert!(seen.answered > 0, "{name}: nothing was answered");
        if expect != Losses {
            assert_eq!((seen.lost, told.failed), (0, 0), "{name}: connections were lost");
        }
        assert_eq!(told.retried > 0, refused, "{name}: {} accepts failed", told.retried);
        if expect != Delays {
            assert_eq!(told.open, 0, "{name}: the server still holds connections");
        }
    });
}

fn all(driver: Driver, cases: &[Case]) {
    if !drivers().contains(&driver) {
        return;
    }
    for (i, case) in cases.iter().enumerate() {
        survives(driver, i % 3, *case);
    }
}

#[test]
fn a_server_on_epoll_survives_failing_calls() {
    all(Driver::Epoll, EPOLL);
}

#[test]
fn a_server_on_io_uring_survives_failing_calls() {
    all(Driver::Uring, URING);
}

#[test]
fn a_server_on_the_portable_driver_survives_failing_calls() {
    all(Driver::Poll, POLL);
}

/// Runs the process that uses files with `call` failing.
fn files_survive(driver: Driver, (call, error, when, told): files::Case) {
    let Some(mut strace) = strace() else { return };
    let name = format!("files on {driver}, {call} {error}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{driver}-{call}-{error}"));
    fs::create_dir_all(&folder).unwrap();
    let log = folder.join("log");
    let inject = format!("inject={call}:error={error}:when={when}");
    strace.arg("-o").arg(&log).args(["-e", &format!("trace={call}"), "-e", &inject]);
    if ["write", "pread64"].contains(&call) {
        files::paths(&folder).for_each(|path| {
            strace.arg("-P").arg(path);
        });
    }
    watchdog(&name.clone(), move || {
        let counted = server::run_files(&mut strace, driver, &folder);
        let injected = fs::read_to_string(&log).unwrap().matches("(INJECTED)").count();
        fs::remove_dir_all(&folder).unwrap();
        println!("{name}: {injected} failed, {counted}");
        assert!(injected > 0, "{name}: the call was never made");
        let mut words = counted.split(' ');
        let [done, failed, wrong] = [(); 3].map(|()| words.next().unwrap().parse::<u64>().unwrap());
        assert!(done > 0 && wrong == 0, "{name}: {counted}");
        assert_eq!(failed > 0, told, "{name}: {counted}");
        let errors = words.next().unwrap_or_default();
        let wanted = if told { server::number(error).to_string() } else { String::new() };
        assert_eq!(errors, wanted, "{name}: another error");
    });
}

#[test]
fn files_survive_failing_calls() {
    use files::{EPOLL, INLINE, POOL, READS};
    let each: [(Driver, &[&[files::Case]]); 3] =
        [(Driver::Uring, &[INLINE]), (Driver::Epoll, &[INLINE, EPOLL, POOL]), (Driver::Poll, &[READS, POOL])];
    for (driver, lists) in each {
        if drivers().contains(&driver) {
            lists.iter().copied().flatten().for_each(|case| files_survive(driver, *case));
        }
    }
}

#[test]
fn a_runtime_that_cannot_be_made_says_why() {
    for &(driver, call, error) in AT_START {
        if !drivers().contains(&driver) {
            continue;
        }
        // Which of a process's many calls is the one that matters: all but the first few, one after the other.
        let mut refused = 0;
        for nth in server::calls_at_start(driver, call) {
            let Some(mut strace) = strace() else { return };
            let inject = format!("inject={call}:error={error}:when={nth}");
            strace.args(["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
            let told = server::try_start(&mut strace, driver);
            if let Some(text) = told {
                assert!(text.contains(&format!("os error {}", server::number(error))), "{call}: {text}");
                refused += 1;
            }
        }
        println!("{driver}: {call} {error}: refused {refused} times, each time naming the error");
        assert!(refused > 0, "{driver}: {call} {error} was never noticed");
    }
}

/// Not a test: what the others run under `strace`.
#[test]
fn inside() {
    server::inside();
}
