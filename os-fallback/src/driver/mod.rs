//! The portable driver: try the call first, wait for readiness only after "would block".
//!
//! ```text
//!  submit ── try ── done ───────────────────────────► Submitted::Done
//!             │
//!         would block ── queue of the fd and direction ─► InFlight
//!                              ▲            │
//!  wait ── Poller ── event ── try again ────┴─► sink(key, completion)
//! ```
//!
//! | request                                   | how                                                 |
//! |-------------------------------------------|-----------------------------------------------------|
//! | `Accept`, `Connect`, `Recv`, `Send`       | readiness                                           |
//! | `SendMsg`, `RecvMsg`, `Poll`              | readiness                                           |
//! | `AcceptMulti`                             | readiness, several at a time                        |
//! | `RecvMulti`                               | readiness, into buffers of the driver's own         |
//! | `Read`, `Write` on a socket or pipe       | readiness                                           |
//! | `Read`, `Write` on anything unpollable    | `Submitted::Blocking`                               |
//! | `ReadV`, `WriteV`                         | as those, on a socket or pipe for the first segment that is not empty |
//! | `OpenAt`, `Fsync`, `File`                 | `Submitted::Blocking`                               |
//! | `Close`, `Shutdown`, `Nop`                | at once                                             |
//!
//! Sleep: always in the poller, and `unpark` is always `Poller::notify`. A condition variable for a
//! driver without I/O would save some calls, but then a waker had to know in which of two places the
//! owner sleeps, and that is a handshake of its own: who sleeps and who wakes is decided in
//! [`ouzel_core::park`] alone. A notification is sticky, so one that comes between the look at
//! the park word and the poller's wait ends that wait.
//!
//! Registrations are one-shot, the mode every poller has. Invariants:
//! - a queue is not empty only after its front was tried and would have blocked since the last event,
//!   and before the driver sleeps every such descriptor has been armed for that direction;
//! - what a descriptor is armed for is believed only while an operation is in flight on it without a
//!   break: that keeps it open, so its number cannot have been used again meanwhile;
//! - a descriptor nobody waits on leaves the poller before the driver sleeps, because some pollers report
//!   a closed one for ever. One that is waited on again within the same turn costs one call, not two;
//! - operations of one descriptor and direction complete in the order of their submission.
//!
//! Blocking-mode descriptors work: sockets by `MSG_DONTWAIT`, pipes by asking first (then another
//! reader of the same pipe may win, and this thread waits with it). `accept` and `connect` put their
//! socket into non-blocking mode for good. Descriptors in flight must not be closed by others.
//!
//! What it gives up: several system calls per sleep where the poller needs them, close-on-exec set
//! after the accept instead of with it, and a send that has to wait copies nothing but waits its turn.

mod table;
mod wake;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ouzel_core::driver::{Counters, Deadline, Errno, Nanos, Unpark};
use ouzel_core::op::{Completion, Fd, OpKey, ProvidedMemory, Request, Submitted};
use ouzel_core::park::ParkWord;
use ouzel_core::sync::{AtomicU64, Ordering};
use polling::{Events, Poller};

use crate::buffers::Buffers;
use crate::clock;
use crate::sys::{self, Attempt, Direction, Style};
use table::{Op, Table};
use wake::Notify;

/// Buffers one `RecvMulti` may fill, or connections one `AcceptMulti` take, in one turn, so that a fast sender does not take them all.
const MULTI_BUDGET: usize = 8;

/// What a driver is made with. Start from `default()`.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Events taken from the poller at once.
    pub entries: u32,
    /// Provided buffers for `RecvMulti`, a power of two up to 32768. Memory is taken at the first
    /// `RecvMulti`.
    pub buffers: u32,
    /// Bytes of each. 16 KiB: a bulk stream costs one completion per 16 KiB, and a small message
    /// touches one page of it.
    pub buffer_size: u32,
}

impl Default for DriverConfig {
    fn default() -> Self {
        DriverConfig { entries: 256, buffers: 256, buffer_size: 16 * 1024 }
    }
}

/// Called for each completion: key and result.
type Sink<'a> = &'a mut dyn FnMut(OpKey, Completion);

/// See the module. Belongs to one thread at a time.
pub struct PollDriver {
    poller: Arc<Poller>,
    wake: Arc<Notify>,
    park: Arc<ParkWord>,
    /// Room for the table's list of changes while it is gone through.
    spare: Vec<Fd>,
    /// Out while they are gone through: a new list would be an allocation for each wait.
    events: Option<Events>,
    table: Table,
    buffers: Option<Buffers>,
    config: DriverConfig,
    counters: Counters,
    /// A host may have waited since the last look: an unpark that ended its wait still shows.
    hosted: bool,
    closed: bool,
}

