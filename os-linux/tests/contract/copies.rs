//! Small sends without an operation: they leave with the next look at the kernel, wait for room, are dropped, fail.

use std::any::Any;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ouzel_core::driver::Errno;
use ouzel_core::op::Request;
use ouzel_os_linux::DriverConfig;

use crate::rig::{Any as Driver, Rig, pattern};

const SHORT: Duration = Duration::from_millis(20);
/// Longer than anything here takes.
const HANGS: Duration = Duration::from_secs(30);

pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

/// A driver that cannot takes nothing, ever.
fn takes(rig: &mut Rig) -> bool {
    let (a, mut b) = pair();
    let taken = rig.try_send(&a, b"x").unwrap();
    rig.flush().unwrap();
    assert_eq!(read(&mut b), if taken { b"x".to_vec() } else { vec![] });
    taken
}

/// What has arrived.
fn read(b: &mut UnixStream) -> Vec<u8> {
    let mut got = Vec::new();
    match b.read_to_end(&mut got) {
        Err(e) if e.kind() != ErrorKind::WouldBlock => panic!("{e}"),
        _ => got,
    }
}

/// Bytes of a pattern, as many as are taken.
pub(crate) fn fill(rig: &mut Rig, a: &UnixStream) -> Vec<u8> {
    let bytes = pattern(4_000_000);
    let mut taken = 0;
    for piece in bytes.chunks(7_001) {
        if !rig.try_send(a, piece).unwrap() {
            return bytes[..taken].to_vec();
        }
        taken += piece.len();
    }
    panic!("a socket without an end");
}

/// Reads until so much has come, and lets the driver send more.
fn drain(rig: &mut Rig, b: &mut UnixStream, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < len {
        got.append(&mut read(b));
        let deadline = rig.after(Duration::from_millis(1));
        rig.turn(Some(deadline), false);
    }
    got
}

pub(crate) fn a_copy_leaves_with_the_next_look(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    let look: [fn(&mut Rig); 3] = [
        |rig| {
            rig.reap();
        },
        |rig| rig.flush().unwrap(),
        |rig| {
            let deadline = rig.after(SHORT);
            rig.turn(Some(deadline), false);
        },
    ];
    for look in look {
        let mut bytes = *b"of the caller's";
        assert_eq!(rig.try_send(&a, &bytes), Ok(true));
        bytes.fill(0);
        assert_eq!(rig.try_send(&a, b", lent for the call"), Ok(true));
        assert_eq!(rig.try_send(&a, b""), Ok(true));
        look(rig);
        assert_eq!(read(&mut b), b"of the caller's, lent for the call");
    }
    assert_eq!((rig.in_flight(), rig.done.len()), (0, 0));
}

pub(crate) fn copies_and_operations_keep_their_order(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    for _ in 0..3 {
        assert_eq!(rig.try_send(&a, b"one "), Ok(true));
        let second = rig.send(&a, b"two ", true);
        assert_eq!(rig.finish_op(second).res, 4);
        assert_eq!(rig.try_send(&a, b"three "), Ok(true));
        let fourth = rig.send(&a, b"four", false);
        assert_eq!(rig.finish_op(fourth).res, 4);
        assert_eq!(read(&mut b), b"one two three four");
    }
}

