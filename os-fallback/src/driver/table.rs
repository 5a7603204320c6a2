//! Who waits for what: operations by key, queues by descriptor and direction, completions to deliver.
//!
//! Plain bookkeeping without a system call; the driver decides what to arm.

use std::collections::{HashMap, VecDeque};

use ouzel_core::op::{Completion, Fd, OpKey, Request, Submitted};

use crate::sys::{self, Direction, Style};

/// An operation that waits.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) req: Request,
    pub(super) fd: Fd,
    pub(super) direction: Direction,
    pub(super) style: Style,
    /// Bytes of a send that have gone out.
    pub(super) moved: usize,
    /// Not tried yet.
    pub(super) first: bool,
}

impl Op {
    /// How it ends when it is cancelled now: what was done is not called cancelled.
    pub(super) fn cut_short(&self) -> Completion {
        self.ended_by(sys::ECANCELED)
    }

    /// How it ends for this reason: with what was done, if anything was.
    pub(super) fn ended_by(&self, errno: i32) -> Completion {
        Completion::done(if self.moved > 0 { self.moved as i32 } else { -errno })
    }
}

/// What is known of one descriptor.
#[derive(Debug, Default)]
pub(super) struct Entry {
    read: VecDeque<OpKey>,
    write: VecDeque<OpKey>,
    /// Directions the next event will be reported for.
    armed: (bool, bool),
    /// In the poller, as far as we know.
    pub(super) registered: bool,
    /// Listed in `Table::changed`.
    listed: bool,
    /// Listed in `Table::idle`.
    idle: bool,
}

