//! What belongs to one thread of the server: its counts, its spare memory, its connections.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use ouzel::LocalRuntime;
use ouzel::sync::Receiver;

use super::message::{Flight, Landed, Message};
use super::shared::Shared;
use crate::counters::Counters;
use crate::proto::Host;

/// Buffers larger than this are not kept.
const KEPT_BYTES: usize = 32 * 1024;
/// Spare buffers that are kept.
const KEPT: usize = 512;
/// Bytes of a new one.
const FRESH: usize = 1024;
/// Connections that are looked at for a buffer before one is made.
const LOOKS: usize = 4;

/// See the module.
pub(super) struct Thread {
    pub(super) shared: Arc<Shared>,
    pub(super) count: Arc<Counters>,
    runtime: Weak<LocalRuntime>,
    buffers: RefCell<Vec<Vec<u8>>>,
    pub(super) messages: RefCell<Vec<Rc<Message>>>,
    entries: RefCell<Vec<Rc<Entry>>>,
    /// Connections whose sends may be over without anybody having looked, oldest first.
    unsettled: RefCell<VecDeque<Rc<Entry>>>,
    /// The fewest spare buffers since the last look around.
    unneeded: Cell<usize>,
    draining: Cell<bool>,
}

/// Why a connection is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kick {
    /// Nothing came for too long.
    Idle,
    /// The server stops: what has come is answered.
    Drain,
}

/// A connection as its thread knows it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    place: Cell<usize>,
    waker: RefCell<Option<Waker>>,
    /// When it was last served.
    pub(super) last: Cell<u32>,
    /// Replies on their way.
    pub(super) flight: RefCell<Option<Flight>>,
    /// Its stream is broken.
    pub(super) dead: Cell<bool>,
    /// It is among the thread's unsettled ones.
    queued: Cell<bool>,
    pub(super) kick: Cell<Option<Kick>>,
}

impl Entry {
    pub(super) fn remember(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|w| w.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Thread {
    pub(super) fn new(shared: &Arc<Shared>, number: usize, runtime: &Rc<LocalRuntime>) -> Rc<Self> {
        Rc::new(Thread {
            shared: Arc::clone(shared),
            count: Arc::clone(&shared.counters[number]),
            runtime: Rc::downgrade(runtime),
            buffers: RefCell::default(),
            messages: RefCell::default(),
            entries: RefCell::default(),
            unsettled: RefCell::default(),
            unneeded: Cell::new(0),
            draining: Cell::new(false),
        })
    }

    /// An empty buffer: a spare one, or one whose send is over, or a new one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        if self.buffers.borrow().is_empty() {
            self.settle_oldest();
        }
        let spare = self.buffers.borrow_mut().pop();
        self.unneeded.set(self.unneeded.get().min(self.buffers.borrow().len()));
        spare.unwrap_or_else(|| Vec::with_capacity(FRESH))
    }

    pub(super) fn keep(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffer.capacity() <= KEPT_BYTES && buffer.capacity() > 0 && buffers.len() < KEPT {
            buffers.push(buffer);
        }
    }

    /// Notes replies of `entry` that nobody waits for.
    pub(super) fn fly(&self, entry: &Rc<Entry>, flight: Flight) {
        if flight.is_lazy() && !entry.queued.replace(true) {
            self.unsettled.borrow_mut().push_back(Rc::clone(entry));
        }
        *entry.flight.borrow_mut() = Some(flight);
    }

    /// Looks whether the replies of `entry` are sent.
    pub(super) fn settle(&self, entry: &Entry) {
        let landed = entry.flight.borrow_mut().as_mut().and_then(Flight::look);
        if let Some(landed) = landed {
            self.landed(entry, landed);
        }
    }

    pub(super) fn landed(&self, entry: &Entry, landed: Landed) {
        *entry.flight.borrow_mut() = None;
        self.keep(landed.bytes);
        match landed.result {
            Ok(n) => self.count.bytes_written.add(n as u64),
            Err(e) => {
                self.shared.log(1, || format!("send: {e}"));
                entry.dead.set(true);
            }
        }
    }

