//! A driver under test, with its park word, the completions so far, and a watchdog.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use ouzel_core::driver::{Deadline, Unpark};
use ouzel_core::op::{Completion, OpKey, Request, Submitted};
use ouzel_core::park::ParkWord;
use ouzel_os_fallback::{DriverConfig, PollDriver, execute};
use rustix::io::Errno;

/// Long enough for an event that must not come to come.
pub(crate) const WHILE: Duration = Duration::from_millis(5);
/// After so long a test hangs. None takes a minute on a machine that does nothing else; one that does is not to fail them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Rig {
    pub(crate) driver: PollDriver,
    pub(crate) park: Arc<ParkWord>,
    pub(crate) unpark: Arc<dyn Unpark>,
    pub(crate) done: Vec<(OpKey, Completion)>,
    next: u64,
}

/// Runs `test` on a thread of its own; one that hangs ends the process.
pub(crate) fn run(test: fn(&mut Rig)) {
    run_with(DriverConfig::default(), test);
}

pub(crate) fn run_with(config: DriverConfig, test: fn(&mut Rig)) {
    let (finished, watch) = channel();
    let thread = thread::spawn(move || {
        let mut rig = Rig::new(&config);
        test(&mut rig);
        rig.shut_down();
        let _ = finished.send(());
    });
    if watch.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        eprintln!("{:?} hangs", thread::current().name());
        std::process::abort();
    }
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

impl Rig {
    fn new(config: &DriverConfig) -> Rig {
        let park = Arc::new(ParkWord::new());
        let driver = PollDriver::new(config, Arc::clone(&park)).unwrap();
        let unpark = driver.unparker();
        Rig { driver, park, unpark, done: Vec::new(), next: 0 }
    }

    pub(crate) fn shut_down(&mut self) {
        let done = &mut self.done;
        self.driver.shutdown(&mut |k, c| done.push((k, c))).unwrap();
        assert_eq!(self.driver.in_flight(), 0);
    }

    pub(crate) fn submit(&mut self, req: &Request) -> (OpKey, Submitted) {
        self.next += 1;
        let key = OpKey(self.next);
        (key, self.driver.submit(key, req))
    }

    /// Submits; what is done at once, or by a blocking call, goes to `done`.
    pub(crate) fn start(&mut self, req: &Request) -> OpKey {
        let (key, submitted) = self.submit(req);
        match submitted {
            Submitted::InFlight => {}
            Submitted::Done(c) => self.done.push((key, c)),
            Submitted::Blocking => self.done.push((key, Completion::done(execute(req)))),
        }
        key
    }

    /// One park, as a worker does it. True if a token was there.
    pub(crate) fn turn(&mut self, deadline: Option<Deadline>) -> bool {
        if self.park.begin() {
            self.wait(deadline);
        }
        self.park.end()
    }

    pub(crate) fn wait(&mut self, deadline: Option<Deadline>) -> usize {
        let done = &mut self.done;
        self.driver.wait(deadline, false, &mut |k, c| done.push((k, c))).unwrap()
    }

    pub(crate) fn reap(&mut self) -> usize {
        let done = &mut self.done;
        self.driver.reap(&mut |k, c| done.push((k, c))).unwrap()
    }

    pub(crate) fn after(&self, time: Duration) -> Option<Deadline> {
        Some(Deadline(self.driver.now() + time))
    }

    pub(crate) fn take(&mut self, key: OpKey) -> Option<Completion> {
        let at = self.done.iter().position(|(k, _)| *k == key)?;
        Some(self.done.remove(at).1)
    }

    /// Parks until the next completion of `key`.
    pub(crate) fn completion(&mut self, key: OpKey) -> Completion {
        loop {
            match self.take(key) {
                Some(c) => return c,
                None => _ = self.turn(None),
            }
        }
    }

    /// Submits, waits, and tells the result.
    pub(crate) fn result(&mut self, req: &Request) -> i32 {
        let key = self.start(req);
        self.completion(key).res
    }

    /// Parks a while; the operation must not complete.
    pub(crate) fn stays_pending(&mut self, key: OpKey) {
        let until = self.after(WHILE);
        while self.driver.now() < until.unwrap().0 {
            self.turn(until);
        }
        assert!(!self.done.iter().any(|(k, _)| *k == key), "{key:?} completed too early");
    }

    /// Cancels and tells the result.
    pub(crate) fn cancelled(&mut self, key: OpKey) -> i32 {
        self.driver.cancel(key);
        let c = self.completion(key);
        assert!(!c.more());
        c.res
    }

    /// The bytes a completion left in a provided buffer; gives the buffer back.
    pub(crate) fn bytes(&mut self, c: Completion) -> Vec<u8> {
        let id = c.buffer().expect("a completion in a buffer");
        // SAFETY: the driver left `res` bytes there, and the buffer is ours until it is recycled.
        let bytes = unsafe { std::slice::from_raw_parts(self.driver.buffer(id), c.res as usize) }.to_vec();
        self.driver.recycle(id);
        bytes
    }
}

pub(crate) fn recv(fd: &impl AsRawFd, buf: &mut [u8]) -> Request {
    Request::Recv { fd: fd.as_raw_fd(), buf: buf.as_mut_ptr(), len: buf.len(), flags: 0 }
}

pub(crate) fn send(fd: &impl AsRawFd, buf: &[u8]) -> Request {
    Request::Send { fd: fd.as_raw_fd(), buf: buf.as_ptr(), len: buf.len(), flags: 0, lazy: false }
}

pub(crate) fn accept(fd: &impl AsRawFd) -> Request {
    Request::Accept { fd: fd.as_raw_fd(), addr: ptr::null_mut(), addr_len: ptr::null_mut() }
}

pub(crate) fn errno(e: Errno) -> i32 {
    -e.raw_os_error()
}

pub(crate) fn owned(fd: i32) -> OwnedFd {
    assert!(fd >= 0, "no descriptor: {fd}");
    // SAFETY: the driver just made it, for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let b = listener.accept().unwrap().0;
    a.set_nodelay(true).unwrap();
    (a, b)
}

/// Bytes that differ wherever two positions could be confused.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}
