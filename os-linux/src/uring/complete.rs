//! The way out: completion queue entries into completions.

use io_uring::{EnterFlags, cqueue};
use ouzel_core::driver::{Deadline, Errno};
use ouzel_core::op::{Completion, OpKey, Request};

use super::buffers::Provided;
use super::driver::{Cqe, UringDriver};
use super::op::{self, Follow, Own};
use crate::config::Mask;
use crate::fork::FORKED;
use crate::rests::is_ours;

/// Where completions go.
pub(super) type Sink<'a> = &'a mut dyn FnMut(OpKey, Completion);

impl UringDriver {
    /// Submits what is queued and waits for completions, an unpark or `deadline`, in one system call;
    /// returns early at will. Blocks.
    ///
    /// The caller has called `begin` on the park word. `lazy_waited`: somebody already waits for the
    /// completion of a lazy send, so report those before waiting for anything else.
    ///
    /// # Errors
    /// What `io_uring_enter` says, never `EINTR`; [`FORKED`] in a forked child.
    pub fn wait(
        &mut self,
        deadline: Option<Deadline>,
        lazy_waited: bool,
        sink: &mut dyn FnMut(OpKey, Completion),
    ) -> Result<usize, Errno> {
        if self.made.is_foreign() {
            return Err(FORKED);
        }
        let something = !self.stash.is_empty() || self.has_cqes() || self.park.has_token();
        if something || (lazy_waited && !self.lazy.is_empty()) {
            return self.reap(sink);
        }
        self.push_copy();
        self.arm()?;
        self.enter_waiting(deadline)?;
        self.take_completions(sink)
    }

    /// Whether something may have completed, as far as the rings tell. What has been submitted and not entered has not.
    #[must_use]
    pub fn may_have_completed(&mut self) -> bool {
        !self.stash.is_empty() || self.has_cqes() || self.kernel_has_work()
    }

    /// Whether the kernel has said that it has work for us, or would not say so.
    fn kernel_has_work(&mut self) -> bool {
        let sq = self.ring.submission();
        let says = sq.taskrun() || sq.cq_overflow();
        drop(sq);
        let silent = self.has.has(Mask::DEFER_TASKRUN) && !self.has.has(Mask::COOP_TASKRUN);
        says || (silent && self.in_flight > 0)
    }

