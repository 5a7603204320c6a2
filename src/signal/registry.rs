//! Who listens to which signal, and the thread that tells them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::platform::signal as os;

/// What is known of one signal.
#[derive(Default)]
struct Kind {
    /// How often it has come, as far as that can be told.
    count: u64,
    /// In the order of their listeners' numbers.
    wakers: Vec<(u64, Waker)>,
    /// Called each time.
    hook: Option<fn()>,
}

impl Kind {
    fn at(&self, listener: u64) -> Result<usize, usize> {
        self.wakers.binary_search_by_key(&listener, |(id, _)| *id)
    }

    /// Returns the waker that this one replaces.
    fn remember(&mut self, listener: u64, waker: Waker) -> Option<Waker> {
        match self.at(listener) {
            Ok(at) => Some(std::mem::replace(&mut self.wakers[at].1, waker)),
            Err(at) => {
                self.wakers.insert(at, (listener, waker));
                None
            }
        }
    }

    fn forget(&mut self, listener: u64) -> Option<Waker> {
        self.at(listener).ok().map(|at| self.wakers.remove(at).1)
    }
}

#[derive(Default)]
struct Registry {
    /// The thread was begun.
    watched: bool,
    /// Signals that are caught: few.
    kinds: Vec<(i32, Kind)>,
    listeners: u64,
}

static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

/// No foreign code runs under this lock: wakers are woken and dropped after it.
fn lock() -> MutexGuard<'static, Option<Registry>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Signal`](super::unix::Signal).
#[derive(Debug)]
pub(super) struct Listener {
    signal: i32,
    id: u64,
    /// The count that was told.
    seen: u64,
}

impl Listener {
    pub(super) fn new(signal: i32) -> io::Result<Self> {
        let mut guard = lock();
        let registry = guard.get_or_insert_default();
        let seen = registry.caught(signal)?.count;
        registry.listeners += 1;
        Ok(Listener { signal, id: registry.listeners, seen })
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut guard = lock();
        let Some(kind) = guard.as_mut().and_then(|registry| registry.kind(self.signal)) else {
            return Poll::Pending; // not so: `new` made it
        };
        let is_new = kind.count != self.seen;
        self.seen = kind.count;
        let (old, unused) =
            if is_new { (kind.forget(self.id), Some(waker)) } else { (kind.remember(self.id, waker), None) };
        drop(guard);
        drop((old, unused));
        if is_new { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut guard = lock();
        let kind = guard.as_mut().and_then(|registry| registry.kind(self.signal));
        let waker = kind.and_then(|kind| kind.forget(self.id));
        drop(guard);
        drop(waker);
    }
}

/// Calls `hook`, which does not panic, each time `signal` has come. One for each signal.
///
/// # Errors
/// As [`Listener::new`].
pub(crate) fn call_at(signal: i32, hook: fn()) -> io::Result<()> {
    lock().get_or_insert_default().caught(signal)?.hook = Some(hook);
    Ok(())
}

impl Registry {
    /// What is known of `signal`, which is caught from now on.
    fn caught(&mut self, signal: i32) -> io::Result<&mut Kind> {
        self.watch()?;
        let at = match self.kinds.iter().position(|(number, _)| *number == signal) {
            Some(at) => at,
            None => {
                os::catch(signal).map_err(|e| io::Error::from_raw_os_error(e.0))?;
                self.kinds.push((signal, Kind::default()));
                self.kinds.len() - 1
            }
        };
        Ok(&mut self.kinds[at].1)
    }

    fn kind(&mut self, signal: i32) -> Option<&mut Kind> {
        self.kinds.iter_mut().find_map(|(number, kind)| (*number == signal).then_some(kind))
    }

    /// Begins the thread, once.
    fn watch(&mut self) -> io::Result<()> {
        if !self.watched {
            let mut receiver = os::open()?;
            let watch = move || {
                while receiver.wait(tell).is_ok() {}
            };
            std::thread::Builder::new().name("ouzel-signals".into()).spawn(watch)?;
            self.watched = true;
        }
        Ok(())
    }
}

/// `signal` has come.
fn tell(signal: i32) {
    let mut guard = lock();
    let Some(kind) = guard.as_mut().and_then(|registry| registry.kind(signal)) else { return };
    kind.count += 1;
    let wakers = std::mem::take(&mut kind.wakers);
    let hook = kind.hook;
    drop(guard);
    if let Some(hook) = hook {
        hook();
    }
    for (_, waker) in wakers {
        // What a waker does is not ours; the others are woken all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}
