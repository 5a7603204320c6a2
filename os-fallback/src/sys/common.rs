//! What a try is asked and what it answers, on every system.

use ouzel_core::op::{Fd, Request};

/// Which readiness an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// How a descriptor is tried without blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "nothing is tried there"))]
pub(crate) enum Style {
    /// A socket: the call itself is told not to wait.
    Socket,
    /// The descriptor is in non-blocking mode.
    NonBlocking,
    /// A pipe in blocking mode: asked whether it is ready before each call.
    AskFirst,
    /// Never ready or always ready, as far as a poller knows: for the blocking pool.
    Unpollable,
}

/// What one try came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// A count, a descriptor, zero, or a negated errno.
    Done(i32),
    /// Not now: wait for readiness and try again.
    Wait,
}

/// The descriptor a request that can wait is about, and what it waits for; `None` if it never waits.
pub(crate) fn waits_for(req: &Request) -> Option<(Fd, Direction)> {
    Some(match *req {
        Request::Accept { fd, .. }
        | Request::Recv { fd, .. }
        | Request::RecvMulti { fd }
        | Request::Read { fd, .. } => (fd, Direction::Read),
        Request::Connect { fd, .. } | Request::Send { fd, .. } | Request::Write { fd, .. } => {
            (fd, Direction::Write)
        }
        _ => return None,
    })
}