    /// Takes what has completed, without blocking. Enters the kernel only if entries are queued or it
    /// has said that it has work for us.
    ///
    /// # Errors
    /// As [`UringDriver::wait`].
    pub fn reap(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> Result<usize, Errno> {
        if self.made.is_foreign() {
            return Err(FORKED);
        }
        self.push_copy();
        if !self.ring.submission().is_empty() || self.kernel_has_work() {
            match self.enter(0, EnterFlags::GETEVENTS, None) {
                n if n >= 0 || n == -libc::EINTR => {}
                e if e == -libc::EBUSY || e == -libc::EAGAIN => {}
                e => return Err(Errno(-e)),
            }
            self.flush()?;
        }
        self.take_completions(sink)
    }

    /// Handles every CQE there is, then tells which lazy sends are done.
    pub(super) fn take_completions(&mut self, sink: Sink<'_>) -> Result<usize, Errno> {
        let (mut count, mut seen) = (0, 0);
        let from_ring = self.stash.is_empty();
        loop {
            // One at a time, and what was taken out of the ring to make room first: handling one may do that.
            let cqe = if let Some(cqe) = self.stash.pop_front() {
                cqe
            } else if let Some((cqe, rest)) = self.next_cqe() {
                seen += 1;
                if from_ring && rest == 0 && seen == 1 {
                    // The only one: the ring was not full, so the kernel keeps none back, and a look for more can wait. Unless
                    // the kernel was entered meanwhile: what it said then decides what is settled below.
                    let enters = self.counters.enters;
                    count += self.on_cqe(cqe, sink);
                    if self.stash.is_empty() && self.counters.enters == enters {
                        break;
                    }
                    continue;
                }
                cqe
            } else if self.ring.submission().cq_overflow() {
                // The kernel keeps what did not fit, and hands it over when asked.
                self.enter(0, EnterFlags::GETEVENTS, None);
                continue;
            } else {
                break;
            };
            count += self.on_cqe(cqe, sink);
        }
        self.counters.cqes += seen;
        if seen > 0 && self.has.has(Mask::MIN_WAIT) && self.gather.sees_many() {
            self.gather.looked(seen, crate::clock::now());
        }
        if let Some(Provided::Ring(ring)) = &mut self.provided {
            ring.looked();
        }
        count += self.settle_lazy(sink);
        self.end_copies();
        if !self.owed_cancels.is_empty() {
            std::mem::take(&mut self.owed_cancels).into_iter().for_each(|key| self.cancel(key));
        }
        Ok(count)
    }

    /// The next one, and how many are behind it.
    #[inline]
    fn next_cqe(&mut self) -> Option<(Cqe, usize)> {
        let mut ring = self.ring.completion();
        let cqe = ring.next()?;
        Some((Cqe { user_data: cqe.user_data(), res: cqe.result(), flags: cqe.flags() }, ring.len()))
    }

    fn on_cqe(&mut self, cqe: Cqe, sink: Sink<'_>) -> usize {
        match Own::of(cqe.user_data) {
            Some(Own::Lazy(seq)) => {
                let at = usize::from(seq.wrapping_sub(self.lazy_base));
                return self.on_lazy(at, cqe.res, sink);
            }
            Some(Own::Copy(number)) => self.on_copy(number, cqe.res),
            Some(Own::Unpark) => self.armed = false,
            // A timeout that was taken out is followed by its successor.
            Some(Own::Timer) if cqe.res != -libc::ECANCELED => self.timer = None,
            Some(_) => {}
            None => {
                let key = OpKey(cqe.user_data);
                self.gather.completed(u64::from(key.index()));
                // A buffer of the ring comes with a receive alone, which nothing follows.
                if cqueue::buffer_select(cqe.flags).is_none()
                    && !self.follow.is_empty()
                    && let Some(follow) = self.follow.remove(&key.0)
                {
                    return self.on_follow(key, follow, cqe, sink);
                }
                if cqe.res == -libc::ENOBUFS && self.receive_on(key) {
                    return 0;
                }
                let completion = self.translate(cqe);
                self.deliver(key, completion, sink);
                return 1;
            }
        }
        0
    }

    /// A lazy send that is not simply done.
    fn on_lazy(&mut self, at: usize, res: i32, sink: Sink<'_>) -> usize {
        let Some(lazy) = self.lazy.get_mut(at) else { return 0 };
        lazy.failed = true;
        let lazy = *lazy;
        let sent = res.max(0) as usize;
        if res < 0 && res != -libc::EAGAIN {
            return self.end(lazy.key, res, sink);
        }
        self.send_rest(lazy.key, lazy.req, sent, lazy.cancelled, sink)
    }

    /// No CQE, and the call that submitted them is over: these sent everything.
    fn settle_lazy(&mut self, sink: Sink<'_>) -> usize {
        let mut count = 0;
        for _ in 0..std::mem::take(&mut self.entered) {
            let Some(lazy) = self.lazy.pop_front() else { break };
            self.lazy_base = self.lazy_base.wrapping_add(1);
            if !lazy.failed {
                self.deliver(lazy.key, Completion::done(op::send_len(&lazy.req) as i32), sink);
                count += 1;
            }
        }
        count
    }

    /// Goes on with a send of which `sent` bytes are out, or ends it.
    pub(super) fn send_rest(
        &mut self,
        key: OpKey,
        req: Request,
        sent: usize,
        cancelled: bool,
        sink: Sink<'_>,
    ) -> usize {
        let so_far = |error: i32| if sent > 0 { sent as i32 } else { error };
        let end = if sent >= op::send_len(&req) {
            so_far(0)
        } else if cancelled {
            so_far(-libc::ECANCELED)
        } else {
            self.follow.insert(key.0, Follow::Rest { req, sent });
            match self.push_operation(key, op::send(&req, sent, libc::MSG_WAITALL)) {
                Ok(()) => return 0,
                Err(Errno(e)) => {
                    self.follow.remove(&key.0);
                    so_far(-e)
                }
            }
        };
        self.end(key, end, sink)
    }

    fn on_follow(&mut self, key: OpKey, follow: Follow, cqe: Cqe, sink: Sink<'_>) -> usize {
        let again = cqe.res == -libc::EAGAIN || cqe.res == -libc::EINTR;
        let ready = cqe.res >= 0;
        let (next, entry) = match follow {
            Follow::Rest { req, sent } if cqe.res > 0 => {
                return self.send_rest(key, req, sent + cqe.res as usize, false, sink);
            }
            Follow::Rest { sent, .. } | Follow::Last { sent, .. } if sent > 0 => {
                return self.end(key, sent as i32 + cqe.res.max(0), sink);
            }
            Follow::Close(fd) if cqe.res == -libc::ECANCELED => {
                let res = self.close_now(fd);
                return self.end(key, res, sink);
            }
            Follow::ZeroCopy(zc) => return self.on_zero_copy(key, zc, cqe, sink),
            Follow::Splice(req) if ready => match self.splice_now(&req) {
                Some(res) => return self.end(key, res, sink),
                None => (follow, op::await_splice(&req)),
            },
            Follow::Nothing => return self.end(key, if ready { -libc::ECANCELED } else { cqe.res }, sink),
            Follow::Retry(req) if again => (Follow::Poll(req), op::poll(&req)),
            Follow::Poll(req) if ready => match op::entry(&req) {
                Some(entry) => (Follow::Retry(req), entry),
                None => return self.end(key, -libc::EINVAL, sink),
            },
            Follow::Recv(fd) if ready => match self.recv_now(fd) {
                Some(completion) => {
                    self.deliver(key, completion, sink);
                    return 1;
                }
                None => (follow, op::poll_in(fd)),
            },
            // A multishot accept goes on, if it is being cancelled until the cancel lands.
            Follow::Retry(_) | Follow::Last { opens: true, .. } if ready && cqueue::more(cqe.flags) => {
                self.fds.changed(cqe.res);
                self.follow.insert(key.0, follow);
                self.deliver(key, Completion::step(cqe.res), sink);
                return 1;
            }
            Follow::Retry(Request::Accept { .. } | Request::AcceptMulti { .. })
            | Follow::Last { opens: true, .. }
                if ready =>
            {
                self.fds.changed(cqe.res);
                return self.end(key, cqe.res, sink);
            }
            _ => return self.end(key, cqe.res, sink),
        };
        self.follow.insert(key.0, next);
        match self.push_operation(key, entry) {
            Ok(()) => 0,
            Err(Errno(e)) => {
                self.follow.remove(&key.0);
                self.end(key, -e, sink)
            }
        }
    }

    pub(super) fn end(&mut self, key: OpKey, res: i32, sink: Sink<'_>) -> usize {
        self.deliver(key, Completion::done(res), sink);
        1
    }

    /// The CQE in the core's terms. A buffer without bytes goes straight back.
    fn translate(&mut self, cqe: Cqe) -> Completion {
        let more = cqueue::more(cqe.flags);
        let buffer = cqueue::buffer_select(cqe.flags);
        if let (Some(_), Some(Provided::Ring(ring))) = (buffer, &mut self.provided) {
            ring.taken();
        }
        match buffer {
            Some(id) if cqe.res > 0 => Completion::in_buffer(cqe.res, id, more),
            Some(id) => {
                self.recycle(id);
                Completion { res: cqe.res, flags: if more { Completion::MORE } else { 0 } }
            }
            None => Completion { res: cqe.res, flags: if more { Completion::MORE } else { 0 } },
        }
    }

    fn deliver(&mut self, key: OpKey, completion: Completion, sink: Sink<'_>) {
        let mut completion = completion;
        if !completion.more() {
            completion = self.end_limit(key, completion);
            self.ended(key);
            if is_ours(key) {
                return self.end_rest(key, completion);
            }
        }
        sink(key, completion);
    }
}
