//! One thread's I/O: the slots of its operations, its timer wheel, its driver, and a mailbox for what
//! the blocking pool did for it.
//!
//! ```text
//!   submit ──▶ slot ──▶ driver          completes at once, later, or needs a thread that may block
//!                  └──▶ wheel           (timeouts)
//!                  └──▶ blocking pool ──▶ mailbox ──▶ unpark
//! ```
//!
//! Wakers and destructors run while the driver is at work, and may submit or drop operations. So a
//! submission that finds the driver busy waits in `deferred` until it is free, and what orphaned completions
//! leave behind (descriptors, provided buffers) is cleared away afterwards.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;

use ouzel_core::alarm::Alarms;
use ouzel_core::driver::{Deadline, Driver, Errno, Nanos};
use ouzel_core::memory::boxed;
use ouzel_core::op::{
    AfterComplete, Completion, Flavour, OpHandle, OpKey, OpSlab, Rejected, Request, Scratch, Submitted,
};
use ouzel_core::park::ParkWord;
use ouzel_core::sched::Seat;

use crate::blocking::Runner;
use crate::driver::{Choice, DriverOptions};
use crate::metrics::IoTotals;
use crate::platform::{self, AnyDriver, ECANCELED, ENOMEM, Files, Origin};
use crate::provided::Provided;

mod chores;
mod end;
mod limits;
mod mailbox;
mod tries;

use limits::Limits;
use mailbox::{Letter, Mailbox, refusing};

/// See the module.
pub(crate) struct ReactorCell {
    slab: OpSlab,
    /// Timers that are operations, and operations that have a limit.
    limits: Limits,
    /// Timers that are no operations.
    pub(crate) alarms: Alarms,
    /// Not dropped in a forked child, where that would reach into the parent's epoll.
    driver: ManuallyDrop<RefCell<AnyDriver>>,
    /// Drivers that could not be made, and why.
    passed_over: String,
    origin: Origin,
    options: DriverOptions,
    files: Files,
    seat: Seat,
    mailbox: Arc<Mailbox>,
    /// Submitted while the driver was busy.
    deferred: RefCell<Vec<Deferred>>,
    /// What completions without a holder left behind.
    litter: RefCell<Vec<(Request, Completion)>>,
    /// Somebody waits for a lazy send.
    lazy_waited: Cell<bool>,
    /// Whether the driver tells lazy sends from others.
    lazy_sends: bool,
    /// Whether calls on sockets are tried before they are operations, and how many were.
    tries_sockets: bool,
    tries: Cell<u64>,
    totals: Arc<IoTotals>,
    /// The driver's provided buffers, once somebody has asked for them.
    provided: OnceCell<Arc<Provided>>,
}

/// An operation that was submitted while the driver was busy.
type Deferred = (OpKey, Request, Option<Deadline>, Runner);

/// What a reactor needs of the system, and what others need of it: made on any thread.
pub(crate) struct Prepared {
    driver: AnyDriver,
    passed_over: String,
    seat: Seat,
    options: DriverOptions,
    totals: Arc<IoTotals>,
}

impl Prepared {
    pub(crate) fn new(options: &DriverOptions) -> io::Result<Self> {
        let park = Arc::new(ParkWord::new());
        let (driver, passed_over) = platform::make(options, &park)?;
        let seat = Seat { park, unpark: driver.unparker() };
        Ok(Prepared { driver, passed_over, seat, options: *options, totals: Arc::default() })
    }

    pub(crate) fn seat(&self) -> Seat {
        self.seat.clone()
    }

    pub(crate) fn choice(&self) -> Choice {
        choice(&self.driver, &self.passed_over)
    }

    pub(crate) fn totals(&self) -> Arc<IoTotals> {
        Arc::clone(&self.totals)
    }

