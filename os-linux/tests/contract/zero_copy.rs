//! Sends out of the caller's memory, or of a copy where there is no other way: the same results.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use ouzel_core::op::Request;
use ouzel_os_linux::Mask;

use crate::rig::{Any, Kind, Rig, pattern, run};
use crate::sockets::tcp_pair;

fn zero_copy(fd: &impl AsRawFd, buf: &[u8]) -> Request {
    Request::SendZeroCopy { fd: fd.as_raw_fd(), buf: buf.as_ptr(), len: buf.len(), flags: 0 }
}

pub(crate) fn a_send_without_a_copy_sends_everything_to_a_slow_reader(rig: &mut Rig) {
    let (a, mut b) = tcp_pair();
    rig.opened(&a);
    let data = pattern(1 << 16).repeat(96);
    let (first, second) = data.split_at(4 << 20);
    let reader = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let mut got = Vec::new();
        b.read_to_end(&mut got).unwrap();
        got
    });
    for part in [first, second] {
        assert_eq!(rig.result(&zero_copy(&a, part)) as usize, part.len());
    }
    drop(a);
    assert!(reader.join().unwrap() == data, "not what was sent");
}

pub(crate) fn a_send_without_a_copy_to_a_socket_that_knows_none_is_copied(rig: &mut Rig) {
    let (a, mut b) = UnixStream::pair().unwrap();
    assert_eq!(rig.result(&zero_copy(&a, b"hello")), 5);
    let mut got = [0; 5];
    b.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}

pub(crate) fn a_send_without_a_copy_is_cancelled_in_flight(rig: &mut Rig) {
    let (a, mut b) = tcp_pair();
    rig.opened(&a);
    let data = pattern(1 << 16).repeat(512);
    let key = rig.start(&zero_copy(&a, &data));
    rig.stays_pending(key, Duration::from_millis(20));
    rig.cancel(key);
    // The memory is free when the peer has taken what is out already.
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        b.read_to_end(&mut got).unwrap();
        got
    });
    let sent = rig.finish_op(key).res;
    assert!(sent > 0 && (sent as usize) < data.len(), "{sent}");
    drop(a);
    assert!(reader.join().unwrap() == data[..sent as usize], "not what was counted");
}

pub(crate) fn a_send_without_a_copy_fails_like_any_other(rig: &mut Rig) {
    assert_eq!(rig.result(&zero_copy(&1_000_000, b"x")), -libc::EBADF);
    let (a, b) = tcp_pair();
    rig.opened(&a);
    drop(b);
    // The first finds out.
    let results: Vec<_> = (0..20)
        .map(|_| {
            thread::sleep(Duration::from_millis(1));
            rig.result(&zero_copy(&a, b"x"))
        })
        .collect();
    assert!(results.iter().any(|r| *r == -libc::EPIPE || *r == -libc::ECONNRESET), "{results:?}");
    assert_eq!(rig.in_flight(), 0);
}

#[test]
fn a_driver_ends_although_a_peer_never_acknowledges() {
    for masked in [Mask::NONE, Mask::SEND_ZC] {
        run(Kind::Uring(masked), |rig| {
            let (a, b) = tcp_pair();
            let data = pattern(1 << 16).repeat(512);
            let key = rig.start(&zero_copy(&a, &data));
            rig.stays_pending(key, Duration::from_millis(20));
            rig.finish();
            assert_eq!(rig.done.len(), 1);
            drop(b);
        });
    }
}

/// The completion entries of a send of a kilobyte.
fn entries(rig: &mut Rig) -> u64 {
    let (a, mut b) = tcp_pair();
    let before = rig.counters().cqes;
    assert_eq!(rig.result(&zero_copy(&a, &[7; 1000])), 1000);
    b.read_exact(&mut [0; 1000]).unwrap();
    let Any::Uring(ring) = &rig.driver else { panic!("a ring") };
    assert_eq!(ring.unacknowledged(), 0);
    rig.counters().cqes - before
}

#[test]
fn a_ring_sends_without_a_copy_unless_that_is_masked() {
    run(Kind::Uring(Mask::NONE), |rig| assert_eq!(entries(rig), 2, "a result and a notice"));
    run(Kind::Uring(Mask::SEND_ZC), |rig| {
        assert_eq!(entries(rig), 1);
        assert!(rig.describe().contains("send_zc (masked)"), "{}", rig.describe());
    });
}
