//! What the driver knows of each descriptor, and the operations that wait on it. Owner-only.

use std::collections::VecDeque;

use ouzel_core::driver::Errno;
use ouzel_core::op::{Completion, Fd, OpKey, Request};

use crate::fds::FdTable;
use crate::keys::KeyMap;
use crate::sys;

const NONE: u32 = u32::MAX;

/// Which way an operation moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// What a descriptor is, as far as anybody has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    /// A short read has taken everything.
    Tcp,
    Other,
}

/// One direction of a descriptor: does a try make sense, and who waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) may_try: bool,
    head: u32,
    tail: u32,
}

impl Side {
    const NEW: Side = Side { may_try: true, head: NONE, tail: NONE };

    pub(super) fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

/// What is known of one descriptor number in its present generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    generation: u32,
    /// Events the descriptor is registered for in this epoll; 0: not registered.
    pub(super) events: u32,
    /// The peer has hung up, or urgent data has come: every try makes sense.
    pub(super) always_try: bool,
    pub(super) kind: Kind,
    /// `O_NONBLOCK` is known to be set.
    pub(super) nonblocking: bool,
    /// An operation was submitted since the last event.
    pub(super) used: bool,
    /// Events in a row that nobody waited for.
    pub(super) unwanted: u8,
    /// In the driver's list of descriptors to look at.
    pub(super) listed: bool,
    /// Why a send that nobody waited for failed, until somebody asks; 0: none has.
    pub(super) failed: i32,
    pub(super) sides: [Side; 2],
}

impl Entry {
    const NEW: Entry = Entry {
        generation: 0,
        events: 0,
        always_try: false,
        kind: Kind::Unknown,
        nonblocking: false,
        used: false,
        unwanted: 0,
        listed: false,
        failed: 0,
        sides: [Side::NEW; 2],
    };

    pub(super) fn side(&mut self, way: Way) -> &mut Side {
        &mut self.sides[way as usize]
    }

    /// Whether a system call may find something.
    pub(super) fn may_try(&self, way: Way) -> bool {
        self.sides[way as usize].may_try || self.always_try
    }

    /// Whether nobody is in line, and a system call may find something.
    #[inline]
    pub(super) fn is_free(&self, way: Way) -> bool {
        self.sides[way as usize].is_empty() && self.may_try(way)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.sides.iter().all(Side::is_empty)
    }

    /// Finds out what the descriptor is.
    #[cold]
    pub(super) fn ask(&mut self, fd: Fd) {
        self.kind = if sys::is_tcp(fd) { Kind::Tcp } else { Kind::Other };
    }

    /// Forgets the registration, and all that was concluded from it.
    pub(super) fn forget(&mut self) {
        let sides = self.sides.map(|s| Side { may_try: true, ..s });
        let (generation, listed, failed) = (self.generation, self.listed, self.failed);
        *self = Entry { generation, listed, failed, sides, ..Entry::NEW };
    }
}

/// An operation that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) key: OpKey,
    pub(super) req: Request,
    pub(super) way: Way,
    /// Bytes sent so far.
    pub(super) sent: usize,
    pub(super) fd: Fd,
    next: u32,
}

/// How many there are when `index` is the largest that was needed.
fn entries_for(index: usize) -> usize {
    (index + 1).next_power_of_two().max(64)
}

/// Descriptors whose turn it is.
pub(super) type Ready = VecDeque<Fd>;
/// Operations that have ended.
pub(super) type Done = VecDeque<(OpKey, Completion)>;

/// Operations for which there is room at first.
const FEW: usize = 4;

/// All descriptors, and all operations that wait on them.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    ops: Vec<Pending>,
    free: Vec<u32>,
    by_key: KeyMap<u32>,
}

impl Table {
    /// Makes room for an entry of `fd`: then [`entry`](Self::entry) asks for no memory.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[inline]
    pub(super) fn make_entry(&mut self, fd: Fd) -> Result<(), Errno> {
        let index = fd as usize;
        if index < self.entries.len() { Ok(()) } else { self.make_entries(index) }
    }

    #[cold]
    fn make_entries(&mut self, index: usize) -> Result<(), Errno> {
        let more = entries_for(index) - self.entries.len();
        self.entries.try_reserve_exact(more).map_err(|_| Errno(libc::ENOMEM))
    }

    /// Makes room for one operation more: then [`push`](Self::push), and whatever takes it out, asks for no memory, nor does
    /// its descriptor in `ready` or its end in `done`.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[inline]
    pub(super) fn make_op(&mut self, ready: &mut Ready, done: &mut Done) -> Result<(), Errno> {
        let has_place = !self.free.is_empty() || self.ops.len() < self.ops.capacity();
        let is_there = has_place && self.by_key.len() < self.by_key.capacity();
        if is_there { Ok(()) } else { self.make_ops(ready, done).ok_or(Errno(libc::ENOMEM)) }
    }

    #[cold]
    fn make_ops(&mut self, ready: &mut Ready, done: &mut Done) -> Option<()> {
        let has_place = !self.free.is_empty() || self.ops.len() < self.ops.capacity();
        let most = self.ops.capacity() * if has_place { 1 } else { 2 };
        let most = most.max(FEW);
        // All of them may be free at a time, or in one of the queues. These first: places for operations tell that there is room.
        self.free.try_reserve(most - self.free.len()).ok()?;
        ready.try_reserve(most.saturating_sub(ready.len())).ok()?;
        done.try_reserve(most.saturating_sub(done.len())).ok()?;
        self.by_key.try_reserve(1).ok()?;
        self.ops.try_reserve_exact(most - self.ops.len()).ok()
    }

