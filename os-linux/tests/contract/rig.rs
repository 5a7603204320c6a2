//! One driver under test, with its park word, the completions so far, and a watchdog.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ouzel_core::driver::{Counters, Deadline, Errno, Nanos, Unpark};
use ouzel_core::op::{Completion, OpKey, Request, Submitted};
use ouzel_core::park::ParkWord;
use ouzel_os_linux::{DriverConfig, EpollDriver, FdTable, Mask, UringDriver, execute};

/// Which driver, and what it must do without.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Uring(Mask),
    Epoll(Mask),
}

#[derive(Debug)]
pub(crate) enum Any {
    Uring(Box<UringDriver>),
    Epoll(Box<EpollDriver>),
}

macro_rules! each {
    ($self:expr, $d:ident => $body:expr) => {
        match $self {
            Any::Uring($d) => $body,
            Any::Epoll($d) => $body,
        }
    };
}

pub(crate) struct Rig {
    pub(crate) driver: Any,
    pub(crate) park: Arc<ParkWord>,
    pub(crate) unpark: Arc<dyn Unpark>,
    pub(crate) config: DriverConfig,
    pub(crate) done: Vec<(OpKey, Completion)>,
    next: u64,
}

/// After so long a test hangs. None takes a minute on a machine that does nothing else; one that does is not to fail them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// Runs a test on a thread of its own; a test that hangs ends the process.
pub(crate) fn run(kind: Kind, test: fn(&mut Rig)) {
    run_with(kind, DriverConfig::default(), test);
}

pub(crate) fn run_with(kind: Kind, config: DriverConfig, test: fn(&mut Rig)) {
    let (finished, watch) = channel();
    let thread = thread::spawn(move || {
        let mut rig = Rig::new(kind, config);
        test(&mut rig);
        rig.finish();
        let _ = finished.send(());
    });
    if watch.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        eprintln!("a test of {kind:?} hangs");
        std::process::abort();
    }
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

impl Rig {
    pub(crate) fn new(kind: Kind, mut config: DriverConfig) -> Rig {
        let park = Arc::new(ParkWord::new());
        let driver = match kind {
            Kind::Uring(mask) => {
                config.mask = mask;
                Any::Uring(UringDriver::new(&config, park.clone()).expect("a ring"))
            }
            Kind::Epoll(mask) => {
                config.mask = mask;
                Any::Epoll(Box::new(EpollDriver::new(&config, park.clone()).expect("an epoll")))
            }
        };
        Rig::of(driver, park, config)
    }

    /// Around a driver that was made by somebody else.
    pub(crate) fn of(driver: Any, park: Arc<ParkWord>, config: DriverConfig) -> Rig {
        let unpark = each!(&driver, d => d.unparker());
        Rig { driver, park, unpark, config, done: Vec::new(), next: 0 }
    }

    /// Another driver of the same kind in place of this one.
    pub(crate) fn remake(&mut self, config: DriverConfig) {
        let kind = match self.driver {
            Any::Uring(_) => Kind::Uring(self.config.mask),
            Any::Epoll(_) => Kind::Epoll(self.config.mask),
        };
        self.finish();
        *self = Rig::new(kind, config);
    }

    pub(crate) fn finish(&mut self) {
        let done = &mut self.done;
        each!(&mut self.driver, d => d.shutdown(&mut |k, c| done.push((k, c)))).expect("shutdown");
        assert_eq!(self.in_flight(), 0);
    }

    /// As a slab makes them: a slot's number, and above it a generation.
    pub(crate) fn key(&mut self) -> OpKey {
        self.next += 1;
        OpKey((self.next << 32) | (self.next & 7))
    }

    pub(crate) fn submit(&mut self, req: &Request) -> (OpKey, Submitted) {
        let key = self.key();
        (key, self.submit_as(key, req))
    }

    pub(crate) fn submit_as(&mut self, key: OpKey, req: &Request) -> Submitted {
        each!(&mut self.driver, d => d.submit(key, req))
    }

    /// Submits; what is done at once or blocks goes to `done`.
    pub(crate) fn start(&mut self, req: &Request) -> OpKey {
        let (key, submitted) = self.submit(req);
        match submitted {
            Submitted::InFlight => {}
            Submitted::Done(c) => self.done.push((key, c)),
            Submitted::Blocking => {
                self.done.push((key, Completion::done(execute(req))));
            }
        }
        key
    }

    /// One park, as a worker does it. True if a token was there.
    pub(crate) fn turn(&mut self, deadline: Option<Deadline>, lazy_waited: bool) -> bool {
        let done = &mut self.done;
        let mut sink = |k, c| done.push((k, c));
        if self.park.begin() {
            each!(&mut self.driver, d => d.wait(deadline, lazy_waited, &mut sink)).expect("wait");
        }
        self.park.end()
    }

