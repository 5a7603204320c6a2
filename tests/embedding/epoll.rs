//! A host's loop by hand: an epoll, and an eventfd to end its waits. It is a driver of the core, too.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ouzel_core::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

/// Ends a wait of the loop, from any thread.
pub(crate) struct Bell {
    fd: OwnedFd,
    rung: AtomicU64,
}

impl Bell {
    /// How often it was rung.
    pub(crate) fn rung(&self) -> u64 {
        self.rung.load(Ordering::Relaxed)
    }
}

impl Unpark for Bell {
    fn unpark(&self) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        rustix::io::write(&self.fd, &1u64.to_ne_bytes()).expect("an eventfd takes a one");
    }
}

/// The loop.
pub(crate) struct Epoll {
    fd: OwnedFd,
    bell: Arc<Bell>,
    start: Instant,
    waits: u64,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        let bell =
            Bell { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?, rung: AtomicU64::new(0) };
        let fd = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&fd, &bell.fd, EventData::new_u64(0), EventFlags::IN)?;
        Ok(Epoll { fd, bell: Arc::new(bell), start: Instant::now(), waits: 0 })
    }

    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Waits that may have slept.
    pub(crate) fn waits(&self) -> u64 {
        self.waits
    }

    /// Ends waits when `fd` is readable, too.
    pub(crate) fn watch(&self, fd: i32) -> io::Result<()> {
        // SAFETY: the caller's runtime keeps it open for as long as this loop waits.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        Ok(epoll::add(&self.fd, fd, EventData::new_u64(1), EventFlags::IN)?)
    }

    /// Sleeps until something is readable; without an end for `None`.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Errno> {
        self.waits += 1;
        self.look(timeout).map(drop)
    }

    fn look(&mut self, timeout: Option<Duration>) -> Result<usize, Errno> {
        let timeout = timeout.map(|t| Timespec {
            tv_sec: t.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        let mut events = [const { std::mem::MaybeUninit::uninit() }; 8];
        let (ready, _) = match epoll::wait(&self.fd, &mut events, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(0),
            other => other.map_err(|e| Errno(e.raw_os_error()))?,
        };
        for event in &*ready {
            if event.data.u64() == 0 {
                let mut count = [0; 8];
                // Another look may have emptied it.
                let _already = rustix::io::read(self.bell.fd.as_fd(), &mut count);
            }
        }
        Ok(0)
    }
}

impl Driver for Epoll {
    fn now(&mut self) -> Nanos {
        Nanos(0) + self.start.elapsed()
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        let timeout = deadline.map(|d| d.0.since(self.now()));
        self.wait(timeout)
    }

    /// Nothing here completes but the bell, which the core's own word knows of.
    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}
