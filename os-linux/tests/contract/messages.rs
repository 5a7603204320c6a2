//! Messages: addresses and scattered bytes, really waiting, cancelled, failing.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::ptr;
use std::time::Duration;

use ouzel_core::op::{OpKey, Request};

use crate::rig::{Rig, pattern};

const SHORT: Duration = Duration::from_millis(10);

/// A message header and all it points at but the bytes.
struct Message {
    header: Box<libc::msghdr>,
    _parts: Box<[libc::iovec]>,
    name: Box<[u8; 128]>,
}

impl Message {
    /// Of these bytes, with room for a name.
    fn new<const N: usize>(parts: [&mut [u8]; N]) -> Message {
        let parts = parts.map(|p| libc::iovec { iov_base: p.as_mut_ptr().cast(), iov_len: p.len() });
        let (mut parts, mut name): (Box<[_]>, _) = (Box::new(parts), Box::new([0; 128]));
        let header = Box::new(libc::msghdr {
            msg_name: name.as_mut_ptr().cast(),
            msg_namelen: 128,
            msg_iov: parts.as_mut_ptr(),
            msg_iovlen: parts.len(),
            msg_control: ptr::null_mut(),
            msg_controllen: 0,
            msg_flags: 0,
        });
        Message { header, _parts: parts, name }
    }

    /// To this machine's `port`; zero: to nobody by name.
    fn to(mut self, port: u16) -> Message {
        self.name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        self.name[2..4].copy_from_slice(&port.to_be_bytes());
        self.name[4..8].copy_from_slice(&[127, 0, 0, 1]);
        self.header.msg_namelen = if port == 0 { 0 } else { 16 };
        self
    }

    fn recv(&mut self, fd: &impl AsRawFd) -> Request {
        Request::RecvMsg { fd: fd.as_raw_fd(), msg: (&raw mut *self.header).cast(), flags: 0 }
    }

    fn send(&mut self, fd: &impl AsRawFd) -> Request {
        Request::SendMsg { fd: fd.as_raw_fd(), msg: (&raw const *self.header).cast(), flags: 0 }
    }

    /// The port of the peer that sent.
    fn port(&self) -> u16 {
        assert_eq!(self.header.msg_namelen, 16);
        u16::from_be_bytes([self.name[2], self.name[3]])
    }
}

fn udp() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

pub(crate) fn a_message_tells_its_sender_and_fills_the_parts_in_order(rig: &mut Rig) {
    let ((a, a_port), (b, b_port)) = (udp(), udp());
    let (mut one, mut two) = ([0; 3], [0; 8]);
    for round in 0..20u8 {
        let mut message = Message::new([&mut one, &mut two]);
        let key = rig.start(&message.recv(&b));
        if round == 0 {
            rig.stays_pending(key, SHORT);
        }
        let (mut head, mut tail) = ([round, 1], [2, 3, 4]);
        let mut out = Message::new([&mut head, &mut tail]).to(b_port);
        assert_eq!(rig.result(&out.send(&a)), 5);
        assert_eq!(rig.finish_op(key).res, 5);
        assert_eq!(message.port(), a_port);
        assert_eq!((one, &two[..2]), ([round, 1, 2], &[3, 4][..]));
    }
    // One that is cut says so, and the next is whole.
    a.send_to(b"too long", ("127.0.0.1", b_port)).unwrap();
    a.send_to(b"whole", ("127.0.0.1", b_port)).unwrap();
    let mut message = Message::new([&mut one]);
    assert_eq!((rig.result(&message.recv(&b)), &one), (3, b"too"));
    assert!(message.header.msg_flags & libc::MSG_TRUNC != 0);
    let mut message = Message::new([&mut two]);
    assert_eq!((rig.result(&message.recv(&b)), &two[..5]), (5, &b"whole"[..]));
}

pub(crate) fn a_receive_of_a_message_is_cancelled_in_flight(rig: &mut Rig) {
    let ((a, _), (b, b_port)) = (udp(), udp());
    let mut buf = [0; 8];
    let mut message = Message::new([&mut buf]);
    let key = rig.start(&message.recv(&b));
    rig.stays_pending(key, SHORT);
    rig.cancel(key);
    assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    a.send_to(b"later", ("127.0.0.1", b_port)).unwrap();
    let mut message = Message::new([&mut buf]);
    assert_eq!((rig.result(&message.recv(&b)), &buf[..5]), (5, &b"later"[..]));
}

