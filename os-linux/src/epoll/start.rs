//! The first try, where an operation goes after it, and what is kept for later.

use ouzel_core::driver::Errno;
use ouzel_core::op::{Completion, Fd, OpKey, Request, Submitted};

use super::attempt::{Outcome, send};
use super::driver::{EpollDriver, done};
use super::table::Way;

impl EpollDriver {
    pub(super) fn start(&mut self, key: OpKey, req: &Request, fd: Fd, way: Way) -> Submitted {
        let mut sent = 0;
        match self.may_start(fd, way) {
            Ok(true) => {}
            Ok(false) => return self.line_up(key, req, fd, way),
            Err(Errno(e)) => return done(-e),
        }
        let outcome = self.attempt(req, fd, &mut sent, true);
        if let Outcome::Done(res) = outcome {
            self.note(fd, req, res);
        }
        self.after_try(key, req, (fd, way), outcome, sent)
    }

    /// The same for a send, which is what is started most often.
    pub(super) fn start_send(&mut self, key: OpKey, req: &Request) -> Submitted {
        let Request::Send { fd, buf, len, flags, .. } = *req else { return done(-libc::EINVAL) };
        match self.may_start(fd, Way::Out) {
            Ok(true) => {}
            Ok(false) => return self.line_up(key, req, fd, Way::Out),
            Err(Errno(e)) => return done(-e),
        }
        let mut sent = 0;
        // SAFETY: a request's buffer stays valid until its completion (the contract of `Request`).
        match unsafe { send((fd, buf, len, flags), &mut sent, &self.calls) } {
            res if res != -libc::EAGAIN => done(res),
            _ => self.after_try(key, req, (fd, Way::Out), Outcome::Again, sent),
        }
    }

    /// Whether nobody is before an operation that is submitted now, and a try makes sense.
    #[inline]
    fn may_start(&mut self, fd: Fd, way: Way) -> Result<bool, Errno> {
        self.table.make_entry(fd)?;
        let entry = self.entry(fd);
        entry.used = true;
        Ok(entry.is_free(way))
    }

    /// Without a try: behind the others, or until the next edge.
    #[inline(never)]
    pub(super) fn line_up(&mut self, key: OpKey, req: &Request, fd: Fd, way: Way) -> Submitted {
        if let Err(Errno(e)) =
            self.table.make_op(&mut self.ready, &mut self.done).and_then(|()| self.register(fd, way))
        {
            return done(-e);
        }
        self.table.push(key, *req, fd, way, 0);
        Submitted::InFlight
    }

    /// What the first try leads to.
    #[inline(never)]
    fn after_try(
        &mut self,
        key: OpKey,
        req: &Request,
        (fd, way): (Fd, Way),
        outcome: Outcome,
        sent: usize,
    ) -> Submitted {
        match outcome {
            Outcome::Done(res) => return done(res),
            Outcome::Blocking => return Submitted::Blocking,
            Outcome::Again => match self
                .table
                .make_op(&mut self.ready, &mut self.done)
                .and_then(|()| self.await_edge(fd, way))
            {
                Ok(()) => {}
                // What was sent was sent.
                Err(Errno(libc::ENOMEM)) if sent > 0 => return done(sent as i32),
                Err(Errno(libc::EPERM)) => return Submitted::Blocking,
                Err(Errno(e)) => return done(-e),
            },
        }
        self.table.push(key, *req, fd, way, sent);
        Submitted::InFlight
    }

    /// A multishot operation is tried at the next `wait` or `reap`: it has many results to give.
    pub(super) fn start_multi(&mut self, key: OpKey, req: &Request, fd: Fd) -> Submitted {
        if fd < 0 {
            return done(-libc::EBADF);
        }
        if self.pool.is_none()
            && matches!(req, Request::RecvMulti { .. })
            && let Err(Errno(e)) = self.provide()
        {
            return done(-e);
        }
        if let Err(Errno(e)) =
            self.table.make_entry(fd).and_then(|()| self.table.make_op(&mut self.ready, &mut self.done))
        {
            return done(-e);
        }
        self.entry(fd).used = true;
        self.table.push(key, *req, fd, Way::In, 0);
        self.list(fd);
        Submitted::InFlight
    }

    /// Makes the sends that were kept: before anything else is submitted, which might be for the same socket, and
    /// before every look at the kernel.
    #[inline]
    pub(super) fn make_lazy(&mut self) {
        if !self.copies.is_empty() {
            self.make_copies();
        }
        if !self.lazy.kept.is_empty() {
            let mut made = std::mem::take(&mut self.lazy.made);
            self.make_kept(&mut |key, completion| made.push((key, completion)));
            self.lazy.made = made;
        }
    }

    fn make_kept(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> usize {
        let mut count = 0;
        let mut kept = std::mem::take(&mut self.lazy.kept);
        for (key, req) in &kept {
            let submitted = match *req {
                Request::Send { fd, .. } if fd >= 0 => self.start_send(*key, req),
                _ => self.submit_now(*key, req),
            };
            if let Submitted::Done(completion) = submitted {
                count += 1;
                sink(*key, completion);
            }
        }
        kept.clear();
        self.lazy.kept = kept;
        count
    }

    /// Makes them and hands their results out; how many.
    pub(super) fn settle_lazy(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> usize {
        if !self.copies.is_empty() {
            self.make_copies();
        }
        let count = self.lazy.made.len();
        if count > 0 {
            self.lazy.made.drain(..).for_each(|(key, completion)| sink(key, completion));
        }
        if self.lazy.kept.is_empty() { count } else { count + self.make_kept(sink) }
    }
}
