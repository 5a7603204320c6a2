//! What a try is asked and what it answers, on every system.

use ouzel_core::op::{Fd, FileStat, FileTime, Request, Segment, StatRoom};

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
        | Request::AcceptMulti { fd }
        | Request::Recv { fd, .. }
        | Request::RecvMsg { fd, .. }
        | Request::RecvMulti { fd }
        | Request::Read { fd, .. }
        | Request::ReadV { fd, .. } => (fd, Direction::Read),
        Request::Connect { fd, .. }
        | Request::Send { fd, .. }
        | Request::SendMsg { fd, .. }
        | Request::Write { fd, .. }
        | Request::WriteV { fd, .. } => (fd, Direction::Write),
        Request::Poll { fd, writing } => (fd, if writing { Direction::Write } else { Direction::Read }),
        _ => return None,
    })
}

/// A vectored request as one on its first segment that is not empty: a short transfer, as any may be.
///
/// # Safety
/// What the request points at is valid.
pub(crate) unsafe fn first_segment(req: &Request) -> Request {
    let (Request::ReadV { segments, count, .. } | Request::WriteV { segments, count, .. }) = *req else {
        return *req;
    };
    let mut first = Segment { base: std::ptr::null_mut(), len: 0 };
    for i in 0..count as usize {
        // SAFETY: the caller's: there are `count` of them.
        first = unsafe { segments.wrapping_add(i).read() };
        if first.len > 0 {
            break;
        }
    }
    let Segment { base, len } = first;
    match *req {
        Request::ReadV { fd, offset, .. } => Request::Read { fd, buf: base, len, offset },
        Request::WriteV { fd, offset, .. } => Request::Write { fd, buf: base, len, offset },
        other => other,
    }
}

/// A status as numbers in a row.
#[cfg_attr(not(unix), allow(dead_code, reason = "nothing is asked there"))]
pub(crate) fn pack(stat: &FileStat) -> StatRoom {
    let created = stat.created.unwrap_or_default();
    let numbers = [
        u64::from(stat.mode),
        u64::from(stat.uid),
        u64::from(stat.gid),
        u64::from(stat.block_size),
        stat.size,
        stat.blocks,
        stat.links,
        stat.ino,
        stat.dev,
        stat.rdev,
        u64::from(stat.created.is_some()),
    ];
    let times = [stat.accessed, stat.modified, stat.changed, created];
    let times = times.into_iter().flat_map(|t| [t.secs as u64, u64::from(t.nanos)]);
    let mut room = StatRoom::ZERO;
    room.0.iter_mut().zip(numbers.into_iter().chain(times)).for_each(|(to, n)| *to = n);
    room
}

/// What [`pack`] put there.
pub(crate) fn file_stat(room: &StatRoom) -> FileStat {
    let [mode, uid, gid, block_size, size, blocks, links, ino, dev, rdev, is_created, ..] = room.0;
    let time = |n: usize| FileTime { secs: room.0[11 + 2 * n] as i64, nanos: room.0[12 + 2 * n] as u32 };
    FileStat {
        mode: mode as u32,
        uid: uid as u32,
        gid: gid as u32,
        block_size: block_size as u32,
        size,
        blocks,
        links,
        ino,
        dev,
        rdev,
        accessed: time(0),
        modified: time(1),
        changed: time(2),
        created: (is_created != 0).then(|| time(3)),
    }
}
