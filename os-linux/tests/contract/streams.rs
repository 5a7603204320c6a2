//! Multishot receive and lazy sends: contents compared, buffers running out, back-pressure.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use ouzel_core::op::{Completion, OpKey, Request};
use ouzel_os_linux::{DriverConfig, Mask};

use crate::rig::{Any, Rig, pattern, recv};
use crate::sockets::tcp_pair;

/// Receives until the end of the stream, arming again as the layer above does.
fn receive_all(rig: &mut Rig, fd: i32) -> Vec<u8> {
    let mut got = Vec::new();
    let mut key = rig.start(&Request::RecvMulti { fd });
    loop {
        let c = rig.finish_op(key);
        if c.buffer().is_some() {
            got.extend(rig.bytes(c));
        }
        match c {
            c if c.more() => {}
            Completion { res: 0, .. } => return got,
            c => {
                assert!(c.buffer().is_some() || c.res == -libc::ENOBUFS, "{c:?}");
                key = rig.start(&Request::RecvMulti { fd });
            }
        }
    }
}

pub(crate) fn recv_multi_delivers_each_message(rig: &mut Rig) {
    let (mut a, b) = tcp_pair();
    let mut key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
    rig.stays_pending(key, Duration::from_millis(10));
    for round in 0..100u8 {
        let message = vec![round; 1 + usize::from(round) * 7];
        a.write_all(&message).unwrap();
        let c = rig.finish_op(key);
        assert_eq!(rig.bytes(c), message);
        if !c.more() {
            key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        }
    }
    drop(a);
    let c = rig.finish_op(key);
    assert_eq!((c.res, c.more(), c.buffer()), (0, false, None));
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn recv_multi_delivers_a_long_stream(rig: &mut Rig) {
    rig.remake(DriverConfig { buffers: 4, buffer_size: 4096, ..rig.config.clone() });
    let (mut a, b) = tcp_pair();
    let data = pattern(3 << 20);
    let expected = data.clone();
    let writer = thread::spawn(move || a.write_all(&data).unwrap());
    assert!(receive_all(rig, b.as_raw_fd()) == expected, "the bytes differ");
    writer.join().unwrap();
}

pub(crate) fn recv_multi_ends_without_buffers_and_loses_nothing(rig: &mut Rig) {
    rig.remake(DriverConfig { buffers: 2, buffer_size: 64, ..rig.config.clone() });
    let (mut a, b) = UnixStream::pair().unwrap();
    let data = pattern(64 * 5);
    a.write_all(&data).unwrap();
    drop(a);
    let (mut held, mut got, mut starved) = (Vec::new(), Vec::new(), 0);
    let mut key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
    loop {
        let c = rig.finish_op(key);
        if c.buffer().is_some() {
            held.push(c);
        } else if c.res == 0 {
            break;
        } else {
            assert_eq!(c.res, -libc::ENOBUFS);
            assert_eq!(held.len(), 2);
            starved += 1;
            held.drain(..).for_each(|c| got.extend(rig.bytes(c)));
        }
        if !c.more() {
            key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        }
    }
    held.into_iter().for_each(|c| got.extend(rig.bytes(c)));
    assert!(starved >= 1);
    assert!(got == data, "{} bytes of {}", got.len(), data.len());
}

pub(crate) fn recv_multi_goes_on_while_there_are_buffers(rig: &mut Rig) {
    rig.remake(DriverConfig { buffers: 32, buffer_size: 64, ..rig.config.clone() });
    let (mut a, b) = UnixStream::pair().unwrap();
    let data = pattern(64 * 20);
    a.write_all(&data).unwrap();
    let (mut held, mut arms) = (Vec::new(), 1);
    let mut key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
    while held.len() < 20 {
        let c = rig.finish_op(key);
        assert!(c.buffer().is_some(), "{c:?}");
        held.push(c);
        if !c.more() {
            key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
            arms += 1;
        }
    }
    let got: Vec<u8> = held.into_iter().flat_map(|c| rig.bytes(c)).collect();
    assert!(got == data, "the bytes differ");
    assert!(arms == 1 || rig.config.mask.has(Mask::RECV_MULTI), "armed {arms} times");
}

pub(crate) fn a_lone_stream_keeps_to_a_few_buffers(rig: &mut Rig) {
    let (mut a, b) = tcp_pair();
    let mut key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
    let mut ids = Vec::new();
    for round in 0..1000u16 {
        let message = round.to_le_bytes();
        a.write_all(&message).unwrap();
        let c = rig.finish_op(key);
        ids.extend(c.buffer());
        assert_eq!(rig.bytes(c), message);
        if !c.more() {
            key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() <= 4, "{ids:?}");
}

pub(crate) fn a_receive_cancelled_as_the_buffers_run_out_ends(rig: &mut Rig) {
    rig.remake(DriverConfig { buffers: 32, buffer_size: 64, ..rig.config.clone() });
    let (mut a, b) = UnixStream::pair().unwrap();
    let data = pattern(64 * 20);
    a.write_all(&data).unwrap();
    let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
    rig.cancel(key);
    let mut got = Vec::new();
    loop {
        let c = rig.finish_op(key);
        if c.buffer().is_some() {
            got.extend(rig.bytes(c));
        }
        if !c.more() {
            break;
        }
    }
    drop(a);
    got.extend(receive_all(rig, b.as_raw_fd()));
    assert!(got == data, "{} bytes of {}, or others", got.len(), data.len());
}

pub(crate) fn recv_multi_is_cancelled(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
    rig.stays_pending(key, Duration::from_millis(5));
    rig.cancel(key);
    let c = rig.finish_op(key);
    assert_eq!((c.res, c.more(), c.buffer()), (-libc::ECANCELED, false, None));
    a.write_all(b"still there").unwrap();
    let mut buf = [0; 16];
    assert_eq!(rig.result(&recv(&b, &mut buf)), 11);
}

pub(crate) fn many_streams_share_the_buffers(rig: &mut Rig) {
    rig.remake(DriverConfig { buffers: 8, buffer_size: 256, ..rig.config.clone() });
    let pairs: Vec<_> = (0..40).map(|_| UnixStream::pair().unwrap()).collect();
    let arm = |rig: &mut Rig, i: usize| rig.start(&Request::RecvMulti { fd: pairs[i].1.as_raw_fd() });
    let mut keys: Vec<OpKey> = (0..pairs.len()).map(|i| arm(rig, i)).collect();
    let mut got = vec![Vec::new(); pairs.len()];
    for (i, (a, _)) in pairs.iter().enumerate() {
        (&mut &*a).write_all(&vec![i as u8; 1000]).unwrap();
    }
    while got.iter().any(|g| g.len() < 1000) {
        let deadline = rig.after(Duration::from_secs(5));
        rig.turn(Some(deadline), false);
        for (key, c) in std::mem::take(&mut rig.done) {
            let i = keys.iter().position(|k| *k == key).expect("a known key");
            if c.buffer().is_some() {
                got[i].extend(rig.bytes(c));
            }
            if !c.more() {
                keys[i] = arm(rig, i);
            }
        }
    }
    for (i, bytes) in got.iter().enumerate() {
        assert!(bytes.iter().all(|b| *b == i as u8) && bytes.len() == 1000);
    }
}

pub(crate) fn a_lazy_send_arrives_and_completes(rig: &mut Rig) {
    let (a, mut b) = tcp_pair();
    for round in 0..50u8 {
        let key = rig.send(&a, &[round; 10], true);
        rig.reap();
        assert_eq!(rig.take(key).map(|c| c.res), Some(10), "done when the kernel was entered");
        let mut buf = [0; 10];
        b.read_exact(&mut buf).unwrap();
        assert_eq!(buf, [round; 10]);
    }
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn a_lazy_send_nobody_waits_for_does_not_end_the_wait(rig: &mut Rig) {
    let (a, mut b) = tcp_pair();
    let mut buf = [0; 10];
    let mut inbound = [0; 4];
    let waiting = rig.recv(&a, &mut inbound);
    rig.turn(Some(rig.after(Duration::from_millis(5))), false);
    let before = rig.counters();
    let key = rig.send(&a, b"reply", true);
    let answer = thread::spawn(move || {
        b.read_exact(&mut buf[..5]).unwrap();
        thread::sleep(Duration::from_millis(20));
        b.write_all(b"next").unwrap();
        buf
    });
    while rig.take(waiting).is_none() {
        rig.turn(None, false);
    }
    assert_eq!(rig.take(key).map(|c| c.res), Some(5));
    assert_eq!(&answer.join().unwrap()[..5], b"reply");
    let after = rig.counters();
    if rig.is_uring() && rig.config.mask == Mask::NONE {
        let (enters, cqes) = (after.enters - before.enters, after.cqes - before.cqes);
        assert_eq!((enters, cqes), (1, 1), "one call, and one CQE for the receive alone");
    }
}

pub(crate) fn a_lazy_send_that_is_waited_for_is_reported_at_once(rig: &mut Rig) {
    let (a, _b) = tcp_pair();
    let key = rig.send(&a, b"reply", true);
    if rig.take(key).is_none() {
        rig.turn(None, true);
        assert_eq!(rig.take(key).map(|c| c.res), Some(5));
    }
}

pub(crate) fn lazy_sends_under_back_pressure_lose_nothing(rig: &mut Rig) {
    for size in [1 << 22, 100_000] {
        let (a, mut b) = tcp_pair();
        rig.opened(&a);
        let data = pattern(24 << 20);
        let expected = data.clone();
        let reader = thread::spawn(move || {
            // Slow at first, so that the buffers fill: nothing sent, some sent, all sent.
            let mut got = vec![0; expected.len()];
            let mut at = 0;
            while at < got.len() {
                let end = (at + 300_000).min(got.len());
                let n = b.read(&mut got[at..end]).unwrap();
                assert!(n > 0, "the stream ended at {at}");
                at += n;
                if at < 8 << 20 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            got == expected
        });
        for chunk in data.chunks(size) {
            let key = rig.send(&a, chunk, true);
            assert_eq!(rig.finish_op(key).res as usize, chunk.len());
        }
        assert!(reader.join().unwrap(), "the bytes differ");
    }
}

pub(crate) fn a_lazy_send_fails_like_any_other(rig: &mut Rig) {
    let (a, b) = UnixStream::pair().unwrap();
    drop(b);
    let key = rig.send(&a, b"x", true);
    assert_eq!(rig.finish_op(key).res, -libc::EPIPE);
    let (a, b) = UnixStream::pair().unwrap();
    rig.opened(&a);
    let data = pattern(8 << 20);
    let key = rig.send(&a, &data, true);
    rig.stays_pending(key, Duration::from_millis(10));
    rig.cancel(key);
    let sent = rig.finish_op(key).res;
    assert!((1..data.len() as i32).contains(&sent), "{sent}");
    drop(b);
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn lazy_and_other_sends_keep_their_order(rig: &mut Rig) {
    let (a, mut b) = tcp_pair();
    let first = rig.send(&a, b"one ", true);
    let second = rig.send(&a, b"two ", false);
    let third = rig.send(&a, b"three", true);
    let end = rig.start(&Request::Shutdown { fd: a.as_raw_fd(), how: libc::SHUT_WR });
    for (key, res) in [(first, 4), (second, 4), (third, 5), (end, 0)] {
        assert_eq!(rig.finish_op(key).res, res);
    }
    let mut got = String::new();
    b.read_to_string(&mut got).unwrap();
    assert_eq!(got, "one two three");
}

pub(crate) fn a_host_that_waits_itself_sends_lazily(rig: &mut Rig) {
    let (a, mut b) = tcp_pair();
    let key = rig.send(&a, b"reply", true);
    rig.arm_notify();
    let mut got = [0; 5];
    b.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"reply");
    assert_eq!(rig.finish_op(key).res, 5);
}

pub(crate) fn many_lazy_sends_through_a_small_ring(rig: &mut Rig) {
    rig.remake(DriverConfig { entries: 4, ..rig.config.clone() });
    let pairs: Vec<_> = (0..30).map(|_| UnixStream::pair().unwrap()).collect();
    let data = pattern(600_000);
    for _ in 0..3 {
        let full: Vec<_> = pairs.iter().map(|(a, _)| rig.send(a, b"small", true)).collect();
        full.into_iter().for_each(|k| assert_eq!(rig.finish_op(k).res, 5));
        for (_, b) in &pairs {
            (&mut &*b).read_exact(&mut [0; 5]).unwrap();
        }
    }
    // Every one of them fills its buffer; failures outnumber the completion ring.
    let keys: Vec<_> = pairs.iter().map(|(a, _)| rig.send(a, &data, true)).collect();
    let readers: Vec<_> = pairs.iter().map(|(_, b)| b.try_clone().unwrap()).collect();
    let readers = thread::spawn(move || {
        let read = |mut b: UnixStream| {
            let mut got = vec![0; 600_000];
            b.read_exact(&mut got).map(|()| got).unwrap()
        };
        readers.into_iter().map(read).collect::<Vec<_>>()
    });
    keys.into_iter().for_each(|k| assert_eq!(rig.finish_op(k).res, 600_000));
    assert!(readers.join().unwrap().into_iter().all(|got| got == data));
    if let Any::Uring(d) = &rig.driver {
        assert_eq!(d.in_flight(), 0);
    }
}

/// Shutting down cancels what waits. A lazy send that nobody has looked at does not wait: it is made first.
pub(crate) fn the_end_makes_the_lazy_sends_there_is_room_for(rig: &mut Rig) {
    let (mut a, b) = tcp_pair();
    let (_full, c) = UnixStream::pair().unwrap();
    c.set_nonblocking(true).unwrap();
    while (&c).write(&[0; 4096]).is_ok() {}
    let sent = rig.send(&b, b"a last word", true);
    let stuck = rig.send(&c, b"no room", true);
    rig.finish();
    assert_eq!(rig.take(sent).map(|c| c.res), Some(11));
    assert_eq!(rig.take(stuck).map(|c| c.res), Some(-libc::ECANCELED));
    let mut told = [0; 11];
    a.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"a last word");
}