    fn settle_oldest(&self) {
        for _ in 0..LOOKS {
            let Some(entry) = self.unsettled.borrow_mut().pop_front() else { return };
            entry.queued.set(false);
            self.settle(&entry);
            if entry.flight.borrow().is_some() && !entry.queued.replace(true) {
                self.unsettled.borrow_mut().push_back(entry);
            }
        }
    }

    pub(super) fn add(&self) -> Rc<Entry> {
        let mut entries = self.entries.borrow_mut();
        let entry = Rc::new(Entry::default());
        entry.place.set(entries.len());
        entry.last.set(self.shared.store.now());
        if self.draining.get() {
            entry.kick.set(Some(Kick::Drain));
        }
        entries.push(Rc::clone(&entry));
        entry
    }

    pub(super) fn remove(&self, entry: &Entry) {
        let mut entries = self.entries.borrow_mut();
        let place = entry.place.get();
        entries.swap_remove(place);
        if let Some(moved) = entries.get(place) {
            moved.place.set(place);
        }
    }

    /// Connections of this thread.
    pub(super) fn open(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Asks every connection to answer what has come and to end.
    pub(super) fn drain(&self) {
        self.draining.set(true);
        for entry in &*self.entries.borrow() {
            entry.kick.set(Some(Kick::Drain));
            entry.wake();
        }
    }

    /// The runtime's counts, where others can read them.
    pub(super) fn publish(&self) {
        if let Some(runtime) = self.runtime.upgrade() {
            let m = runtime.metrics();
            self.count.syscalls.set(m.io.syscalls);
            self.count.enters.set(m.io.enters);
            self.count.sqes.set(m.io.sqes);
            self.count.cqes.set(m.io.cqes);
            self.count.polls.set(m.polls);
        }
    }

    /// Once a second: who was idle too long is told, and memory that nobody uses is given back.
    fn look_around(&self) {
        let now = self.shared.store.now();
        let limit = self.shared.options.idle_timeout;
        for entry in &*self.entries.borrow() {
            let idle = limit > 0 && now.saturating_sub(entry.last.get()) >= limit;
            if idle && entry.kick.get().is_none() {
                entry.kick.set(Some(Kick::Idle));
            }
            if idle {
                entry.wake();
            }
        }
        let unsettled = self.unsettled.borrow().len();
        (0..unsettled.div_ceil(LOOKS)).for_each(|_| self.settle_oldest());
        // Half of what was not needed.
        let mut buffers = self.buffers.borrow_mut();
        let keep = buffers.len() - self.unneeded.get().min(buffers.len()).div_ceil(2);
        buffers.truncate(keep);
        self.unneeded.set(keep);
        drop(buffers);
        self.publish();
    }

    /// What is to be done at each of the `seconds`. The first thread sweeps the store.
    ///
    /// They come from the main thread: with a timer here every wait would have a deadline, and one with a deadline takes
    /// 3 % more CPU time than one without.
    pub(super) async fn tick(self: Rc<Self>, seconds: Receiver<()>, is_first: bool) {
        while seconds.recv().await.is_ok() {
            if is_first {
                self.shared.store.sweep();
            }
            self.look_around();
        }
    }
}

impl Host for Thread {
    fn stats(&self, what: &[u8], out: &mut Vec<u8>) -> bool {
        self.publish();
        super::stats::write(&self.shared, what, out)
    }

    fn reset_stats(&self) {
        self.publish();
        self.shared.reset_totals();
    }

    fn set_verbosity(&self, level: u32) {
        self.shared.set_verbosity(level);
    }

    fn item_max(&self) -> usize {
        self.shared.options.item_max
    }

    fn may_flush(&self) -> bool {
        self.shared.options.flush_enabled
    }
}
