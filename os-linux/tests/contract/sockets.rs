//! Sockets: each operation ready at once, really waiting, cancelled, failing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::Duration;

use ouzel_core::op::{Request, Submitted};

use crate::rig::{Rig, pattern, recv};

const SHORT: Duration = Duration::from_millis(30);

pub(crate) fn nop_completes(rig: &mut Rig) {
    assert_eq!(rig.result(&Request::Nop), 0);
}

pub(crate) fn recv_takes_what_is_there(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    a.write_all(b"hello").unwrap();
    let mut buf = [0; 16];
    assert_eq!(rig.result(&recv(&b, &mut buf)), 5);
    assert_eq!(&buf[..5], b"hello");
}

pub(crate) fn recv_waits_for_data(rig: &mut Rig) {
    let (mut a, b) = tcp_pair();
    let mut buf = [0; 16];
    for round in 0..50u8 {
        let key = rig.recv(&b, &mut buf);
        if round == 0 {
            rig.stays_pending(key, SHORT);
        }
        a.write_all(&[round, 1, 2]).unwrap();
        assert_eq!(rig.finish_op(key).res, 3);
        assert_eq!(buf[0], round);
    }
}

pub(crate) fn recv_finds_the_end_behind_a_short_read(rig: &mut Rig) {
    for _ in 0..20 {
        let (mut a, b) = tcp_pair();
        rig.opened(&b);
        let mut buf = [0; 16];
        let key = rig.recv(&b, &mut buf);
        rig.stays_pending(key, Duration::from_millis(2));
        a.write_all(b"last").unwrap();
        drop(a);
        assert_eq!(rig.finish_op(key).res, 4);
        assert_eq!(rig.result(&recv(&b, &mut buf)), 0);
        assert_eq!(rig.result(&recv(&b, &mut buf)), 0);
    }
}

