//! Waiting and trying again: the part of the driver that keeps the module's invariants.

use std::os::fd::AsRawFd;

use ouzel_core::driver::{Deadline, Errno, Nanos};
use ouzel_core::op::{Completion, Fd, OpKey, Request};

use super::attempt::{Outcome, attempt};
use super::driver::{EpollDriver, TIMER, WAKE, check};
use super::table::{Entry, Kind, Way};
use crate::gather::GATHER_US;
use crate::{clock, sys};

/// Completions a descriptor gets per turn.
const BUDGET: u32 = 16;
/// Buffers of a multishot receive among them: whoever takes these may know a better place for what comes behind them.
const BUFFERS: u32 = 4;
/// Descriptors that have their turn before the tasks have theirs: see the module.
const TURNS: usize = 16;

const IN: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI) as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const ENDED: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLPRI) as u32;
const BROKEN: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;

impl EpollDriver {
    #[inline]
    pub(super) fn entry(&mut self, fd: Fd) -> &mut Entry {
        self.table.entry(fd, self.fds)
    }

    pub(super) fn list(&mut self, fd: Fd) {
        if let Some(entry) = self.table.known(fd)
            && !std::mem::replace(&mut entry.listed, true)
        {
            self.ready.push_back(fd);
        }
    }

    pub(super) fn attempt(&mut self, req: &Request, fd: Fd, sent: &mut usize, first: bool) -> Outcome {
        if matches!(req, Request::Accept { .. } | Request::AcceptMulti { .. } | Request::Connect { .. }) {
            self.make_nonblocking(fd);
        }
        let outcome = attempt(req, sent, first, &self.calls);
        if let (Request::Accept { .. } | Request::AcceptMulti { .. }, Outcome::Done(fd)) = (req, outcome)
            && fd >= 0
        {
            self.fds.changed(fd);
        }
        outcome
    }

    fn make_nonblocking(&mut self, fd: Fd) {
        if std::mem::replace(&mut self.entry(fd).nonblocking, true) {
            return;
        }
        self.called();
        let flags = sys::status_flags(fd);
        if flags >= 0 && flags & libc::O_NONBLOCK == 0 {
            self.called();
            sys::set_status_flags(fd, flags | libc::O_NONBLOCK);
        }
    }

    /// Draws the conclusion from a result.
    pub(super) fn note(&mut self, fd: Fd, req: &Request, res: i32) {
        let Request::Recv { len, flags, .. } = *req else { return };
        if res > 0 && (res as usize) < len && flags == 0 {
            self.drained(fd);
        }
    }

    /// A short read: if it was from a registered stream of TCP, that is empty now. Whether a try makes sense all the same.
    #[inline(always)]
    fn drained(&mut self, fd: Fd) -> bool {
        let entry = self.table.entry(fd, self.fds);
        if entry.events & IN != 0 && self.short_reads {
            if entry.kind == Kind::Unknown {
                self.calls.set(self.calls.get() + 1);
                entry.ask(fd);
            }
            if entry.kind == Kind::Tcp {
                entry.side(Way::In).may_try = false;
            }
        }
        entry.may_try(Way::In)
    }

    /// After `EAGAIN`: the next event says when to try again.
    pub(super) fn await_edge(&mut self, fd: Fd, way: Way) -> Result<(), Errno> {
        self.entry(fd).side(way).may_try = false;
        let registered = self.register(fd, way);
        if registered.is_err() {
            self.entry(fd).side(way).may_try = true;
        }
        registered
    }

    /// After an `EAGAIN` that somebody else met.
    pub(super) fn conclude(&mut self, fd: Fd, way: Way) {
        let wanted = if way == Way::In { IN } else { OUT };
        let entry = self.entry(fd);
        if entry.events & wanted == wanted {
            entry.side(way).may_try = false;
        }
    }

