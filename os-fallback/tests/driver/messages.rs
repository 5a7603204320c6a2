//! Messages, accepting for ever, and readiness alone: really waiting, cancelled, failing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;

use ouzel_core::op::{Completion, OpKey, Request};
use rustix::io::Errno;

use crate::rig::{Rig, errno, owned, recv, run};

/// A header of one part, with room for a name; it points into both.
fn header(part: &mut libc::iovec, name: &mut [u8]) -> libc::msghdr {
    // SAFETY: plain data, for which zeros are good.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = if name.is_empty() { ptr::null_mut() } else { name.as_mut_ptr().cast() };
    header.msg_namelen = name.len() as _;
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header
}

fn part(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

fn send_msg(fd: &impl AsRawFd, header: &libc::msghdr) -> Request {
    Request::SendMsg { fd: fd.as_raw_fd(), msg: ptr::from_ref(header).cast(), flags: 0 }
}

fn recv_msg(fd: &impl AsRawFd, header: &mut libc::msghdr) -> Request {
    Request::RecvMsg { fd: fd.as_raw_fd(), msg: ptr::from_mut(header).cast(), flags: 0 }
}

#[test]
fn messages_wait_for_each_other_and_tell_their_sender() {
    run(|rig| {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = |s: &UdpSocket| s.local_addr().unwrap().port();
        let (mut buf, mut name) = ([0; 16], [0; 128]);
        for round in 0..20u8 {
            let mut place = part(&mut buf);
            let mut inbound = header(&mut place, &mut name);
            let key = rig.start(&recv_msg(&b, &mut inbound));
            if round == 0 {
                rig.stays_pending(key);
            }
            let mut bytes = [round, 1, 2];
            a.connect(b.local_addr().unwrap()).unwrap();
            let mut out = part(&mut bytes);
            assert_eq!(rig.result(&send_msg(&a, &header(&mut out, &mut []))), 3);
            assert_eq!(rig.completion(key).res, 3);
            assert_eq!(buf[..3], [round, 1, 2]);
            assert_eq!(u16::from_be_bytes([name[2], name[3]]), port(&a));
        }
        let mut place = part(&mut buf);
        let mut inbound = header(&mut place, &mut name);
        let key = rig.start(&recv_msg(&b, &mut inbound));
        rig.stays_pending(key);
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
        a.send(b"next").unwrap();
        assert_eq!(rig.result(&recv(&b, &mut buf)), 4);
        assert_eq!(&buf[..4], b"next");
    });
}

/// Submits the same again and again until it has to wait.
fn until_one_waits(rig: &mut Rig, request: &Request) -> OpKey {
    for _ in 0..1000 {
        let (key, _) = rig.submit(request);
        if rig.driver.in_flight() > 0 {
            return key;
        }
    }
    panic!("there is always room");
}

#[test]
fn a_message_waits_for_room_and_fails_without_a_peer() {
    run(|rig| {
        let (a, mut b) = UnixStream::pair().unwrap();
        let mut bytes = vec![7; 100_000];
        let mut out = part(&mut bytes);
        let message = header(&mut out, &mut []);
        let key = until_one_waits(rig, &send_msg(&a, &message));
        rig.stays_pending(key);
        b.set_nonblocking(true).unwrap();
        while b.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        assert!(rig.completion(key).res > 0);
        let key = until_one_waits(rig, &send_msg(&a, &message));
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
        drop(b);
        assert_eq!(rig.result(&send_msg(&a, &message)), errno(Errno::PIPE));
        assert_eq!(rig.result(&Request::SendMsg { fd: -5, msg: ptr::null(), flags: 0 }), errno(Errno::BADF));
    });
}

fn accepted(rig: &mut Rig, key: OpKey) -> TcpStream {
    let c = rig.completion(key);
    assert!(c.more(), "{c:?}");
    TcpStream::from(owned(c.res))
}

#[test]
fn every_connection_is_accepted_once_until_the_cancel() {
    run(|rig| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let key = rig.start(&Request::AcceptMulti { fd: listener.as_raw_fd() });
        rig.stays_pending(key);
        for crowd in [1u8, 50] {
            let clients: Vec<TcpStream> = (0..crowd)
                .map(|i| {
                    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                    client.write_all(&[i]).unwrap();
                    client
                })
                .collect();
            let mut seen: Vec<u8> = (0..crowd)
                .map(|_| {
                    let mut stream = accepted(rig, key);
                    stream.set_nonblocking(false).unwrap();
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    byte[0]
                })
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..crowd).collect::<Vec<_>>());
            drop(clients);
        }
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
        let bad = rig.start(&Request::AcceptMulti { fd: 1_000_000 });
        assert_eq!(rig.completion(bad), Completion::done(errno(Errno::BADF)));
    });
}

#[test]
fn a_poll_tells_readiness_as_long_as_it_holds() {
    run(|rig| {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        let readable = Request::Poll { fd: b.as_raw_fd(), writing: false };
        let key = rig.start(&readable);
        rig.stays_pending(key);
        a.write_all(b"xy").unwrap();
        assert!(rig.completion(key).res > 0);
        let mut byte = [0];
        b.read_exact(&mut byte).unwrap();
        assert!(rig.result(&readable) > 0, "one byte is left");
        b.read_exact(&mut byte).unwrap();
        let key = rig.start(&readable);
        rig.stays_pending(key);
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
        let writable = Request::Poll { fd: a.as_raw_fd(), writing: true };
        assert!(rig.result(&writable) > 0);
        a.set_nonblocking(true).unwrap();
        while a.write(&[1; 4096]).is_ok() {}
        let key = rig.start(&writable);
        rig.stays_pending(key);
        b.set_nonblocking(true).unwrap();
        while b.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        assert!(rig.completion(key).res > 0);
        let bad = Request::Poll { fd: 1_000_000, writing: false };
        assert_eq!(rig.result(&bad), errno(Errno::BADF));
    });
}