    /// The calling thread's reactor. Fails for no reason that is known.
    pub(crate) fn bind(self, flavour: Flavour) -> io::Result<Rc<ReactorCell>> {
        let Prepared { mut driver, passed_over, seat, options, totals } = self;
        driver.bind().map_err(platform::os_error)?;
        let now = platform::now();
        let tries_sockets = driver.lets_try_sockets();
        let lazy_sends = flavour == Flavour::Local || driver.settles_after_waits();
        Ok(Rc::new(ReactorCell {
            slab: OpSlab::new(Arc::clone(&seat.park), Arc::clone(&seat.unpark), flavour),
            limits: Limits::new(now),
            alarms: Alarms::new(now, Arc::clone(&seat.park), Arc::clone(&seat.unpark)),
            files: driver.files(),
            driver: ManuallyDrop::new(RefCell::new(driver)),
            passed_over,
            origin: Origin::here(),
            options,
            mailbox: Arc::new(Mailbox::new(seat.clone())),
            seat,
            deferred: RefCell::default(),
            litter: RefCell::default(),
            lazy_waited: Cell::new(false),
            lazy_sends,
            tries_sockets,
            tries: Cell::new(0),
            totals,
            provided: OnceCell::new(),
        }))
    }
}

fn choice(driver: &AnyDriver, passed_over: &str) -> Choice {
    Choice { name: driver.name(), description: driver.description(), passed_over: passed_over.into() }
}

impl ReactorCell {
    /// A reactor for the calling thread.
    pub(crate) fn new(options: &DriverOptions, flavour: Flavour) -> io::Result<Rc<Self>> {
        Prepared::new(options)?.bind(flavour)
    }

    /// This thread's reactor for `block_on`: kept from one call to the next while the options agree.
    pub(crate) fn for_this_thread(options: &DriverOptions) -> io::Result<Rc<Self>> {
        thread_local! {
            static KEPT: RefCell<Option<Rc<ReactorCell>>> = const { RefCell::new(None) };
        }
        let kept = KEPT.with(|k| k.borrow().clone());
        let fits = |k: &Rc<Self>| {
            k.options == *options && Rc::strong_count(k) == 2 && !k.origin.is_another_process()
        };
        if let Some(kept) = kept.filter(fits) {
            return Ok(kept);
        }
        let new = ReactorCell::new(options, Flavour::Shared)?;
        let old = KEPT.with(|k| k.borrow_mut().replace(Rc::clone(&new)));
        drop(old);
        Ok(new)
    }

    pub(crate) fn seat(&self) -> Seat {
        self.seat.clone()
    }

    pub(crate) fn choice(&self) -> Choice {
        choice(&self.driver.borrow(), &self.passed_over)
    }

    pub(crate) fn files(&self) -> Files {
        self.files
    }

    pub(crate) fn totals(&self) -> Arc<IoTotals> {
        Arc::clone(&self.totals)
    }

    /// Whether the driver tells lazy sends from others. Where operations may be waited for on other threads it does so only
    /// if it hands out the results after a wait: the worker sleeps with what is delivered before.
    pub(crate) fn has_lazy_sends(&self) -> bool {
        self.lazy_sends
    }