pub(crate) fn recv_is_cancelled_in_flight(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let mut buf = [0; 16];
    let key = rig.recv(&b, &mut buf);
    rig.stays_pending(key, Duration::from_millis(5));
    rig.cancel(key);
    assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    // Once more, and with the entry not yet submitted; nothing is taken from the stream.
    let key = rig.recv(&b, &mut buf);
    rig.cancel(key);
    assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    a.write_all(b"x").unwrap();
    assert_eq!(rig.result(&recv(&b, &mut buf)), 1);
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn a_cancel_after_the_end_does_nothing(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let mut buf = [0; 16];
    a.write_all(b"abc").unwrap();
    let key = rig.recv(&b, &mut buf);
    assert_eq!(rig.finish_op(key).res, 3);
    rig.cancel(key);
    let next = rig.recv(&b, &mut buf);
    rig.stays_pending(next, Duration::from_millis(10));
    a.write_all(b"d").unwrap();
    assert_eq!(rig.finish_op(next).res, 1);
}

pub(crate) fn operations_on_one_descriptor_complete_in_order(rig: &mut Rig) {
    let (a, b) = UnixDatagram::pair().unwrap();
    let mut bufs = [[0u8; 8]; 5];
    let keys: Vec<_> = bufs.iter_mut().map(|buf| rig.recv(&b, buf)).collect();
    rig.cancel(keys[2]);
    assert_eq!(rig.finish_op(keys[2]).res, -libc::ECANCELED);
    for i in 0..6u8 {
        a.send(&[i]).unwrap();
    }
    for i in [0, 1, 3, 4] {
        assert_eq!(rig.finish_op(keys[i]).res, 1);
    }
    let mut got = [bufs[0][0], bufs[1][0], bufs[3][0], bufs[4][0]];
    if rig.is_uring() {
        // The kernel says nothing about the order among receives of one socket.
        got.sort_unstable();
    }
    assert_eq!(got, [0, 1, 2, 3]);
    // A datagram shorter than the buffer says nothing about the next one.
    assert_eq!(rig.result(&recv(&b, &mut bufs[0])), 1);
    assert_eq!(rig.result(&recv(&b, &mut bufs[1])), 1);
    assert_eq!([bufs[0][0], bufs[1][0]], [4, 5]);
}

pub(crate) fn a_bad_descriptor_is_an_error(rig: &mut Rig) {
    let mut buf = [0; 4];
    let fd = 1_000_000;
    for req in [
        Request::Recv { fd, buf: buf.as_mut_ptr(), len: 4, flags: 0 },
        Request::Send { fd, buf: buf.as_ptr(), len: 4, flags: 0, lazy: false },
        Request::Send { fd, buf: buf.as_ptr(), len: 4, flags: 0, lazy: true },
        Request::Accept { fd, addr: std::ptr::null_mut(), addr_len: std::ptr::null_mut() },
        Request::Read { fd, buf: buf.as_mut_ptr(), len: 4, offset: 0 },
        Request::RecvMulti { fd },
        Request::Shutdown { fd, how: libc::SHUT_WR },
        Request::Close { fd },
    ] {
        assert_eq!(rig.result(&req), -libc::EBADF, "{req:?}");
    }
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn recv_reports_a_reset(rig: &mut Rig) {
    let (a, b) = tcp_pair();
    let mut buf = [0; 4];
    let key = rig.recv(&b, &mut buf);
    rig.stays_pending(key, Duration::from_millis(5));
    reset(a);
    assert_eq!(rig.finish_op(key).res, -libc::ECONNRESET);
}

pub(crate) fn accept_waits_and_makes_a_private_socket(rig: &mut Rig) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut addr, mut len) = ([0u8; 128], 128u32);
    let req = Request::Accept { fd: listener.as_raw_fd(), addr: addr.as_mut_ptr(), addr_len: &raw mut len };
    let key = rig.start(&req);
    rig.stays_pending(key, SHORT);
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let fd = rig.finish_op(key).res;
    assert!(fd >= 0, "accept: {fd}");
    let socket = owned(fd);
    assert_eq!(len, 16);
    let port = u16::from_be_bytes([addr[2], addr[3]]);
    assert_eq!(port, peer.local_addr().unwrap().port());
    // SAFETY: no memory is passed.
    let (fd_flags, flags) = unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL)) };
    assert!(fd_flags & libc::FD_CLOEXEC != 0 && flags & libc::O_NONBLOCK != 0);
    peer.write_all(b"hi").unwrap();
    let mut buf = [0; 8];
    assert_eq!(rig.result(&recv(&socket, &mut buf)), 2);
    // One that already waits in the backlog, and one that is cancelled.
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let none = Request::Accept {
        fd: listener.as_raw_fd(),
        addr: std::ptr::null_mut(),
        addr_len: std::ptr::null_mut(),
    };
    drop(owned(rig.result(&none)));
    let key = rig.start(&none);
    rig.stays_pending(key, Duration::from_millis(5));
    rig.cancel(key);
    assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
}

pub(crate) fn connect_succeeds_or_is_refused(rig: &mut Rig) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = sockaddr(listener.local_addr().unwrap().port());
    let socket = tcp_socket();
    let req = Request::Connect { fd: socket.as_raw_fd(), addr: (&raw const addr).cast(), addr_len: 16 };
    assert_eq!(rig.result(&req), 0);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"!").unwrap();
    let mut buf = [0; 4];
    assert_eq!(rig.result(&recv(&socket, &mut buf)), 1);
    assert_eq!(rig.result(&req), -libc::EISCONN);
    drop(listener);
    let socket = tcp_socket();
    rig.opened(&socket);
    let req = Request::Connect { fd: socket.as_raw_fd(), addr: (&raw const addr).cast(), addr_len: 16 };
    assert_eq!(rig.result(&req), -libc::ECONNREFUSED);
}

