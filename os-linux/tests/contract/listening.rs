//! Accepting for ever: every connection once, cancelled, failing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use ouzel_core::op::{Completion, OpKey, Request};

use crate::rig::Rig;
use crate::sockets::owned;

const SHORT: Duration = Duration::from_millis(10);

fn accept_multi(rig: &mut Rig, listener: &TcpListener) -> OpKey {
    rig.start(&Request::AcceptMulti { fd: listener.as_raw_fd() })
}

/// The next connection; asks again where a driver takes one at a time.
fn next(rig: &mut Rig, listener: &TcpListener, key: &mut OpKey) -> OwnedFd {
    let c = rig.finish_op(*key);
    let socket = owned(c.res);
    if !c.more() {
        *key = accept_multi(rig, listener);
    }
    socket
}

pub(crate) fn accept_multi_gives_each_connection_once(rig: &mut Rig) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut key = accept_multi(rig, &listener);
    rig.stays_pending(key, SHORT);
    for crowd in [1u8, 1, 30, 100] {
        let mut clients: Vec<TcpStream> = (0..crowd)
            .map(|i| {
                let mut client = TcpStream::connect(address).unwrap();
                client.write_all(&[i]).unwrap();
                client
            })
            .collect();
        let mut seen = Vec::new();
        for _ in 0..crowd {
            let socket = next(rig, &listener, &mut key);
            let fd = socket.as_raw_fd();
            // SAFETY: no memory is passed.
            let (fd_flags, flags) =
                unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL)) };
            assert!(fd_flags & libc::FD_CLOEXEC != 0 && flags & libc::O_NONBLOCK != 0);
            let mut stream = TcpStream::from(socket);
            stream.set_nonblocking(false).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            stream.write_all(&byte).unwrap();
            seen.push(byte[0]);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..crowd).collect::<Vec<_>>());
        for (i, client) in clients.iter_mut().enumerate() {
            let mut back = [0];
            client.read_exact(&mut back).unwrap();
            assert_eq!(usize::from(back[0]), i);
        }
    }
    rig.cancel(key);
    assert_eq!(rig.finish_op(key), Completion::done(-libc::ECANCELED));
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn accept_multi_is_cancelled_and_takes_nothing_after(rig: &mut Rig) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut key = accept_multi(rig, &listener);
    let first = TcpStream::connect(address).unwrap();
    drop(next(rig, &listener, &mut key));
    rig.stays_pending(key, SHORT);
    rig.cancel(key);
    assert_eq!(rig.finish_op(key), Completion::done(-libc::ECANCELED));
    let second = TcpStream::connect(address).unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer, second.local_addr().unwrap());
    drop(first);
}

pub(crate) fn accept_multi_fails_where_nobody_can_listen(rig: &mut Rig) {
    assert_eq!(rig.result(&Request::AcceptMulti { fd: 1_000_000 }), -libc::EBADF);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(rig.result(&Request::AcceptMulti { fd: socket.as_raw_fd() }), -libc::EOPNOTSUPP);
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn accept_multi_works_on_a_listener_in_non_blocking_mode(rig: &mut Rig) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut key = accept_multi(rig, &listener);
    rig.stays_pending(key, SHORT);
    for _ in 0..3 {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = TcpStream::from(next(rig, &listener, &mut key));
        assert_eq!(socket.peer_addr().unwrap(), client.local_addr().unwrap());
    }
}
