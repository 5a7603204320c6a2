//! Sockets: ready at once, really waiting, cancelled, failing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::Duration;

use ouzel_core::op::{Completion, Request, Submitted};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::net::addr::{SocketAddrArg, SocketAddrOpaque};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, bind, getsockname, listen, socket};

use crate::rig::{WHILE, accept, errno, owned, pattern, recv, run, send, tcp_pair};

#[test]
fn what_is_ready_is_done_at_once() {
    run(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"hello").unwrap();
        let mut buf = [0; 16];
        let done = |n| Submitted::Done(Completion::done(n));
        assert_eq!(rig.submit(&Request::Nop).1, done(0));
        assert_eq!(rig.submit(&recv(&b, &mut buf)).1, done(5));
        assert_eq!(&buf[..5], b"hello");
        assert_eq!(rig.submit(&send(&b, b"answer")).1, done(6));
        assert_eq!(a.read(&mut buf).unwrap(), 6);
        assert_eq!(&buf[..6], b"answer");
        assert_eq!(rig.submit(&send(&b, &[])).1, done(0));
        assert_eq!(rig.driver.in_flight(), 0);
    });
}

#[test]
fn recv_waits_for_each_message_and_finds_the_end() {
    run(|rig| {
        let (mut a, b) = tcp_pair();
        let mut buf = [0; 16];
        for round in 0..50u8 {
            let key = rig.start(&recv(&b, &mut buf));
            if round == 0 {
                rig.stays_pending(key);
            }
            assert_eq!(rig.driver.in_flight(), 1);
            a.write_all(&[round, 1, 2]).unwrap();
            assert_eq!(rig.completion(key).res, 3);
            assert_eq!(buf[..3], [round, 1, 2]);
        }
        let key = rig.start(&recv(&b, &mut buf));
        drop(a);
        assert_eq!(rig.completion(key).res, 0);
    });
}

#[test]
fn a_cancelled_recv_takes_nothing_from_the_stream() {
    run(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 16];
        let key = rig.start(&recv(&b, &mut buf));
        rig.stays_pending(key);
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
        let key = rig.start(&recv(&b, &mut buf));
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED), "before any sleep");
        a.write_all(b"x").unwrap();
        assert_eq!(rig.result(&recv(&b, &mut buf)), 1);
        rig.driver.cancel(key);
        assert_eq!((rig.reap(), rig.driver.in_flight()), (0, 0), "a late cancel does nothing");
    });
}

#[test]
fn operations_of_one_direction_complete_in_order() {
    run(|rig| {
        let (a, b) = UnixDatagram::pair().unwrap();
        let mut bufs = [[0u8; 8]; 5];
        let keys: Vec<_> = bufs.iter_mut().map(|buf| rig.start(&recv(&b, buf))).collect();
        assert_eq!(rig.cancelled(keys[2]), errno(Errno::CANCELED));
        // In two parts, so that one of them is tried and has to wait on.
        for (part, which) in [([0u8, 1], [0, 1]), ([2, 3], [3, 4])] {
            part.iter().for_each(|byte| _ = a.send(&[*byte]).unwrap());
            for i in which {
                assert_eq!(rig.completion(keys[i]).res, 1);
            }
        }
        assert_eq!([bufs[0][0], bufs[1][0], bufs[3][0], bufs[4][0]], [0, 1, 2, 3]);
    });
}

#[test]
fn both_directions_of_one_socket_wait_side_by_side() {
    run(|rig| {
        let (a, mut b) = tcp_pair();
        let data = pattern(8 << 20);
        let writing = rig.start(&send(&a, &data));
        let mut buf = [0; 4];
        let reading = rig.start(&recv(&a, &mut buf));
        rig.stays_pending(writing);
        rig.stays_pending(reading);
        b.write_all(b"ping").unwrap();
        assert_eq!(rig.completion(reading).res, 4);
        assert_eq!(&buf, b"ping");
        let again = rig.start(&recv(&a, &mut buf));
        let reader = thread::spawn(move || {
            let mut got = vec![0; 8 << 20];
            b.read_exact(&mut got).unwrap();
            b.write_all(b"done").unwrap();
            got
        });
        assert_eq!(rig.completion(writing).res, 8 << 20);
        assert_eq!(rig.completion(again).res, 4);
        assert!(reader.join().unwrap() == data, "the bytes differ");
    });
}

#[test]
fn a_send_that_is_cut_short_tells_what_went_out() {
    run(|rig| {
        let data = pattern(8 << 20);
        let some = 1..data.len() as i32;
        let (a, _b) = tcp_pair();
        let key = rig.start(&send(&a, &data));
        rig.stays_pending(key);
        let sent = rig.cancelled(key);
        assert!(some.contains(&sent), "{sent}");

        let (a, b) = UnixStream::pair().unwrap();
        let key = rig.start(&send(&a, &data));
        rig.stays_pending(key);
        drop(b);
        let sent = rig.completion(key).res;
        assert!(some.contains(&sent), "{sent}");
        assert_eq!(rig.result(&send(&a, b"x")), errno(Errno::PIPE), "and no signal");
    });
}

#[test]
fn sends_behind_a_waiting_one_do_not_overtake_it() {
    run(|rig| {
        let (a, mut b) = tcp_pair();
        let (first, second) = (pattern(6 << 20), vec![7u8; 1000]);
        let key = rig.start(&send(&a, &first));
        rig.stays_pending(key);
        // Now there is room, but the driver has not looked yet.
        let mut early = vec![0; 1 << 20];
        b.read_exact(&mut early).unwrap();
        let keys = [key, rig.start(&send(&a, &second))];
        assert!(rig.take(keys[1]).is_none(), "it waits its turn");
        let reader = thread::spawn(move || {
            let mut got = early;
            got.resize((6 << 20) + 1000, 0);
            b.read_exact(&mut got[1 << 20..]).unwrap();
            got
        });
        assert_eq!(rig.completion(keys[0]).res, 6 << 20);
        assert_eq!(rig.completion(keys[1]).res, 1000);
        let got = reader.join().unwrap();
        assert!(got[..6 << 20] == first && got[6 << 20..] == second, "the bytes differ");
    });
}