pub(crate) fn copies_to_many_slow_readers_through_a_small_ring(rig: &mut Rig) {
    rig.remake(DriverConfig { entries: 4, ..rig.config.clone() });
    if !takes(rig) {
        return;
    }
    let mut pairs: Vec<_> = (0..30).map(|_| pair()).collect();
    for round in 0..3 {
        let bytes = pattern(1_000_000);
        let mut taken = vec![0; pairs.len()];
        // In turn, until none takes more: neighbours in the ring are of different sockets.
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for ((a, _), taken) in pairs.iter().zip(&mut taken) {
                if rig.try_send(a, &bytes[*taken..*taken + 5_003]).unwrap() {
                    *taken += 5_003;
                    goes_on = true;
                }
            }
        }
        for ((_, b), taken) in pairs.iter_mut().zip(taken) {
            assert!(taken > 50_000, "round {round}: {taken}");
            assert!(drain(rig, b, taken) == bytes[..taken], "round {round}");
        }
    }
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn what_is_sent_behind_a_rest_waits_for_it(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    let mut sent = fill(rig, &a);
    let never = rig.send(&a, b"never", false);
    rig.stays_pending(never, SHORT);
    rig.cancel(never);
    assert_eq!(rig.finish_op(never).res, -libc::ECANCELED);
    for lazy in [false, true] {
        let key = rig.send(&a, b"end", lazy);
        rig.stays_pending(key, SHORT);
        assert_eq!(rig.try_send(&a, b"no"), Ok(false));
        sent.extend(b"end");
        // Each wait ends by what has come to its end. (Who waits for a lazy send says so once, and that may have been long ago.)
        let deadline = rig.after(HANGS);
        let mut got = Vec::new();
        let res = loop {
            got.append(&mut read(&mut b));
            if let Some(c) = rig.take(key) {
                break c.res;
            }
            rig.turn(Some(deadline), false);
            assert!(rig.now() < deadline.0, "nothing ends the wait");
        };
        assert_eq!(res, 3);
        got.append(&mut read(&mut b));
        assert!(got == sent);
        sent = fill(rig, &a);
    }
    assert!(drain(rig, &mut b, sent.len()) == sent);
    // There is room again.
    assert_eq!(rig.try_send(&a, b"yes"), Ok(true));
    assert_eq!(drain(rig, &mut b, 3), b"yes");
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn an_end_goes_behind_a_rest(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    let sent = fill(rig, &a);
    let end = rig.start(&Request::Shutdown { fd: a.as_raw_fd(), how: libc::SHUT_WR });
    rig.stays_pending(end, SHORT);
    assert!(drain(rig, &mut b, sent.len()) == sent);
    assert_eq!(rig.finish_op(end).res, 0);
    assert_eq!(b.read(&mut [0; 1]).unwrap(), 0);
    // Another kind of end waits for nothing.
    let (a, mut b) = pair();
    let sent = fill(rig, &a);
    assert_eq!(rig.result(&Request::Shutdown { fd: a.as_raw_fd(), how: libc::SHUT_RDWR }), 0);
    let got = read(&mut b);
    assert!(got.len() < sent.len() && sent.starts_with(&got));
}

pub(crate) fn a_close_drops_what_found_no_room(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    let sent = fill(rig, &a);
    let behind = rig.send(&a, b"never", false);
    let fd = a.into_raw_fd();
    assert_eq!(rig.result(&Request::Close { fd }), 0);
    assert_eq!(rig.finish_op(behind).res, -libc::ECANCELED);
    let got = read(&mut b);
    assert!(got.len() < sent.len() && sent.starts_with(&got));
    // Another socket of the same number has nothing of it.
    let (c, mut d) = pair();
    let e = c.try_clone().unwrap();
    let same = [&c, &e].into_iter().find(|c| c.as_raw_fd() == fd);
    rig.opened(&c);
    rig.opened(&e);
    let new = same.unwrap_or(&c);
    assert_eq!(rig.try_send(new, b"new"), Ok(true));
    assert_eq!(drain(rig, &mut d, 3), b"new");
    rig.reap();
    assert_eq!((read(&mut d), rig.in_flight()), (vec![], 0));
}

pub(crate) fn a_copy_that_was_just_taken_leaves_before_a_close(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    assert_eq!(rig.try_send(&a, b"bye"), Ok(true));
    assert_eq!(rig.result(&Request::Close { fd: a.into_raw_fd() }), 0);
    assert_eq!(read(&mut b), b"bye");
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn what_keeps_a_descriptor_is_dropped_when_its_copy_is_over(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    let kept = Arc::new(());
    let keep = |rig: &mut Rig, bytes: &[u8]| {
        let keeper = || Some(kept.clone() as Arc<dyn Any + Send + Sync>);
        match &mut rig.driver {
            Driver::Uring(d) => d.try_send(a.as_raw_fd(), bytes, keeper),
            Driver::Epoll(d) => d.try_send(a.as_raw_fd(), bytes, keeper),
        }
    };
    assert_eq!(keep(rig, b"small"), Ok(true));
    assert_eq!(Arc::strong_count(&kept), 2);
    rig.reap();
    assert_eq!(Arc::strong_count(&kept), 1);
    let bytes = pattern(10_000);
    let mut sent = b"small".to_vec();
    while keep(rig, &bytes).unwrap() {
        sent.extend_from_slice(&bytes);
    }
    // The rest alone is left, until it has found room.
    rig.reap();
    assert_eq!(Arc::strong_count(&kept), 2);
    assert!(drain(rig, &mut b, sent.len()) == sent);
    rig.reap();
    assert_eq!(Arc::strong_count(&kept), 1);
}

pub(crate) fn the_failure_of_a_copy_is_told_once(rig: &mut Rig) {
    assert!(matches!(rig.try_send_to(-1, b"x"), Err(Errno(libc::EBADF)) | Ok(false)));
    if !takes(rig) {
        return;
    }
    let (a, b) = pair();
    fill(rig, &a);
    drop(b);
    let told = loop {
        let deadline = rig.after(Duration::from_millis(1));
        rig.turn(Some(deadline), false);
        match rig.try_send(&a, b"x") {
            Ok(false) => {}
            told => break told,
        }
    };
    assert_eq!(told, Err(Errno(libc::EPIPE)));
    for look in [false, true] {
        // By itself: the kernel's word is asked for, or has been heard.
        assert_eq!(rig.try_send(&a, b"x"), Ok(true));
        if look {
            rig.reap();
        } else {
            rig.flush().unwrap();
        }
        assert_eq!(rig.try_send(&a, b"x"), Err(Errno(libc::EPIPE)));
    }
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn the_end_sends_copies_and_drops_rests(rig: &mut Rig) {
    if !takes(rig) {
        return;
    }
    let (a, mut b) = pair();
    let (c, mut d) = pair();
    let sent = fill(rig, &a);
    let behind = rig.send(&a, b"never", false);
    assert_eq!(rig.try_send(&c, b"last"), Ok(true));
    rig.finish();
    assert_eq!(rig.take(behind).map(|c| c.res), Some(-libc::ECANCELED));
    assert_eq!(read(&mut d), b"last");
    let got = read(&mut b);
    assert!(got.len() < sent.len() && sent.starts_with(&got));
    assert_eq!(rig.try_send(&c, b"late"), Ok(false));
}
