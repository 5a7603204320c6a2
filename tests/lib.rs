//! Helpers shared by the behaviour tests: the drivers and flavours to run on, a watchdog, counters.

pub mod counting;
pub mod dice;
pub mod sockets;

use std::future::Future;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ouzel::{Driver, LocalRuntime, Runtime};

/// One way to run the contract suite: a driver under a flavour of runtime.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The driver asked for.
    pub driver: Driver,
    /// Worker threads; 0 is a `LocalRuntime`.
    pub workers: usize,
}

/// A task's output, whatever flavour it runs on.
pub type Joined<T> = Pin<Box<dyn Future<Output = Result<T, ouzel::JoinError>>>>;

impl Setup {
    /// Runs `root` to its end on a new runtime of this kind, which is dropped after.
    pub fn run<T>(self, root: impl Future<Output = T>) -> T {
        if self.workers == 0 { self.local().block_on(root) } else { self.shared().block_on(root) }
    }

    /// A work-stealing runtime on this driver.
    pub fn shared(self) -> Runtime {
        let workers = self.workers.max(1);
        Runtime::builder().worker_threads(workers).driver(self.driver).build().expect("a runtime")
    }

    /// A single-thread runtime on this driver.
    pub fn local(self) -> LocalRuntime {
        Runtime::builder().driver(self.driver).build_local().expect("a local runtime")
    }

    /// Spawns on the current runtime, which is of this kind.
    pub fn spawn<T: Send + 'static>(self, future: impl Future<Output = T> + Send + 'static) -> Joined<T> {
        if self.workers == 0 { Box::pin(ouzel::spawn_local(future)) } else { Box::pin(ouzel::spawn(future)) }
    }
}

/// Names the one driver that a process's tests run on; unset, it is each.
pub const ONE_DRIVER: &str = "OUZEL_TEST_DRIVER";

/// The drivers this machine has. One that cannot be had is named, not passed over in silence.
#[must_use]
pub fn drivers() -> Vec<Driver> {
    let mut found = Vec::new();
    let only = std::env::var(ONE_DRIVER).ok().map(|name| name.parse().expect("a driver's name"));
    for driver in [Driver::Uring, Driver::Epoll, Driver::Poll] {
        if only.is_some_and(|only: Driver| only != driver) {
            continue;
        }
        match Runtime::builder().driver(driver).build_local() {
            Ok(_) => found.push(driver),
            Err(e) => println!("skipped: driver {driver} is not to be had here: {e}"),
        }
    }
    assert!(!found.is_empty(), "no driver at all");
    found
}

/// Runs `test` on every driver, local, with one worker and with two, each under a watchdog.
pub fn on_each(test: fn(Setup)) {
    for driver in drivers() {
        for workers in [0, 1, 2] {
            let setup = Setup { driver, workers };
            watchdog(&format!("{setup:?}"), move || test(setup));
        }
    }
}

/// Runs `test` on every driver with `workers` workers.
pub fn on_each_driver(workers: usize, test: fn(Setup)) {
    for driver in drivers() {
        let setup = Setup { driver, workers };
        watchdog(&format!("{setup:?}"), move || test(setup));
    }
}

/// After so long a test hangs. None takes a minute on a machine that does nothing else; one that does is not to fail them.
const PATIENCE: Duration = Duration::from_secs(900);

/// Runs `test` on a thread of its own and ends the whole process if it hangs.
///
/// # Panics
/// When the test does, with its message.
pub fn watchdog<T: Send + 'static>(name: &str, test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = test();
        let _ = done.send(());
        result
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = finished.recv_timeout(PATIENCE) {
        eprintln!("{name}: hung for {} s", PATIENCE.as_secs());
        std::process::abort();
    }
    match thread.join() {
        Ok(result) => result,
        Err(panic) => {
            eprintln!("failed on {name}");
            std::panic::resume_unwind(panic)
        }
    }
}

/// Counts how often its copies' drops ran.
#[derive(Clone, Debug, Default)]
pub struct DropCount(Arc<AtomicUsize>);

impl DropCount {
    /// A value whose drop counts once.
    #[must_use]
    pub fn guard(&self) -> DropGuard {
        DropGuard(Arc::clone(&self.0))
    }

    /// Drops so far.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// See [`DropCount::guard`].
#[derive(Debug)]
pub struct DropGuard(Arc<AtomicUsize>);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until `condition` holds, by sleeping in small steps; the watchdog bounds it.
pub fn until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

const SCENARIO: &str = "OUZEL_TEST_SCENARIO";

/// Runs `inside` in a child process that executes only the test `name` of this binary.
///
/// # Panics
/// When the child does, with what it wrote.
pub fn in_child(name: &str, inside: fn()) {
    if std::env::var(SCENARIO).as_deref() == Ok(name) {
        watchdog(name, inside);
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(SCENARIO, name)
        .env_remove("OUZEL_DRIVER")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes system call `number` fail with `errno` from here on, in this process and its children, for ever.
pub fn forbid_call(number: libc::c_long, errno: i32) {
    const LOAD_NR: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_EQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        step(LOAD_NR, 0, 0, 0),
        step(JUMP_EQ, 0, 1, number as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: plain flag arguments.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program and its filter live until the call returns; the kernel copies them.
    let rc = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(rc, 0);
}
