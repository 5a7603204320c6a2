//! Sends without a copy: a result, and later a notice that the memory is free.
//!
//! ```text
//!  SendZc ──► result, MORE ──► notice ──► all sent, failed or cancelled: the completion
//!    ▲                            │       short: the rest
//!    └────────────────────────────┘       not here, or not now: the rest as an ordinary send
//! ```
//!
//! The operation completes with the last notice, for until then the kernel reads the memory. The notice comes when the
//! peer has acknowledged; from one that never does it would never come, so at the end of a driver, or of a
//! `block_on`, the connection is reset ([`UringDriver::reset_unacknowledged`]).

use io_uring::cqueue;
use ouzel_core::driver::Errno;
use ouzel_core::op::{OpKey, Request};

use super::complete::Sink;
use super::driver::{Cqe, UringDriver};
use super::op::{self, Follow, Said, ZeroCopy};
use crate::{keys, sys};

impl UringDriver {
    pub(super) fn submit_zero_copy(&mut self, key: OpKey, req: &Request) -> Result<(), Errno> {
        let req = req.with_copies();
        self.push_zero_copy(key, ZeroCopy { req, sent: 0, said: None, cancelled: false })
    }

    fn push_zero_copy(&mut self, key: OpKey, zc: ZeroCopy) -> Result<(), Errno> {
        keys::room(&mut self.follow)?;
        self.follow.insert(key.0, Follow::ZeroCopy(zc));
        let pushed = self.push(op::send_zero_copy(&zc.req, zc.sent).user_data(key.0));
        if pushed.is_err() {
            self.follow.remove(&key.0);
        }
        pushed
    }

    pub(super) fn on_zero_copy(&mut self, key: OpKey, mut zc: ZeroCopy, cqe: Cqe, sink: Sink<'_>) -> usize {
        if !cqueue::notif(cqe.flags) {
            zc.sent += cqe.res.max(0) as usize;
            zc.said = Some(match -cqe.res {
                ..=0 => Said::Sent,
                libc::EOPNOTSUPP | libc::ENOMEM | libc::ENOBUFS => Said::CopyInstead,
                e => Said::Failed(-e),
            });
            if cqueue::more(cqe.flags) {
                self.follow.insert(key.0, Follow::ZeroCopy(zc));
                return 0;
            }
        }
        let so_far = |error: i32| if zc.sent > 0 { zc.sent as i32 } else { error };
        let end = match zc.said.take() {
            _ if zc.sent >= op::send_len(&zc.req) => so_far(0),
            Some(Said::Failed(error)) => so_far(error),
            _ if zc.cancelled => so_far(-libc::ECANCELED),
            Some(Said::CopyInstead) => return self.send_rest(key, zc.req, zc.sent, false, sink),
            Some(Said::Sent) | None => match self.push_zero_copy(key, zc) {
                Ok(()) => return 0,
                Err(Errno(e)) => so_far(-e),
            },
        };
        self.end(key, end, sink)
    }

    /// Sends whose memory the kernel still reads although they have their result.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.follow.values().filter(|f| matches!(f, Follow::ZeroCopy(zc) if zc.said.is_some())).count()
    }

    /// Breaks the connections of such sends, so that their memory comes free: for an end that cannot wait for peers.
    pub fn reset_unacknowledged(&mut self) {
        for follow in self.follow.values() {
            if let Follow::ZeroCopy(ZeroCopy { req: Request::Send { fd, .. }, said: Some(_), .. }) = follow {
                self.counters.syscalls += 1;
                sys::disconnect(*fd);
            }
        }
    }
}