#[test]
fn accept_waits_and_tells_the_peer() {
    run(|rig| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let (mut addr, mut len) = ([0u8; 128], 128u32);
        let fd = listener.as_raw_fd();
        let req = Request::Accept { fd, addr: addr.as_mut_ptr(), addr_len: &raw mut len };
        let key = rig.start(&req);
        rig.stays_pending(key);
        let mut peer = TcpStream::connect(to).unwrap();
        let socket = owned(rig.completion(key).res);
        // SAFETY: the driver wrote `len` bytes of an address there.
        let told = unsafe { SocketAddrAny::read(addr.as_ptr().cast(), len) };
        assert_eq!(SocketAddr::try_from(told).unwrap(), peer.local_addr().unwrap());
        assert!(fcntl_getfd(&socket).unwrap().contains(FdFlags::CLOEXEC));
        assert!(fcntl_getfl(&socket).unwrap().contains(OFlags::NONBLOCK));
        let mut buf = [0; 4];
        peer.write_all(b"hi").unwrap();
        assert_eq!(rig.result(&recv(&socket, &mut buf)), 2);

        let _waiting = TcpStream::connect(to).unwrap();
        drop(owned(rig.result(&accept(&listener))));
        let key = rig.start(&accept(&listener));
        rig.stays_pending(key);
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
    });
}

/// Calls `f` with a fresh socket and a request to connect it to `to`.
fn connecting(to: SocketAddr, f: impl FnOnce(&OwnedFd, &Request)) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let call = |addr: *const SocketAddrOpaque, addr_len| {
        f(&socket, &Request::Connect { fd: socket.as_raw_fd(), addr: addr.cast(), addr_len });
    };
    // SAFETY: the address is used only during the call.
    unsafe { to.with_sockaddr(call) }
}

#[test]
fn connect_succeeds_or_is_refused() {
    run(|rig| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        connecting(to, |socket, req| {
            assert_eq!(rig.result(req), 0);
            listener.accept().unwrap().0.write_all(b"!").unwrap();
            assert_eq!(rig.result(&recv(socket, &mut [0; 4])), 1);
            assert_eq!(rig.result(req), errno(Errno::ISCONN));
        });
        drop(listener);
        connecting(to, |_, req| assert_eq!(rig.result(req), errno(Errno::CONNREFUSED)));
    });
}

#[test]
fn a_waiting_connect_is_cancelled() {
    run(|rig| {
        // Nobody accepts: once the backlog is full a handshake hangs.
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&listener, 0).unwrap();
        let to = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let fill: Vec<_> = (0..3).map(|_| thread::spawn(move || TcpStream::connect(to))).collect();
        thread::sleep(WHILE * 4);
        connecting(to, |_, req| {
            let key = rig.start(req);
            rig.stays_pending(key);
            assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
        });
        drop(listener);
        drop(fill);
    });
}

#[test]
fn shutdown_ends_the_stream_for_both() {
    run(|rig| {
        let (a, mut b) = UnixStream::pair().unwrap();
        assert_eq!(rig.result(&Request::Shutdown { fd: a.as_raw_fd(), how: 1 }), 0);
        assert_eq!(b.read(&mut [0; 4]).unwrap(), 0);
        let mut buf = [0; 4];
        let key = rig.start(&recv(&a, &mut buf));
        rig.stays_pending(key);
        b.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rig.completion(key).res, 0);
        assert_eq!(rig.result(&Request::Shutdown { fd: a.as_raw_fd(), how: 9 }), errno(Errno::INVAL));
    });
}

#[test]
fn a_reset_is_an_error_for_whoever_waits() {
    run(|rig| {
        let (a, b) = tcp_pair();
        let mut buf = [0; 4];
        let key = rig.start(&recv(&b, &mut buf));
        rig.stays_pending(key);
        set_socket_linger(&a, Some(Duration::ZERO)).unwrap();
        drop(a);
        assert_eq!(rig.completion(key).res, errno(Errno::CONNRESET));
    });
}

#[test]
fn a_bad_descriptor_is_an_error() {
    run(|rig| {
        let mut buf = [0; 4];
        let (at, len) = (buf.as_mut_ptr(), buf.len());
        for fd in [-1, 1_000_000] {
            for req in [
                Request::Recv { fd, buf: at, len, flags: 0 },
                Request::RecvMulti { fd },
                Request::Send { fd, buf: at, len, flags: 0, lazy: true },
                Request::Accept { fd, addr: std::ptr::null_mut(), addr_len: std::ptr::null_mut() },
                Request::Connect { fd, addr: at, addr_len: 4 },
                Request::Read { fd, buf: at, len, offset: 0 },
                Request::Write { fd, buf: at, len, offset: 0 },
                Request::Fsync { fd, data_only: true },
                Request::Shutdown { fd, how: 0 },
                Request::Close { fd },
            ] {
                assert_eq!(rig.result(&req), errno(Errno::BADF), "{req:?}");
            }
        }
        let not_ours = Request::Timeout { deadline: rig.after(WHILE).unwrap() };
        assert_eq!(rig.result(&not_ours), errno(Errno::INVAL));
    });
}