    /// The entry of `fd`, brought up to its present generation.
    #[inline]
    pub(super) fn entry(&mut self, fd: Fd, fds: &FdTable) -> &mut Entry {
        let generation = fds.generation(fd);
        if self.entries.get(fd as usize).is_none_or(|entry| entry.generation != generation) {
            return self.renew(fd as usize, generation);
        }
        &mut self.entries[fd as usize]
    }

    /// Makes an entry, or lets one begin another generation.
    #[cold]
    fn renew(&mut self, index: usize, generation: u32) -> &mut Entry {
        if index >= self.entries.len() {
            self.entries.resize(entries_for(index), Entry::NEW);
        }
        let entry = &mut self.entries[index];
        if entry.generation != generation {
            entry.forget();
            entry.failed = 0;
            entry.generation = generation;
        }
        entry
    }

    /// The entry of `fd`, if there is one.
    pub(super) fn known(&mut self, fd: Fd) -> Option<&mut Entry> {
        self.entries.get_mut(fd as usize)
    }

    /// Operations that wait.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Puts an operation behind the others of its descriptor and direction. The entry exists.
    pub(super) fn push(&mut self, key: OpKey, req: Request, fd: Fd, way: Way, sent: usize) {
        let op = Pending { key, req, way, sent, fd, next: NONE };
        let index = match self.free.pop() {
            Some(index) => {
                self.ops[index as usize] = op;
                index
            }
            None => {
                self.ops.push(op);
                self.ops.len() as u32 - 1
            }
        };
        let side = self.entries[fd as usize].side(way);
        let last = std::mem::replace(&mut side.tail, index);
        if last == NONE {
            side.head = index;
        } else {
            self.ops[last as usize].next = index;
        }
        self.by_key.insert(key.0, index);
    }

    /// The operation that is next on `fd`.
    pub(super) fn first(&mut self, fd: Fd, way: Way) -> Option<&mut Pending> {
        let head = self.entries.get(fd as usize)?.sides[way as usize].head;
        self.ops.get_mut(head as usize)
    }

    /// Takes the operation that is next on `fd` out.
    pub(super) fn pop(&mut self, fd: Fd, way: Way) -> Option<Pending> {
        let op = *self.first(fd, way)?;
        let side = self.entries[fd as usize].side(way);
        self.free.push(side.head);
        side.head = op.next;
        if op.next == NONE {
            side.tail = NONE;
        }
        self.by_key.remove(&op.key.0);
        Some(op)
    }

    /// Takes an operation out of the middle.
    pub(super) fn remove(&mut self, key: OpKey) -> Option<Pending> {
        let index = self.by_key.remove(&key.0)?;
        let op = self.ops[index as usize];
        let (mut before, mut at) = (NONE, self.entries[op.fd as usize].sides[op.way as usize].head);
        while at != index {
            before = at;
            at = self.ops[at as usize].next;
        }
        let side = self.entries[op.fd as usize].side(op.way);
        if before == NONE {
            side.head = op.next;
        } else {
            self.ops[before as usize].next = op.next;
        }
        if op.next == NONE {
            side.tail = before;
        }
        self.free.push(index);
        Some(op)
    }

    /// Some operation that waits, while there is one.
    pub(super) fn any(&self) -> Option<OpKey> {
        self.by_key.keys().next().map(|&k| OpKey(k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_leave_in_order_and_from_the_middle() {
        let (fds, mut table) = (FdTable::new(), Table::default());
        table.entry(3, &fds);
        let keys: Vec<OpKey> = (1..=5).map(OpKey).collect();
        keys.iter().for_each(|&k| table.push(k, Request::Nop, 3, Way::In, 0));
        assert_eq!(table.remove(keys[2]).map(|p| p.key), Some(keys[2]));
        assert_eq!(table.remove(keys[4]).map(|p| p.key), Some(keys[4]));
        table.push(OpKey(6), Request::Nop, 3, Way::In, 0);
        assert_eq!(table.remove(keys[0]).map(|p| p.key), Some(keys[0]));
        let rest: Vec<u64> = std::iter::from_fn(|| table.pop(3, Way::In)).map(|p| p.key.0).collect();
        assert_eq!((rest, table.len()), (vec![2, 4, 6], 0));
        assert!(table.known(3).is_some_and(|e| e.is_idle()));
    }

    #[test]
    fn a_new_generation_forgets_the_registration_and_keeps_the_waiting() {
        let (fds, mut table) = (FdTable::new(), Table::default());
        let entry = table.entry(3, &fds);
        (entry.events, entry.kind) = (1, Kind::Tcp);
        entry.side(Way::In).may_try = false;
        table.push(OpKey(1), Request::Nop, 3, Way::In, 0);
        fds.changed(3);
        let entry = table.entry(3, &fds);
        assert_eq!((entry.events, entry.kind), (0, Kind::Unknown));
        assert!(entry.may_try(Way::In) && !entry.is_idle());
    }
}