/// Sends numbered messages until one has to wait: it, and how many went before.
fn fill(rig: &mut Rig, socket: &UnixDatagram, data: &mut [u8]) -> (OpKey, Message, u8) {
    for sent in 0..=u8::MAX {
        data[0] = sent;
        let mut message = Message::new([data]).to(0);
        let key = rig.start(&message.send(socket));
        let deadline = rig.after(SHORT);
        rig.turn(Some(deadline), true);
        match rig.take(key) {
            Some(c) => assert_eq!(c.res, 4000),
            None => return (key, message, sent),
        }
    }
    panic!("the queue never fills");
}

pub(crate) fn a_message_waits_for_room_and_is_cancelled_there(rig: &mut Rig) {
    let (a, b) = UnixDatagram::pair().unwrap();
    let mut data = pattern(4000);
    let copy = data.clone();
    let mut got = vec![0; 5000];
    let mut next = |i: u8| {
        let n = b.recv(&mut got).unwrap();
        assert_eq!((n, got[0]), (4000, i));
        assert!(got[1..n] == copy[1..], "the bytes differ");
    };
    let (key, _message, sent) = fill(rig, &a, &mut data);
    rig.stays_pending(key, SHORT);
    (0..sent).for_each(&mut next);
    assert_eq!(rig.finish_op(key).res, 4000);
    next(sent);
    let (key, _message, sent) = fill(rig, &a, &mut data);
    rig.stays_pending(key, SHORT);
    rig.cancel(key);
    assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    // Every one that was sent arrives, in order, and the cancelled one does not.
    (0..sent).for_each(&mut next);
    b.set_nonblocking(true).unwrap();
    assert_eq!(b.recv(&mut [0; 8]).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
}

pub(crate) fn a_message_on_a_stream_takes_what_there_is_room_for(rig: &mut Rig) {
    let (a, b) = UnixStream::pair().unwrap();
    let mut data = pattern(4 << 20);
    let copy = data.clone();
    let mut at = 0;
    let (mut one, mut two) = (vec![0; 30_000], vec![0; 70_000]);
    let mut got: Vec<u8> = Vec::new();
    while at < copy.len() {
        let mut out = Message::new([&mut data[at..]]).to(0);
        let n = rig.result(&out.send(&a));
        assert!(n > 0, "{n}");
        at += n as usize;
        while got.len() < at {
            let mut message = Message::new([&mut one, &mut two]).to(0);
            let n = rig.result(&message.recv(&b)) as usize;
            got.extend(one.iter().chain(&two).take(n));
        }
    }
    assert!(got == copy, "the bytes differ");
    drop(b);
    let mut out = Message::new([&mut data]).to(0);
    assert_eq!(rig.result(&out.send(&a)), -libc::EPIPE);
}

pub(crate) fn messages_fail_with_the_systems_error(rig: &mut Rig) {
    let (mut buf, fd) = ([0; 8], 1_000_000);
    let mut message = Message::new([&mut buf]);
    let (send, recv) = (message.send(&fd), message.recv(&fd));
    assert_eq!((rig.result(&send), rig.result(&recv)), (-libc::EBADF, -libc::EBADF));
    // Nobody has that port (any more), and the machine says so to the next call.
    let ((a, _), (b, port)) = (udp(), udp());
    drop(b);
    a.connect(("127.0.0.1", port)).unwrap();
    let mut out = Message::new([&mut buf]).to(0);
    assert_eq!(rig.result(&out.send(&a)), 8);
    let mut message = Message::new([&mut buf]);
    assert_eq!(rig.result(&message.recv(&a)), -libc::ECONNREFUSED);
    let mut huge = vec![0; 100_000];
    let mut out = Message::new([&mut huge]).to(port);
    assert_eq!(rig.result(&out.send(&a)), -libc::EMSGSIZE);
}