    /// Submits an operation on `payload`, that has time until `limit`. `pool` is for what the driver would have to
    /// block for.
    pub(crate) fn submit<P: 'static>(
        &self,
        payload: P,
        limit: Option<Deadline>,
        build: impl FnOnce(*mut P, *mut Scratch) -> Request,
        pool: impl FnOnce() -> Runner,
    ) -> Result<OpHandle<P>, Rejected<P>> {
        let (handle, mut request) = self.slab.submit(payload, build)?;
        if let Request::Send { lazy, .. } = &mut request {
            *lazy &= self.lazy_sends;
        }
        self.start(handle.key(), request, limit, pool);
        Ok(handle)
    }

    fn start(&self, key: OpKey, request: Request, limit: Option<Deadline>, pool: impl FnOnce() -> Runner) {
        if let Request::Timeout { deadline } = request {
            return self.start_timer(key, deadline);
        }
        let Ok(mut driver) = self.driver.try_borrow_mut() else {
            return self.deferred.borrow_mut().push((key, request, limit, pool()));
        };
        let submitted = match limit {
            None => driver.submit(key, &request),
            Some(limit) => self.submit_limited(&mut driver, key, &request, limit),
        };
        drop(driver);
        match submitted {
            Submitted::InFlight => {}
            Submitted::Done(c) => self.complete(key, c),
            Submitted::Blocking => self.block(key, request, &pool()),
        }
    }

    /// Gives the driver what has a limit, linked or watched.
    #[inline(never)]
    fn submit_limited(
        &self,
        driver: &mut AnyDriver,
        key: OpKey,
        request: &Request,
        limit: Deadline,
    ) -> Submitted {
        if self.options.linked_timeouts
            && let Some(linked) = driver.submit_until(key, request, limit)
        {
            return linked;
        }
        if !self.limits.reserve() {
            return Submitted::Done(Completion::done(-ENOMEM));
        }
        let submitted = driver.submit(key, request);
        if !matches!(submitted, Submitted::Done(_)) {
            self.limits.watch(&self.slab, key, limit);
        }
        submitted
    }

    #[inline(never)]
    fn start_timer(&self, key: OpKey, deadline: Deadline) {
        if self.limits.reserve() {
            self.limits.set_timer(&self.slab, key, deadline);
        } else {
            self.complete(key, Completion::done(-ENOMEM));
        }
    }

    /// Sends a request to the blocking pool; its result comes back through the mailbox.
    fn block(&self, key: OpKey, request: Request, pool: &Runner) {
        let Some(mut letter) = Letter::new(&self.mailbox, key) else {
            return self.complete(key, Completion::done(-ENOMEM));
        };
        let job = move || letter.fill(platform::execute(&request));
        let job = refusing(-ENOMEM, || boxed(job));
        let Some(Err(rejected)) = job.map(|job| pool.run(job)) else { return };
        // Of what could not begin the letter says why.
        let (why, job) = rejected.into_parts();
        let res = match why.raw_os_error() {
            Some(errno) => -errno,
            None if why.kind() == io::ErrorKind::OutOfMemory => -ENOMEM,
            None => -ECANCELED,
        };
        refusing(res, || drop(job));
    }

    /// Makes room for `n` operations more. False: there is none.
    pub(crate) fn reserve(&self, n: usize) -> bool {
        self.slab.reserve(n)
    }

    /// Delivers one completion.
    fn complete(&self, key: OpKey, c: Completion) {
        let c = self.limits.end(&self.slab, key, c);
        // SAFETY: it came from the driver that had the request, from the pool thread that executed
        // it, or from the wheel, and none of them touches its memory again unless it says `more`.
        match unsafe { self.slab.complete(key, c) } {
            AfterComplete::Delivered | AfterComplete::Stale => {}
            AfterComplete::Orphaned(request) => self.leave_litter(request, c),
        }
    }

    #[cold]
    fn leave_litter(&self, request: Request, c: Completion) {
        self.litter.borrow_mut().push((request, c));
    }

    fn wait(&self, deadline: Option<Deadline>) -> Result<(), Errno> {
        let mut deadline = deadline;
        // Without any of that there is no timer either.
        if self.has_chores() {
            // Wakers that run here leave a token, so the wait below ends at once if there was anything.
            let delivered = self.do_chores();
            deadline = deadline.into_iter().chain(self.next_deadline()).min();
            if delivered > 0 {
                deadline = Some(Deadline(Nanos(0)));
            }
        }
        let lazy_waited = self.lazy_waited.replace(false);
        let mut driver = self.driver.borrow_mut();
        let result = driver.wait(deadline, lazy_waited, &mut |key, c| self.complete(key, c));
        let mut counters = driver.counters();
        counters.syscalls += self.tries.get();
        self.totals.set(counters);
        drop(driver);
        // Where the driver had something, whoever is woken by it goes first: all else waits for the next look, as in `reap`.
        if !matches!(result, Ok(1..)) {
            self.turn();
        }
        result.map(drop)
    }

    fn reap(&self) -> Result<usize, Errno> {
        let mut count = self.turn();
        let mut driver = self.driver.borrow_mut();
        let result = driver.reap(&mut |key, c| self.complete(key, c));
        drop(driver);
        if self.has_litter() {
            self.clear_litter();
        }
        count += result?;
        Ok(count)
    }

    /// Somebody polled a lazy send and waits for it.
    pub(crate) fn lazy_is_waited_for(&self) {
        self.lazy_waited.set(true);
    }

    /// Before a host waits: a lazy send that somebody waits for must not wait for an event.
    pub(crate) fn settle_lazy_waits(&self) {
        if self.lazy_waited.replace(false) {
            self.flush();
            // What the kernel says is said again at the next look, where it can be told.
            let _ = self.reap();
        }
    }

    /// Gives what was submitted to the kernel now.
    pub(crate) fn flush(&self) {
        if let Ok(mut driver) = self.driver.try_borrow_mut() {
            // What the kernel says is said again at the next wait, where it can be told.
            let _ = driver.flush();
        }
    }

    /// The driver's provided buffers, made if need be. None while the driver is busy, or without memory.
    pub(crate) fn provided(&self) -> Option<Arc<Provided>> {
        if self.provided.get().is_none() {
            let memory = self.driver.try_borrow_mut().ok()?.provide().ok()?;
            let _ = self.provided.set(Arc::new(Provided::new(memory)));
        }
        self.provided.get().cloned()
    }

    /// Whether `provided` are this driver's.
    pub(crate) fn has_provided(&self, provided: &Arc<Provided>) -> bool {
        self.provided.get().is_some_and(|own| Arc::ptr_eq(own, provided))
    }

    /// Address of provided buffer `id`.
    pub(crate) fn buffer(&self, id: u16) -> Option<*mut u8> {
        self.driver.try_borrow().ok().map(|d| d.buffer(id))
    }

    /// Gives provided buffer `id` back.
    #[inline]
    pub(crate) fn recycle(&self, id: u16) {
        match self.driver.try_borrow_mut() {
            Ok(mut driver) => driver.recycle(id),
            Err(_) => self.litter.borrow_mut().push((Request::Nop, Completion::in_buffer(0, id, false))),
        }
    }

    /// For hosts that wait themselves: becomes readable when there is something to do.
    pub(crate) fn pollable(&self) -> Option<i32> {
        self.driver.borrow().pollable()
    }

    /// For hosts that wait themselves: makes an unpark show on the pollable descriptor.
    pub(crate) fn arm_notify(&self) {
        self.driver.borrow_mut().arm_notify();
    }

    /// When to look at the timers next.
    pub(crate) fn next_deadline(&self) -> Option<Deadline> {
        if self.alarms.is_empty() && self.limits.is_empty() {
            return None;
        }
        let slack = self.options.timer_slack;
        let operations = self.limits.next_wait(&self.slab, slack);
        operations.into_iter().chain(self.alarms.next_wait(slack)).min()
    }
}

/// The reactor as the core sees it: a clock and a place to sleep.
pub(crate) struct ReactorDriver(Rc<ReactorCell>);

impl ReactorDriver {
    pub(crate) fn new(reactor: Rc<ReactorCell>) -> Self {
        ReactorDriver(reactor)
    }
}

impl Driver for ReactorDriver {
    fn now(&mut self) -> Nanos {
        platform::now()
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        self.0.wait(deadline)
    }

    fn may_have_arrived(&mut self) -> bool {
        self.0.driver.borrow_mut().may_have_completed()
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        self.0.reap()
    }
}
