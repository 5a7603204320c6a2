//! Waiting for readiness alone: told as long as it holds, really waiting, cancelled, failing.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ouzel_core::op::Request;

use crate::rig::Rig;

const SHORT: Duration = Duration::from_millis(10);

fn poll(fd: &impl AsRawFd, writing: bool) -> Request {
    Request::Poll { fd: fd.as_raw_fd(), writing }
}

pub(crate) fn a_poll_tells_readiness_as_long_as_it_holds(rig: &mut Rig) {
    let (mut a, mut b) = UnixStream::pair().unwrap();
    for round in 0..20u8 {
        let key = rig.start(&poll(&b, false));
        if round == 0 {
            rig.stays_pending(key, SHORT);
        }
        a.write_all(&[round, 7]).unwrap();
        assert!(rig.finish_op(key).res & i32::from(libc::POLLIN) != 0);
        let mut byte = [0];
        b.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [round]);
        // One byte is left, and no event will tell of it.
        assert!(rig.result(&poll(&b, false)) & i32::from(libc::POLLIN) != 0);
        b.read_exact(&mut byte).unwrap();
    }
    let key = rig.start(&poll(&b, false));
    rig.stays_pending(key, SHORT);
    drop(a);
    assert!(rig.finish_op(key).res & i32::from(libc::POLLIN | libc::POLLHUP) != 0);
}

pub(crate) fn a_poll_for_room_waits_until_there_is_some(rig: &mut Rig) {
    let (mut a, mut b) = UnixStream::pair().unwrap();
    assert!(rig.result(&poll(&a, true)) & i32::from(libc::POLLOUT) != 0);
    a.set_nonblocking(true).unwrap();
    while a.write(&[1; 4096]).is_ok() {}
    let key = rig.start(&poll(&a, true));
    rig.stays_pending(key, SHORT);
    b.set_nonblocking(true).unwrap();
    while b.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    assert!(rig.finish_op(key).res & i32::from(libc::POLLOUT) != 0);
}

pub(crate) fn a_poll_is_cancelled_in_flight(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let key = rig.start(&poll(&b, false));
    rig.stays_pending(key, SHORT);
    rig.cancel(key);
    assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    let key = rig.start(&poll(&b, false));
    rig.stays_pending(key, SHORT);
    a.write_all(b"x").unwrap();
    assert!(rig.finish_op(key).res > 0);
}

pub(crate) fn a_poll_of_nothing_fails_and_of_a_file_is_done(rig: &mut Rig) {
    assert_eq!(rig.result(&Request::Poll { fd: 1_000_000, writing: false }), -libc::EBADF);
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    rig.opened(&file);
    assert!(rig.result(&poll(&file, false)) & i32::from(libc::POLLIN) != 0);
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn a_poll_shares_its_descriptor_with_a_receive(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let mut buf = [0; 8];
    let receive = rig.recv(&b, &mut buf);
    let wait = rig.start(&poll(&b, false));
    rig.stays_pending(wait, SHORT);
    a.write_all(b"both").unwrap();
    assert_eq!(rig.finish_op(receive).res, 4);
    assert_eq!(&buf[..4], b"both");
    // The receive may have been first: then the event is old news, or none.
    a.write_all(b"more").unwrap();
    assert!(rig.finish_op(wait).res & i32::from(libc::POLLIN) != 0);
    assert_eq!(rig.result(&crate::rig::recv(&b, &mut buf)), 4);
}
