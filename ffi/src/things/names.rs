//! Tasks that the runtime itself cannot find yet, or not by a name.

use core::ffi::c_char;
use core::fmt;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use ouzel::TaskId;
use ouzel::presence::Presence;

use crate::error::{Error, Result};
use crate::memory;
use crate::options::Ud;

/// A task with a name, for the list of tasks.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: Name,
    pub(crate) ud: Ud,
    /// Once its spawner knows it.
    pub(crate) id: Mutex<Option<TaskId>>,
}

/// The host's text, lent until the task's `drop`.
#[derive(Clone, Copy)]
pub(crate) struct Name(pub(crate) *const c_char);

// SAFETY: `ouzel.h` says that the text stays where and as it is.
unsafe impl Send for Name {}
// SAFETY: as above.
unsafe impl Sync for Name {}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name")
    }
}

/// Tasks that other threads have given to a host-driven runtime, until they are polled first: their ids are out, and the
/// runtime does not know them yet.
#[derive(Debug, Default)]
pub(crate) struct Newborns {
    inner: Mutex<Inner>,
    /// Those that have an id.
    named: Presence,
}

#[derive(Debug, Default)]
struct Inner {
    /// By number, which a task keeps; none before its id is known.
    all: Vec<Option<TaskId>>,
    free: Vec<u32>,
    ids: HashSet<TaskId>,
}

impl Newborns {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more; its number. Naming and ending it needs no memory.
    pub(crate) fn begin(&self) -> Result<u32> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let unnamed = inner.all.len() - inner.free.len() - inner.ids.len() + 1;
        inner.ids.try_reserve(unnamed).map_err(|_| Error::NO_MEMORY)?;
        if let Some(number) = inner.free.pop() {
            return Ok(number);
        }
        let number = u32::try_from(inner.all.len()).map_err(|_| Error::NO_MEMORY)?;
        memory::room(&mut inner.all)?;
        memory::room_for_free(&mut inner.free, &inner.all)?;
        inner.all.push(None);
        Ok(number)
    }

    /// Its id. Before its first poll.
    pub(crate) fn name(&self, number: u32, id: TaskId) {
        let mut inner = self.lock();
        inner.all[number as usize] = Some(id);
        inner.ids.insert(id);
        self.named.arrive();
    }

    /// It has been polled, or will never be.
    pub(crate) fn end(&self, number: u32) {
        let mut inner = self.lock();
        if let Some(id) = inner.all[number as usize].take() {
            inner.ids.remove(&id);
            self.named.leave();
        }
        inner.free.push(number);
    }

    /// Whether it is one. A signal handler must not wait: where there are some and it cannot have the answer that is
    /// "yes", since who holds the lock may be making or ending this one.
    pub(crate) fn contains(&self, id: TaskId, may_wait: bool) -> bool {
        // Who finds none here finds the task in its runtime.
        if self.named.is_empty() {
            return false;
        }
        if may_wait {
            return self.lock().ids.contains(&id);
        }
        match self.inner.try_lock() {
            Ok(inner) => inner.ids.contains(&id),
            Err(TryLockError::Poisoned(inner)) => inner.into_inner().ids.contains(&id),
            Err(TryLockError::WouldBlock) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_cannot_have_the_lock_knows_that_there_is_none() {
        let (newborns, id) = (Newborns::default(), TaskId { index: 3, generation: 7 });
        let number = newborns.begin().unwrap();
        {
            let _held = newborns.lock();
            assert!(!newborns.contains(id, false), "a handler beside another one, and nothing is being born");
        }
        newborns.name(number, id);
        assert!(newborns.contains(id, true) && newborns.contains(id, false));
        assert!(!newborns.contains(TaskId { index: 4, generation: 7 }, false));
        {
            let _held = newborns.lock();
            assert!(newborns.contains(id, false), "it cannot be told, and may be one");
        }
        newborns.end(number);
        let _held = newborns.lock();
        assert!(!newborns.contains(id, false));
    }
}
