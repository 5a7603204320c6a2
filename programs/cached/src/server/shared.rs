//! What all threads of a server share.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::counters::{Counters, Totals};
use crate::options::Options;
use crate::say::say;
use crate::store::Store;

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) options: Options,
    pub(super) started: Instant,
    /// One for each thread.
    pub(super) counters: Vec<Arc<Counters>>,
    /// The port it listens on.
    pub(super) port: u16,
    /// The driver in use, and why.
    pub(super) driver: Mutex<String>,
    /// How often memory was asked for so far, where that is counted.
    pub(super) allocations: fn() -> u64,
    verbosity: AtomicU32,
    open_total: AtomicUsize,
    failed: AtomicBool,
    /// The totals at the last `stats reset`.
    zero: Mutex<Totals>,
}

impl Shared {
    pub(super) fn new(store: Store, options: Options, port: u16, allocations: fn() -> u64) -> Self {
        let counters = (0..options.threads).map(|_| Arc::default()).collect();
        Shared {
            store: Arc::new(store),
            verbosity: AtomicU32::new(options.verbosity),
            options,
            started: Instant::now(),
            counters,
            port,
            driver: Mutex::default(),
            allocations,
            open_total: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            zero: Mutex::default(),
        }
    }

    /// Takes a place for a connection; false if there are as many as may be.
    pub(super) fn enter(&self) -> bool {
        // ORDERING: Relaxed: the number alone matters.
        let before = self.open_total.fetch_add(1, Ordering::Relaxed);
        if before >= self.options.max_connections {
            self.leave();
            return false;
        }
        true
    }

    pub(super) fn leave(&self) {
        // ORDERING: Relaxed, as in `enter`.
        self.open_total.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn open(&self) -> usize {
        // ORDERING: Relaxed, as in `enter`.
        self.open_total.load(Ordering::Relaxed)
    }

    /// Says `what` if it was asked to say so much.
    pub(super) fn log(&self, level: u32, what: impl FnOnce() -> String) {
        // ORDERING: Relaxed: a number that stands for itself.
        if self.verbosity.load(Ordering::Relaxed) >= level {
            say(what());
        }
    }

    pub(super) fn set_verbosity(&self, level: u32) {
        // ORDERING: Relaxed, as above.
        self.verbosity.store(level, Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        // ORDERING: Relaxed: read after the threads were joined.
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        // ORDERING: Relaxed, as in `fail`.
        self.failed.load(Ordering::Relaxed)
    }

    /// All threads' counts, since the start.
    pub(super) fn sum(&self) -> Totals {
        let mut sum = Totals::default();
        self.counters.iter().for_each(|c| c.add_to(&mut sum));
        sum
    }

    /// All threads' counts since `stats reset`.
    pub(super) fn totals(&self) -> Totals {
        self.sum().since(&self.zero.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn reset_totals(&self) {
        *self.zero.lock().unwrap_or_else(PoisonError::into_inner) = self.sum();
    }
}