pub(crate) fn connect_waits_for_a_full_backlog(rig: &mut Rig) {
    // A backlog of one that nobody takes from: the third connection stays in SYN-SENT.
    let listener = tcp_socket();
    let mut addr = sockaddr(0);
    let mut len = 16;
    // SAFETY: `addr` is a sockaddr_in of 16 bytes, `len` says so.
    unsafe {
        assert_eq!(libc::bind(listener.as_raw_fd(), (&raw const addr).cast(), 16), 0);
        assert_eq!(libc::listen(listener.as_raw_fd(), 0), 0);
        libc::getsockname(listener.as_raw_fd(), (&raw mut addr).cast(), &raw mut len);
    }
    let sockets: Vec<OwnedFd> = (0..4).map(|_| tcp_socket()).collect();
    let keys: Vec<_> = sockets
        .iter()
        .map(|s| Request::Connect { fd: s.as_raw_fd(), addr: (&raw const addr).cast(), addr_len: 16 })
        .map(|req| rig.start(&req))
        .collect();
    let last = keys[3];
    rig.stays_pending(last, SHORT);
    rig.cancel(last);
    assert_eq!(rig.finish_op(last).res, -libc::ECANCELED);
    keys[..3].iter().for_each(|&k| rig.cancel(k));
    let results: Vec<i32> = keys[..3].iter().map(|&k| rig.finish_op(k).res).collect();
    assert_eq!(results[0], 0, "{results:?}");
}

pub(crate) fn send_sends_everything_to_a_slow_reader(rig: &mut Rig) {
    let (a, mut b) = tcp_pair();
    let data = pattern(8 << 20);
    let key = rig.send(&a, &data, false);
    rig.stays_pending(key, SHORT);
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        b.read_to_end(&mut got).unwrap();
        got
    });
    assert_eq!(rig.finish_op(key).res as usize, data.len());
    drop(a);
    assert!(reader.join().unwrap() == data, "the bytes differ");
}

pub(crate) fn send_to_a_full_buffer_is_cancelled_or_breaks(rig: &mut Rig) {
    let data = pattern(8 << 20);
    let (a, b) = tcp_pair();
    let key = rig.send(&a, &data, false);
    rig.stays_pending(key, SHORT);
    rig.cancel(key);
    let sent = rig.finish_op(key).res;
    assert!((1..data.len() as i32).contains(&sent), "what went out counts: {sent}");
    drop(b);
    let (a, b) = UnixStream::pair().unwrap();
    rig.opened(&a);
    let key = rig.send(&a, &data, false);
    rig.stays_pending(key, SHORT);
    drop(b);
    let sent = rig.finish_op(key).res;
    assert!((1..data.len() as i32).contains(&sent), "what went out counts: {sent}");
    assert_eq!(rig.result(&send_req(&a, b"x")), -libc::EPIPE);
}

pub(crate) fn shutdown_ends_the_stream(rig: &mut Rig) {
    let (a, mut b) = UnixStream::pair().unwrap();
    assert_eq!(rig.result(&Request::Shutdown { fd: a.as_raw_fd(), how: libc::SHUT_WR }), 0);
    assert_eq!(b.read(&mut [0; 4]).unwrap(), 0);
    let mut buf = [0; 4];
    let key = rig.recv(&a, &mut buf);
    rig.stays_pending(key, Duration::from_millis(5));
    b.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rig.finish_op(key).res, 0);
}

pub(crate) fn done_at_once_needs_no_wait(rig: &mut Rig) {
    let (a, _b) = UnixStream::pair().unwrap();
    let (key, submitted) = rig.submit(&send_req(&a, b"x"));
    if rig.is_uring() {
        assert_eq!(submitted, Submitted::InFlight);
        assert_eq!(rig.finish_op(key).res, 1);
    } else {
        assert!(matches!(submitted, Submitted::Done(c) if c.res == 1));
    }
}

pub(crate) fn send_req(fd: &impl AsRawFd, buf: &[u8]) -> Request {
    Request::Send { fd: fd.as_raw_fd(), buf: buf.as_ptr(), len: buf.len(), flags: 0, lazy: false }
}

pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let b = listener.accept().unwrap().0;
    a.set_nodelay(true).unwrap();
    (a, b)
}

pub(crate) fn owned(fd: i32) -> OwnedFd {
    assert!(fd >= 0, "no descriptor: {fd}");
    // SAFETY: a driver just made it, for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn tcp_socket() -> OwnedFd {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })
}

fn sockaddr(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    }
}

fn reset(socket: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as u32;
    // SAFETY: `linger` is of the size given.
    let ret = unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size)
    };
    assert_eq!(ret, 0);
}