impl Entry {
    fn queue(&mut self, direction: Direction) -> &mut VecDeque<OpKey> {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    /// Directions somebody waits for: read, write.
    pub(super) fn wanted(&self) -> (bool, bool) {
        (!self.read.is_empty(), !self.write.is_empty())
    }

    /// More than wanted will do: it costs a look at an event for nobody, at most once.
    pub(super) fn is_armed_for(&self, (read, write): (bool, bool)) -> bool {
        (!read || self.armed.0) && (!write || self.armed.1)
    }

    pub(super) fn arm(&mut self, wanted: (bool, bool)) {
        self.armed = wanted;
        self.registered = true;
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    ops: HashMap<OpKey, Op>,
    fds: HashMap<Fd, Entry>,
    /// Descriptors to look at before the next look for events, each once.
    changed: Vec<Fd>,
    /// Descriptors nobody waited on when they were looked at: to look at before the next sleep. Apart, so that a busy
    /// thread, which looks for events often, does not go through all its connections each time.
    idle: Vec<Fd>,
    finished: VecDeque<(OpKey, Completion)>,
    /// Last completions among `finished`.
    finished_last: usize,
}

impl Table {
    /// Whether nobody waits for a descriptor.
    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.ops.len() + self.finished_last
    }

    pub(super) fn is_waited_for(&self, fd: Fd, direction: Direction) -> bool {
        self.fds.get(&fd).is_some_and(|e| match direction {
            Direction::Read => !e.read.is_empty(),
            Direction::Write => !e.write.is_empty(),
        })
    }

    /// Makes room for one operation more on `fd`. False: there is no memory.
    fn make_room(&mut self, fd: Fd, direction: Direction) -> bool {
        let lists = self.ops.try_reserve(1).and(self.fds.try_reserve(1));
        if lists.is_err() || self.changed.try_reserve(1).is_err() {
            return false;
        }
        let entry = self.fds.entry(fd).or_default();
        let has_room = entry.queue(direction).try_reserve(1).is_ok();
        if !has_room {
            // Goes when it is looked at, unless somebody waits.
            list(&mut self.changed, entry, fd);
        }
        has_room
    }

    /// Puts an operation behind the others, or ends it: without memory it cannot wait.
    pub(super) fn enqueue(&mut self, key: OpKey, op: Op) -> Submitted {
        if !self.make_room(op.fd, op.direction) {
            let out_of_memory = op.ended_by(sys::ENOMEM);
            if !matches!(op.req, Request::RecvMulti { .. } | Request::AcceptMulti { .. }) {
                return Submitted::Done(out_of_memory);
            }
            // Behind what it has given.
            self.finish(key, out_of_memory);
            return Submitted::InFlight;
        }
        let entry = self.fds.entry(op.fd).or_default();
        if entry.wanted() == (false, false) {
            // Nothing kept the descriptor open until now: its number may name another file.
            entry.armed = (false, false);
        }
        entry.queue(op.direction).push_back(key);
        list(&mut self.changed, entry, op.fd);
        let twice = self.ops.insert(key, op);
        debug_assert!(twice.is_none(), "{key:?} is in flight already");
        Submitted::InFlight
    }

    /// Takes the first operation of a queue out, to try it.
    pub(super) fn pop_front(&mut self, fd: Fd, direction: Direction) -> Option<(OpKey, Op)> {
        let key = self.fds.get_mut(&fd)?.queue(direction).pop_front()?;
        self.ops.remove_entry(&key)
    }

    /// Puts it back: it would have blocked.
    pub(super) fn put_front(&mut self, key: OpKey, op: Op) {
        let entry = self.fds.entry(op.fd).or_default();
        entry.queue(op.direction).push_front(key);
        list(&mut self.changed, entry, op.fd);
        self.ops.insert(key, op);
    }

    /// Takes an operation out, wherever it stands.
    pub(super) fn remove(&mut self, key: OpKey) -> Option<Op> {
        let op = self.ops.remove(&key)?;
        if let Some(entry) = self.fds.get_mut(&op.fd) {
            entry.queue(op.direction).retain(|k| *k != key);
            list(&mut self.changed, entry, op.fd);
        }
        Some(op)
    }

    /// Keeps a completion for the next delivery.
    pub(super) fn finish(&mut self, key: OpKey, completion: Completion) {
        self.finished_last += usize::from(!completion.more());
        self.finished.push_back((key, completion));
    }

    pub(super) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Hands out all completions, in the order in which they happened.
    pub(super) fn deliver(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> usize {
        let mut n = 0;
        while let Some((key, completion)) = self.finished.pop_front() {
            self.finished_last -= usize::from(!completion.more());
            sink(key, completion);
            n += 1;
        }
        n
    }

    /// An event came: a one-shot registration reports nothing more until armed again.
    pub(super) fn use_event_up(&mut self, fd: Fd) {
        if let Some(entry) = self.fds.get_mut(&fd) {
            entry.armed = (false, false);
            list(&mut self.changed, entry, fd);
        }
    }

    /// Descriptors to look at, into an empty list; with `all` those nobody waited on too, which may name one twice.
    pub(super) fn take_changed(&mut self, changed: &mut Vec<Fd>, all: bool) {
        std::mem::swap(&mut self.changed, changed);
        // Whoever never sleeps closes descriptors and gets the same numbers again: then they are listed more than once.
        if all || self.idle.len() > 2 * self.fds.len() {
            changed.append(&mut self.idle);
        }
        for fd in &*changed {
            if let Some(entry) = self.fds.get_mut(fd) {
                (entry.listed, entry.idle) = (false, false);
            }
        }
    }

    /// Nobody waits on it: to be looked at before the next sleep.
    pub(super) fn keep_idle(&mut self, fd: Fd) {
        if let Some(entry) = self.fds.get_mut(&fd)
            && !std::mem::replace(&mut entry.idle, true)
        {
            self.idle.push(fd);
        }
    }

    pub(super) fn entry(&mut self, fd: Fd) -> Option<&mut Entry> {
        self.fds.get_mut(&fd)
    }

    pub(super) fn drop_entry(&mut self, fd: Fd) {
        self.fds.remove(&fd);
    }

    /// The descriptor is about to be closed: what waits on it is cancelled. True if it was in the poller.
    pub(super) fn forget(&mut self, fd: Fd) -> bool {
        let Some(entry) = self.fds.remove(&fd) else { return false };
        for key in entry.read.into_iter().chain(entry.write) {
            if let Some(op) = self.ops.remove(&key) {
                self.finish(key, op.cut_short());
            }
        }
        entry.registered
    }

    /// The descriptor cannot be waited for: everything that waits on it ends with `res`.
    pub(super) fn fail_all(&mut self, fd: Fd, res: i32) {
        let Some(entry) = self.fds.remove(&fd) else { return };
        for key in entry.read.into_iter().chain(entry.write) {
            if self.ops.remove(&key).is_some() {
                self.finish(key, Completion::done(res));
            }
        }
    }

    /// Ends everything that waits.
    pub(super) fn cancel_all(&mut self) {
        let mut keys: Vec<OpKey> = self.ops.keys().copied().collect();
        keys.sort_unstable_by_key(|k| k.0);
        for key in keys {
            if let Some(op) = self.remove(key) {
                self.finish(key, op.cut_short());
            }
        }
    }
}

fn list(changed: &mut Vec<Fd>, entry: &mut Entry, fd: Fd) {
    if !std::mem::replace(&mut entry.listed, true) {
        changed.push(fd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(fd: Fd) -> Op {
        let req = Request::Recv { fd, buf: std::ptr::null_mut(), len: 0, flags: 0 };
        Op { req, fd, direction: Direction::Read, style: Style::Socket, moved: 0, first: false }
    }

    fn changed(table: &mut Table, all: bool) -> Vec<Fd> {
        let mut changed = Vec::new();
        table.take_changed(&mut changed, all);
        changed
    }

    #[test]
    fn what_nobody_waits_on_is_looked_at_once_and_again_before_a_sleep() {
        let mut table = Table::default();
        for fd in 0..100 {
            table.enqueue(OpKey(fd as u64), waiting(fd));
            table.remove(OpKey(fd as u64));
        }
        let seen = changed(&mut table, false);
        assert_eq!(seen.len(), 100);
        for fd in seen {
            table.keep_idle(fd);
            table.keep_idle(fd);
        }
        assert_eq!(changed(&mut table, false), []);
        table.enqueue(OpKey(7), waiting(7));
        assert_eq!(changed(&mut table, false), [7]);
        assert_eq!(changed(&mut table, true).len(), 100);
        assert_eq!(changed(&mut table, true), []);
    }

    #[test]
    fn numbers_used_again_do_not_pile_up() {
        let mut table = Table::default();
        for i in 0..1000 {
            table.enqueue(OpKey(i), waiting(3));
            table.remove(OpKey(i));
            for fd in changed(&mut table, false) {
                table.keep_idle(fd);
            }
            table.forget(3);
        }
        assert!(table.idle.len() < 4, "{}", table.idle.len());
    }
}