impl PollDriver {
    /// A driver whose owner announces its sleep on `park`.
    ///
    /// # Errors
    /// The system's errno if there are no descriptors left for a poller.
    pub fn new(config: &DriverConfig, park: Arc<ParkWord>) -> Result<Self, Errno> {
        let poller = Arc::new(Poller::new().map_err(errno)?);
        let capacity = std::num::NonZeroUsize::new(config.entries as usize);
        Ok(PollDriver {
            wake: Arc::new(Notify { poller: Arc::clone(&poller), calls: AtomicU64::new(0) }),
            poller,
            park,
            spare: Vec::new(),
            events: Some(capacity.map_or_else(Events::new, Events::with_capacity)),
            table: Table::default(),
            buffers: None,
            config: config.clone(),
            counters: Counters::default(),
            hosted: false,
            closed: false,
        })
    }

    /// Ends a wait from any thread. Keeps the poller alive, so it may be called after the driver is gone.
    #[must_use]
    pub fn unparker(&self) -> Arc<dyn Unpark> {
        self.wake.clone()
    }

    /// Starts an operation; its completion comes out of this call or of a later `reap` or `wait`.
    ///
    /// Does not block, but for a `Close` that the system lets linger. Safe to call, but the request
    /// carries a contract: its pointers are valid, and its descriptor open, until the last completion.
    pub fn submit(&mut self, key: OpKey, req: &Request) -> Submitted {
        let done = |res: i32| Submitted::Done(Completion::done(res));
        if self.closed {
            return done(-sys::ECANCELED);
        }
        let req = &req.with_copies();
        if let Some((fd, direction)) = sys::waits_for(req) {
            return self.submit_waiting(key, req, fd, direction);
        }
        match *req {
            Request::Nop => done(0),
            Request::OpenAt { .. } | Request::Fsync { .. } | Request::File(_) => Submitted::Blocking,
            Request::Close { fd } => done(self.close(fd)),
            Request::Shutdown { fd, .. } if fd < 0 => done(-sys::EBADF),
            Request::Shutdown { fd, how } => {
                self.counters.syscalls += 1;
                done(sys::shutdown(fd, how))
            }
            // Linux's alone: whoever asks copies instead.
            Request::Splice { .. } => done(-sys::EOPNOTSUPP),
            // The timer wheel's, or newer than this driver.
            _ => done(-sys::EINVAL),
        }
    }

    fn submit_waiting(&mut self, key: OpKey, req: &Request, fd: Fd, direction: Direction) -> Submitted {
        let done = |res: i32| Submitted::Done(Completion::done(res));
        if fd < 0 {
            return done(-sys::EBADF);
        }
        let style = match req {
            Request::Read { .. } | Request::Write { .. } | Request::ReadV { .. } | Request::WriteV { .. } => {
                match sys::style(fd) {
                    Ok(Style::Unpollable) => return Submitted::Blocking,
                    Ok(style) => style,
                    Err(res) => return done(res),
                }
            }
            _ => Style::Socket,
        };
        // SAFETY: a request's memory is valid until it completes (the contract of `Request`).
        let req = unsafe { sys::first_segment(req) };
        let mut op = Op { req, fd, direction, style, moved: 0, first: true };
        // Behind others it waits its turn, without a try of its own.
        if !self.table.is_waited_for(fd, direction) {
            match self.attempt(key, &mut op) {
                Attempt::Wait => {}
                Attempt::Done(res)
                    if matches!(req, Request::RecvMulti { .. } | Request::AcceptMulti { .. }) =>
                {
                    self.table.finish(key, Completion::done(res));
                    return Submitted::InFlight;
                }
                Attempt::Done(res) => return done(res),
            }
        }
        self.table.enqueue(key, op)
    }

    /// Asks for the end of an operation. Its completion still comes, with what was moved before, or
    /// `-ECANCELED`. Keys of operations that are over are ignored.
    pub fn cancel(&mut self, key: OpKey) {
        if let Some(op) = self.table.remove(key) {
            self.table.finish(key, op.cut_short());
        }
    }

    /// Takes completions without blocking; returns how many went to `sink`.
    ///
    /// # Errors
    /// The system's errno if the poller failed.
    pub fn reap(&mut self, sink: Sink<'_>) -> Result<usize, Errno> {
        if !self.table.is_empty() || std::mem::take(&mut self.hosted) {
            self.arm_waiting(false);
            self.poll(Some(Duration::ZERO))?;
        }
        Ok(self.table.deliver(sink))
    }

