//! Groups: tasks that are cancelled together and waited for together.
//!
//! A member is admitted before it is spawned and leaves when its future is gone, so a group is never found empty while one
//! of its tasks is on the way. Its id is known a moment after the spawn: a cancel in between is carried out by the spawner.

use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ouzel::TaskId;

use super::table::Key;
use crate::error::{Error, Result};
use crate::memory;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Group(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// With the generation of the place.
    members: Vec<(u32, Member)>,
    free: Vec<u32>,
    cancelled: bool,
    /// Tasks that wait for the group to be empty.
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Gone,
    /// Its spawner does not know its id yet.
    Spawning,
    There(TaskId),
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more member, to be spawned; its place. It leaves without memory.
    pub(crate) fn admit(&self) -> Result<Key> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.cancelled {
            return Err(Error::CLOSING);
        }
        if let Some(index) = state.free.pop() {
            let place = &mut state.members[index as usize];
            *place = (place.0.wrapping_add(1), Member::Spawning);
            return Ok((index, place.0));
        }
        let index = u32::try_from(state.members.len()).map_err(|_| Error::NO_MEMORY)?;
        memory::room(&mut state.members)?;
        memory::room_for_free(&mut state.free, &state.members)?;
        state.members.push((0, Member::Spawning));
        Ok((index, 0))
    }

    /// The member, which may be over already, has been spawned. True: the group was cancelled meanwhile, and the member is
    /// to be.
    pub(crate) fn name(&self, (index, generation): Key, id: TaskId) -> bool {
        let mut state = self.lock();
        let place = &mut state.members[index as usize];
        if *place == (generation, Member::Spawning) {
            place.1 = Member::There(id);
        }
        state.cancelled
    }

    /// The member is over.
    pub(crate) fn leave(&self, (index, _): Key) {
        let mut state = self.lock();
        state.members[index as usize].1 = Member::Gone;
        state.free.push(index);
        let waiting = if state.is_empty() { core::mem::take(&mut state.waiting) } else { Vec::new() };
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Refuses members from now on; those whose ids are known, to be cancelled, one after the other.
    pub(crate) fn cancel(&self) -> impl Iterator<Item = TaskId> {
        let mut state = self.lock();
        state.cancelled = true;
        // None is admitted any more, and each stays where it is.
        let places = 0..state.members.len();
        drop(state);
        places
            .filter_map(|at| if let Member::There(id) = self.lock().members[at].1 { Some(id) } else { None })
    }

    /// Whether no member is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The same, or `waker` is woken when none is.
    pub(crate) fn poll_empty(&self, waker: &Waker) -> Result<bool> {
        let new = waker.clone();
        let mut state = self.lock();
        if state.is_empty() {
            return Ok(true);
        }
        if !state.waiting.iter().any(|known| known.will_wake(waker)) {
            memory::room(&mut state.waiting)?;
            state.waiting.push(new);
        }
        Ok(false)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.free.len() == self.members.len()
    }
}