    pub(crate) fn reap(&mut self) -> usize {
        let done = &mut self.done;
        each!(&mut self.driver, d => d.reap(&mut |k, c| done.push((k, c)))).expect("reap")
    }

    pub(crate) fn after(&self, time: Duration) -> Deadline {
        Deadline(self.now() + time)
    }

    pub(crate) fn take(&mut self, key: OpKey) -> Option<Completion> {
        let at = self.done.iter().position(|(k, _)| *k == key)?;
        Some(self.done.remove(at).1)
    }

    /// Parks until the next completion of `key`.
    pub(crate) fn finish_op(&mut self, key: OpKey) -> Completion {
        let start = Instant::now();
        loop {
            if let Some(c) = self.take(key) {
                return c;
            }
            assert!(start.elapsed() < PATIENCE, "{key:?} never completes: {:?}", self.driver);
            let deadline = self.after(Duration::from_secs(5));
            self.turn(Some(deadline), true);
        }
    }

    /// Submits and waits for the result.
    pub(crate) fn result(&mut self, req: &Request) -> i32 {
        let key = self.start(req);
        self.finish_op(key).res
    }

    /// Parks for a while; the operation must not complete.
    pub(crate) fn stays_pending(&mut self, key: OpKey, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let deadline = self.after(until - Instant::now());
            self.turn(Some(deadline), false);
            assert!(!self.done.iter().any(|(k, _)| *k == key), "{key:?} completed too early");
        }
    }

    pub(crate) fn cancel(&mut self, key: OpKey) {
        each!(&mut self.driver, d => d.cancel(key));
    }

    pub(crate) fn in_flight(&self) -> usize {
        each!(&self.driver, d => d.in_flight())
    }

    pub(crate) fn counters(&self) -> Counters {
        each!(&self.driver, d => d.counters())
    }

    pub(crate) fn describe(&self) -> String {
        each!(&self.driver, d => d.description().to_string())
    }

    pub(crate) fn pollable(&self) -> i32 {
        each!(&self.driver, d => d.pollable()).expect("both have one")
    }

    pub(crate) fn arm_notify(&mut self) {
        each!(&mut self.driver, d => d.arm_notify());
    }

    pub(crate) fn now(&self) -> Nanos {
        each!(&self.driver, d => d.now())
    }

    pub(crate) fn is_uring(&self) -> bool {
        matches!(self.driver, Any::Uring(_))
    }

    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        each!(&mut self.driver, d => d.flush())
    }

    /// The bytes a completion left in a provided buffer; gives the buffer back.
    pub(crate) fn bytes(&mut self, c: Completion) -> Vec<u8> {
        let id = c.buffer().expect("a completion in a buffer");
        let at = each!(&self.driver, d => d.buffer(id));
        // SAFETY: the driver left `res` bytes there, and the buffer is ours until it is recycled.
        let bytes = unsafe { std::slice::from_raw_parts(at, c.res as usize) }.to_vec();
        self.recycle(c);
        bytes
    }

    pub(crate) fn recycle(&mut self, c: Completion) {
        let id = c.buffer().expect("a completion in a buffer");
        each!(&mut self.driver, d => d.recycle(id));
    }

    /// What whoever opens a socket outside the driver says.
    pub(crate) fn opened(&self, fd: &impl AsRawFd) {
        FdTable::of_process().changed(fd.as_raw_fd());
    }

    pub(crate) fn recv(&mut self, fd: &impl AsRawFd, buf: &mut [u8]) -> OpKey {
        self.start(&recv(fd, buf))
    }

    pub(crate) fn try_send(&mut self, fd: &impl AsRawFd, bytes: &[u8]) -> Result<bool, Errno> {
        self.try_send_to(fd.as_raw_fd(), bytes)
    }

    pub(crate) fn try_send_to(&mut self, fd: i32, bytes: &[u8]) -> Result<bool, Errno> {
        each!(&mut self.driver, d => d.try_send(fd, bytes, || None))
    }

    pub(crate) fn send(&mut self, fd: &impl AsRawFd, buf: &[u8], lazy: bool) -> OpKey {
        let (buf, len) = (buf.as_ptr(), buf.len());
        self.start(&Request::Send { fd: fd.as_raw_fd(), buf, len, flags: 0, lazy })
    }
}

pub(crate) fn recv(fd: &impl AsRawFd, buf: &mut [u8]) -> Request {
    Request::Recv { fd: fd.as_raw_fd(), buf: buf.as_mut_ptr(), len: buf.len(), flags: 0 }
}

/// Bytes that differ wherever two positions could be confused.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}
