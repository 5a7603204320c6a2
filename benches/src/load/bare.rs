//! What the network alone costs: a server that knows one answer and looks at nothing but how many bytes have come.
//!
//! `epoll_wait`, one `read` and one `write` for all requests in it. The load generator's `--mix one` asks for that answer.

use super::expect::{Protocol, Request};
use super::values::{Recipe, ValueId};
use rustix::event::epoll;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

/// Bytes asked for in one read.
const READ_BYTES: usize = 16 * 1024;

/// The one that is asked for.
pub(super) const ONE: Request = Request::Get(ValueId { key: 0, version: 0 });

/// Serves whoever connects, with the value of `recipe`, for ever.
///
/// # Errors
/// The system's, about anything but a single connection.
pub fn serve(listener: &TcpListener, recipe: &Recipe) -> io::Result<()> {
    let protocol = Protocol::Memcached;
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    ONE.append(protocol, recipe, &mut request);
    ONE.append_reply(protocol, recipe, &mut reply);
    let replies = reply.repeat(READ_BYTES / request.len() + 1);
    let mut piece = [0; READ_BYTES];
    by_epoll(listener, |stream, pending: &mut usize| {
        let n = stream.read(&mut piece)?;
        *pending += n;
        let answers = *pending / request.len();
        *pending %= request.len();
        stream.write_all(&replies[..answers * reply.len()])?;
        Ok(n)
    })
}

/// Calls `serve` with each connection from which something has come, and what it keeps for it, until that fails or
/// returns zero: the end. The client reads whatever is written.
///
/// # Errors
/// The system's, about anything but a single connection.
pub(crate) fn by_epoll<S: Default>(
    listener: &TcpListener,
    mut serve: impl FnMut(&mut TcpStream, &mut S) -> io::Result<usize>,
) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener.as_fd(), epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let mut connections: HashMap<u64, (TcpStream, S)> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    for next in 1.. {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited?,
        };
        for event in &events {
            let id = event.data.u64();
            if id == 0 {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                epoll::add(&epoll, stream.as_fd(), epoll::EventData::new_u64(next), epoll::EventFlags::IN)?;
                connections.insert(next, (stream, S::default()));
                continue;
            }
            let Some((stream, state)) = connections.get_mut(&id) else { continue };
            if !matches!(serve(stream, state), Ok(1..)) {
                connections.remove(&id);
            }
        }
    }
    Ok(())
}
