//! What belongs to one thread of the server: its counts, its spare memory, its connections.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use ouzel::LocalRuntime;

use super::message::Message;
use super::shared::Shared;
use crate::counters::Counters;
use crate::proto::Host;

/// Buffers larger than this are not kept.
const KEPT_BYTES: usize = 32 * 1024;
/// Spare buffers that are kept.
const KEPT: usize = 512;
/// Bytes of a new one.
const FRESH: usize = 2048;

/// See the module.
pub(super) struct Thread {
    pub(super) shared: Arc<Shared>,
    pub(super) count: Arc<Counters>,
    runtime: Weak<LocalRuntime>,
    buffers: RefCell<Vec<Vec<u8>>>,
    pub(super) messages: RefCell<Vec<Rc<Message>>>,
    entries: RefCell<Vec<Rc<Entry>>>,
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
    /// A send may be over that nobody has looked at.
    pub(super) unsettled: Cell<bool>,
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
            draining: Cell::new(false),
        })
    }

    /// An empty buffer.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(FRESH))
    }

    pub(super) fn keep(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffer.capacity() <= KEPT_BYTES && buffer.capacity() > 0 && buffers.len() < KEPT {
            buffers.push(buffer);
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

    /// Once a second: sends that are over give their memory back, and who was idle too long is told.
    fn look_around(&self) {
        let now = self.shared.store.now();
        let limit = self.shared.options.idle_timeout;
        for entry in &*self.entries.borrow() {
            let idle = limit > 0 && now.saturating_sub(entry.last.get()) >= limit;
            if idle && entry.kick.get().is_none() {
                entry.kick.set(Some(Kick::Idle));
            }
            if idle || entry.unsettled.take() {
                entry.wake();
            }
        }
        self.publish();
    }

    /// The thread's clockwork. The first thread keeps the store's time and sweeps it.
    pub(super) async fn tick(self: Rc<Self>, is_first: bool) {
        let mut interval = ouzel::time::interval(Duration::from_secs(1));
        loop {
            interval.tick().await;
            if is_first {
                self.shared.store.tick(self.shared.started.elapsed());
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