    /// Makes sure that edges of `fd` in this direction arrive here.
    pub(super) fn register(&mut self, fd: Fd, way: Way) -> Result<(), Errno> {
        let wanted = if way == Way::In { IN } else { OUT };
        let have = self.entry(fd).events;
        if have & wanted == wanted {
            return Ok(());
        }
        let events = have | wanted | libc::EPOLLET as u32;
        let (first, second) = match have {
            0 => ((libc::EPOLL_CTL_ADD, libc::EEXIST), libc::EPOLL_CTL_MOD),
            _ => ((libc::EPOLL_CTL_MOD, libc::ENOENT), libc::EPOLL_CTL_ADD),
        };
        // Either may find that somebody closed and reopened the number without saying so.
        let mut ret = self.control(first.0, fd, events);
        if ret == -first.1 {
            ret = self.control(second, fd, events);
        }
        check(ret)?;
        self.entry(fd).events = events;
        Ok(())
    }

    fn control(&mut self, op: i32, fd: Fd, events: u32) -> i32 {
        self.called();
        self.ctl += 1;
        sys::epoll_ctl(self.epoll.as_raw_fd(), op, fd, events, fd as u64)
    }

    /// As `settle`, of what was left over.
    #[inline]
    pub(super) fn settle_left(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> usize {
        if self.done.is_empty() && self.ready.is_empty() { 0 } else { self.settle(sink) }
    }

    /// Hands out what is done, and gives some of the listed descriptors their turn.
    pub(super) fn settle(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> usize {
        let mut count = self.done.len();
        if count > 0 {
            self.done.drain(..).for_each(|(key, c)| sink(key, c));
        }
        for _ in 0..self.ready.len().min(TURNS) {
            let Some(fd) = self.ready.pop_front() else { break };
            self.left = self.left.saturating_sub(1);
            let entry = self.table.entry(fd, self.fds);
            entry.listed = false;
            let may_read = entry.may_try(Way::In);
            let writing = !entry.sides[Way::Out as usize].is_empty();
            let mut budget = BUDGET;
            if let Some(op) = self.table.first(fd, Way::In).filter(|_| may_read) {
                // What comes most often has the short way.
                let (served, over) = match op.req {
                    Request::RecvMulti { .. } => {
                        let key = op.key;
                        self.receive(fd, key, &mut budget, sink)
                    }
                    _ => (0, true),
                };
                count += served;
                if over {
                    count += self.serve(fd, Way::In, &mut budget, sink);
                }
            }
            if writing {
                count += self.serve(fd, Way::Out, &mut budget, sink);
            }
        }
        count
    }

    /// Tries the operations of one side in order, until one must wait or the budget is spent.
    fn serve(
        &mut self,
        fd: Fd,
        way: Way,
        budget: &mut u32,
        sink: &mut dyn FnMut(OpKey, Completion),
    ) -> usize {
        let mut count = 0;
        while self.entry(fd).may_try(way) {
            let Some(op) = self.table.first(fd, way) else { break };
            let key = op.key;
            if let Request::RecvMulti { .. } = op.req {
                let (served, over) = self.receive(fd, key, budget, sink);
                count += served;
                if over {
                    continue;
                }
                break;
            }
            if *budget == 0 {
                self.list(fd);
                break;
            }
            *budget -= 1;
            let (req, mut sent) = (op.req, op.sent);
            let step = self.step(&req, fd, &mut sent);
            if let Some(op) = self.table.first(fd, way) {
                op.sent = sent;
            }
            let completion = match step {
                Some(completion) => completion,
                None => match self.await_edge(fd, way) {
                    Ok(()) => break,
                    Err(Errno(e)) => Completion::done(-e),
                },
            };
            if !completion.more()
                && let Some(op) = self.table.pop(fd, way)
            {
                if self.end_rest(fd, key, completion) {
                    continue;
                }
                self.note(fd, &op.req, completion.res);
            }
            sink(key, completion);
            count += 1;
        }
        count
    }

    /// A further try at a request that is no multishot receive; none if it still has to wait.
    fn step(&mut self, req: &Request, fd: Fd, sent: &mut usize) -> Option<Completion> {
        match self.attempt(req, fd, sent, false) {
            Outcome::Done(fd) if fd >= 0 && matches!(req, Request::AcceptMulti { .. }) => {
                Some(Completion::step(fd))
            }
            Outcome::Done(res) => Some(Completion::done(res)),
            Outcome::Again => None,
            // It could be tried at first, so it changed its mode since.
            Outcome::Blocking => Some(Completion::done(-libc::EOPNOTSUPP)),
        }
    }

    /// What a multishot receive finds is handed out, a buffer's worth at a time: how many, and whether it is over.
    fn receive(
        &mut self,
        fd: Fd,
        key: OpKey,
        budget: &mut u32,
        sink: &mut dyn FnMut(OpKey, Completion),
    ) -> (usize, bool) {
        let mut count = 0;
        *budget = (*budget).min(BUFFERS);
        let last = loop {
            if *budget == 0 {
                self.list(fd);
                return (count, false);
            }
            *budget -= 1;
            let taken =
                self.pool.as_mut().and_then(|pool| pool.take().map(|id| (id, pool.at(id), pool.size())));
            let Some((id, at, size)) = taken else { break -libc::ENOBUFS };
            let res = sys::retry(|| {
                self.called();
                // SAFETY: the buffer was taken from the pool just now: nobody else has it.
                unsafe { sys::recv(fd, at, size, libc::MSG_DONTWAIT) }
            });
            if res > 0 {
                let more = res as usize == size || self.drained(fd);
                sink(key, Completion::in_buffer(res, id, true));
                count += 1;
                if more {
                    continue;
                }
                return (count, false);
            }
            self.recycle(id);
            if res != -libc::EAGAIN {
                break res;
            }
            match self.await_edge(fd, Way::In) {
                Ok(()) => return (count, false),
                Err(Errno(e)) => break -e,
            }
        };
        self.table.pop(fd, Way::In);
        sink(key, Completion::done(last));
        (count + 1, true)
    }

    /// Asks the kernel for events and notes them.
    pub(super) fn poll_events(&mut self, block: bool, deadline: Option<Deadline>) -> Result<(), Errno> {
        self.waits += u64::from(block);
        let count = loop {
            let left = deadline.map(|Deadline(at)| Nanos(at.0.saturating_sub(clock::now().0)));
            let timeout = if block { left } else { Some(Nanos(0)) };
            self.called();
            let epoll = self.epoll.as_raw_fd();
            let ret = match &mut self.timer {
                None => sys::epoll_pwait2(epoll, &mut self.events, timeout),
                Some(_) if timeout == Some(Nanos(0)) => sys::epoll_wait(epoll, &mut self.events, 0),
                Some(timer) => {
                    let extra = timer.set(deadline)?;
                    self.calls.set(self.calls.get() + u64::from(extra));
                    sys::epoll_wait(epoll, &mut self.events, -1)
                }
            };
            if ret != -libc::EINTR {
                break check(ret)? as usize;
            }
        };
        for i in 0..count {
            let event = self.events[i];
            self.note_event(event.u64, event.events);
        }
        if count > 0 && self.gather.sees_many() {
            self.gather.looked(count as u64, clock::now());
        }
        self.left = self.ready.len();
        Ok(())
    }

    /// Where several events are likely to come within moments, lets them: one look takes them all.
    pub(super) fn let_gather(&mut self, deadline: Option<Deadline>) {
        if self.gather.hoped_for(usize::MAX) < 2 {
            return;
        }
        let end = clock::now().0 + u64::from(GATHER_US) * 1000;
        if deadline.is_none_or(|Deadline(at)| at.0 > end) {
            self.called();
            // The thread's timer slack comes on top, 50 us if nobody has changed it.
            sys::nap(Nanos(u64::from(GATHER_US) * 1000 / 8));
        }
    }

    fn note_event(&mut self, data: u64, events: u32) {
        match (data, &mut self.timer) {
            (WAKE, _) => return,
            (TIMER, Some(timer)) => return timer.expired(),
            _ => {}
        }
        self.gather.completed(data);
        let fd = data as Fd;
        let entry = self.table.entry(fd, self.fds);
        entry.side(Way::In).may_try |= events & (IN | BROKEN) != 0;
        entry.side(Way::Out).may_try |= events & (OUT | BROKEN) != 0;
        entry.always_try |= events & ENDED != 0;
        let used = std::mem::replace(&mut entry.used, false);
        if !entry.is_idle() {
            entry.unwanted = 0;
            if !std::mem::replace(&mut entry.listed, true) {
                self.ready.push_back(fd);
            }
            return;
        }
        entry.unwanted = if used { 0 } else { entry.unwanted + 1 };
        if entry.unwanted >= 2 {
            entry.forget();
            self.control(libc::EPOLL_CTL_DEL, fd, 0);
        }
    }
}