    /// Takes completions, and sleeps for them if there are none yet and the park word says PARKED: until
    /// an event, an unpark or `deadline`. `lazy_waited` is for drivers that put sends off; this one
    /// does not.
    ///
    /// # Errors
    /// The system's errno if the poller failed. Interruptions by signals are not errors.
    pub fn wait(
        &mut self,
        deadline: Option<Deadline>,
        lazy_waited: bool,
        sink: Sink<'_>,
    ) -> Result<usize, Errno> {
        let _ = lazy_waited;
        self.arm_waiting(true);
        let timeout = if self.table.has_finished() || !self.park.is_parked() {
            Some(Duration::ZERO)
        } else {
            self.counters.waits += 1;
            deadline.map(|d| d.0.since(clock::now()))
        };
        self.poll(timeout)?;
        Ok(self.table.deliver(sink))
    }

    /// Nothing to do here: submissions are system calls already.
    ///
    /// # Errors
    /// None.
    pub fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    /// The present time on [`clock`].
    #[must_use]
    pub fn now(&self) -> Nanos {
        clock::now()
    }

    /// Makes the provided buffers unless they are there; their memory.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn provide(&mut self) -> Result<Arc<dyn ProvidedMemory>, Errno> {
        let buffers = Buffers::made(&mut self.buffers, self.config.buffers, self.config.buffer_size);
        buffers.map(|buffers| buffers.memory()).ok_or(Errno(sys::ENOMEM))
    }

    /// The first byte of a provided buffer, which is the caller's until it is recycled.
    ///
    /// # Panics
    /// If no `RecvMulti` was ever submitted, or there is no such buffer.
    #[must_use]
    pub fn buffer(&self, id: u16) -> *mut u8 {
        self.buffers.as_ref().expect("buffers come with the first RecvMulti").at(id)
    }

    /// Gives a provided buffer back.
    ///
    /// # Panics
    /// If it is not out.
    pub fn recycle(&mut self, id: u16) {
        self.buffers.as_mut().expect("buffers come with the first RecvMulti").put(id);
    }

    /// Operations whose last completion has not been delivered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.table.in_flight()
    }

    /// What the driver has done. A call into the poller counts as one system call, though some
    /// pollers need several.
    #[must_use]
    pub fn counters(&self) -> Counters {
        // ORDERING: Relaxed: a statistic that nothing else is read by.
        let unparks = self.wake.calls.load(Ordering::Relaxed);
        Counters { syscalls: self.counters.syscalls + unparks, ..self.counters }
    }

    /// A descriptor that is readable while `wait` would return; `None` where the poller has none.
    ///
    /// A host that sleeps on it calls `reap` first: completions that are already here do not show.
    #[cfg(unix)]
    #[must_use]
    pub fn pollable(&self) -> Option<std::os::fd::RawFd> {
        // Not every system's `Poller` is a descriptor. Method lookup takes the first impl that fits:
        // the one for descriptors if there is one, else, a reference further, the one for all.
        #[allow(unused_imports, reason = "which of them is used depends on the system")]
        use wake::pollable::{Descriptor, Otherwise};
        #[allow(clippy::needless_borrow, reason = "without it the second impl would not be found")]
        (&wake::pollable::Of(&*self.poller)).descriptor()
    }

    /// Makes descriptors waited for, and unparks, show up on [`Self::pollable`].
    pub fn arm_notify(&mut self) {
        self.hosted = true;
        self.arm_waiting(true);
    }

    /// The name the driver is chosen by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        "poll"
    }

    /// What it runs on.
    #[must_use]
    pub fn description(&self) -> String {
        #[cfg(unix)]
        let fd = if self.pollable().is_some() { "yes" } else { "no" };
        #[cfg(not(unix))]
        let fd = "no";
        format!(
            "poll: readiness by the polling crate, one-shot (level {}, edge {} there), {fd} host descriptor; \
             files on the blocking pool; {} buffers of {} bytes",
            self.poller.supports_level(),
            self.poller.supports_edge(),
            self.config.buffers,
            self.config.buffer_size,
        )
    }

    /// Cancels everything in flight and delivers the completions, then returns how many there were; later
    /// submits answer `-ECANCELED`.
    ///
    /// # Errors
    /// None; other drivers have to wait for the kernel here.
    pub fn shutdown(&mut self, sink: Sink<'_>) -> Result<usize, Errno> {
        self.closed = true;
        self.table.cancel_all();
        self.arm_waiting(true);
        Ok(self.table.deliver(sink))
    }

    fn close(&mut self, fd: Fd) -> i32 {
        if fd < 0 {
            return -sys::EBADF;
        }
        if self.table.forget(fd) {
            self.counters.ctl += 1;
            self.counters.syscalls += 1;
            sys::disarm(&self.poller, fd);
        }
        self.counters.syscalls += 1;
        // SAFETY: whoever submits a close gives the descriptor up.
        unsafe { sys::close(fd) }
    }

    fn attempt(&mut self, key: OpKey, op: &mut Op) -> Attempt {
        let first = std::mem::replace(&mut op.first, false);
        if let Request::RecvMulti { fd } = op.req {
            return self.receive(key, fd);
        }
        if let Request::AcceptMulti { fd } = op.req {
            return self.accept(key, fd, first);
        }
        self.counters.syscalls += 1;
        // SAFETY: the request's pointers are valid until its completion (contract of `submit`), and the
        // descriptor was found not to be negative there.
        unsafe { sys::attempt(&op.req, op.style, &mut op.moved, first) }
    }

    /// Accepts as long as somebody waits, but not for ever.
    fn accept(&mut self, key: OpKey, fd: Fd, mut first: bool) -> Attempt {
        let one = Request::Accept { fd, addr: std::ptr::null_mut(), addr_len: std::ptr::null_mut() };
        for _ in 0..MULTI_BUDGET {
            self.counters.syscalls += 1;
            // SAFETY: no address is wanted, and the descriptor is not negative.
            match unsafe { sys::attempt(&one, Style::Socket, &mut 0, first) } {
                Attempt::Done(socket) if socket >= 0 => self.table.finish(key, Completion::step(socket)),
                other => return other,
            }
            first = false;
        }
        Attempt::Wait
    }

    /// Fills buffers as long as there is data, but not for ever.
    fn receive(&mut self, key: OpKey, fd: Fd) -> Attempt {
        let buffers = Buffers::made(&mut self.buffers, self.config.buffers, self.config.buffer_size);
        let Some(buffers) = buffers else { return Attempt::Done(-sys::ENOMEM) };
        for _ in 0..MULTI_BUDGET {
            let Some(id) = buffers.take() else { return Attempt::Done(-sys::ENOBUFS) };
            self.counters.syscalls += 1;
            // SAFETY: the buffer is out, so it is ours, and `size` bytes long.
            let attempt = unsafe { sys::recv(fd, buffers.at(id), buffers.size(), 0) };
            match attempt {
                Attempt::Done(n) if n > 0 => {
                    self.table.finish(key, Completion::in_buffer(n, id, true));
                    // Less than was asked for: that was all, and the poller knows when there is more.
                    if (n as usize) < buffers.size() {
                        return Attempt::Wait;
                    }
                }
                other => {
                    buffers.put(id);
                    return other;
                }
            }
        }
        Attempt::Wait
    }

    /// Arms every descriptor whose queues were filled or whose event was used up. With `all`, those nobody
    /// waits on leave the poller.
    fn arm_waiting(&mut self, all: bool) {
        let mut changed = std::mem::take(&mut self.spare);
        self.table.take_changed(&mut changed, all);
        for fd in changed.drain(..) {
            let Some(entry) = self.table.entry(fd) else { continue };
            let wanted = entry.wanted();
            if wanted == (false, false) {
                if !all {
                    self.table.keep_idle(fd);
                    continue;
                }
                if entry.registered {
                    self.counters.ctl += 1;
                    self.counters.syscalls += 1;
                    sys::disarm(&self.poller, fd);
                }
                self.table.drop_entry(fd);
            } else if !entry.is_armed_for(wanted) {
                self.counters.ctl += 1;
                self.counters.syscalls += 1;
                match sys::arm(&self.poller, fd, wanted.0, wanted.1, entry.registered) {
                    Ok(()) => entry.arm(wanted),
                    Err(res) => self.table.fail_all(fd, res),
                }
            }
        }
        self.spare = changed;
    }

    fn poll(&mut self, timeout: Option<Duration>) -> Result<(), Errno> {
        let mut events = self.events.take().expect("events are gone through once at a time");
        events.clear();
        self.counters.syscalls += 1;
        let waited = self.poller.wait(&mut events, timeout);
        for event in events.iter() {
            // An event that says neither is about an error: whoever waits will meet it.
            let neither = !event.readable && !event.writable;
            let fd = event.key as Fd;
            self.table.use_event_up(fd);
            if event.readable || neither {
                self.run(fd, Direction::Read);
            }
            if event.writable || neither {
                self.run(fd, Direction::Write);
            }
        }
        self.events = Some(events);
        waited.map(drop).map_err(errno)
    }

    /// Tries the operations of one queue until one would block.
    fn run(&mut self, fd: Fd, direction: Direction) {
        while let Some((key, mut op)) = self.table.pop_front(fd, direction) {
            match self.attempt(key, &mut op) {
                Attempt::Wait => return self.table.put_front(key, op),
                Attempt::Done(res) => self.table.finish(key, Completion::done(res)),
            }
        }
    }
}

impl fmt::Debug for PollDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollDriver")
            .field("in_flight", &self.in_flight())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

fn errno(e: std::io::Error) -> Errno {
    Errno(e.raw_os_error().unwrap_or(sys::EIO))
}
