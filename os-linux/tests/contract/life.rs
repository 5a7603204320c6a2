//! Descriptor numbers used again, many operations at once, the driver's end.

use std::collections::HashSet;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ouzel_core::op::{Completion, OpKey, Request, Submitted};

use crate::rig::{Rig, pattern, recv};
use crate::sockets::{owned, tcp_pair};

pub(crate) fn a_descriptor_number_is_used_again(rig: &mut Rig) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let req = Request::Accept {
        fd: listener.as_raw_fd(),
        addr: std::ptr::null_mut(),
        addr_len: std::ptr::null_mut(),
    };
    // Other tests of the process open and close, too: in the end a number comes again all the same.
    let (mut numbers, mut came_again) = (HashSet::new(), 0);
    for round in (0..=u8::MAX).cycle() {
        let key = rig.start(&req);
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let fd = rig.finish_op(key).res;
        came_again += u32::from(!numbers.insert(fd));
        let socket = std::mem::ManuallyDrop::new(owned(fd));
        let mut buf = [0; 8];
        for _ in 0..3 {
            let key = rig.start(&recv(&*socket, &mut buf));
            rig.stays_pending(key, Duration::from_millis(2));
            peer.write_all(&[round]).unwrap();
            assert_eq!((rig.finish_op(key).res, buf[0]), (1, round));
        }
        assert_eq!(rig.result(&Request::Close { fd }), 0);
        if came_again == 4 {
            return;
        }
    }
}

pub(crate) fn a_number_closed_elsewhere_is_used_again(rig: &mut Rig) {
    let (mut numbers, mut came_again) = (HashSet::new(), 0);
    for round in (0..=u8::MAX).cycle() {
        let (mut a, b) = tcp_pair();
        came_again += u32::from(!numbers.insert(b.as_raw_fd()));
        rig.opened(&b);
        let mut buf = [0; 8];
        let key = rig.recv(&b, &mut buf);
        rig.stays_pending(key, Duration::from_millis(2));
        a.write_all(&[round]).unwrap();
        assert_eq!((rig.finish_op(key).res, buf[0]), (1, round));
        let key = rig.recv(&b, &mut buf);
        rig.stays_pending(key, Duration::from_millis(2));
        rig.cancel(key);
        rig.finish_op(key);
        if came_again == 4 {
            return;
        }
    }
}

pub(crate) fn shutdown_of_the_driver_cancels_everything(rig: &mut Rig) {
    let (_a, b) = UnixStream::pair().unwrap();
    let mut bufs = vec![[0u8; 4]; 300];
    let keys: Vec<_> = bufs.iter_mut().map(|buf| rig.recv(&b, buf)).collect();
    let multi = rig.start(&Request::RecvMulti { fd: tcp_pair().1.as_raw_fd() });
    rig.turn(Some(rig.after(Duration::from_millis(5))), false);
    let _ = rig.take(multi);
    rig.finish();
    for key in keys {
        assert_eq!(rig.take(key).map(|c| c.res), Some(-libc::ECANCELED));
    }
    let refused = Submitted::Done(Completion::done(-libc::ECANCELED));
    assert_eq!(rig.submit(&Request::Nop).1, refused);
}

pub(crate) fn a_thousand_operations_through_a_small_ring(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let mut bytes = vec![0u8; 1000];
    let keys: Vec<_> = bytes.chunks_mut(1).map(|byte| rig.recv(&b, byte)).collect();
    let nops: Vec<_> = (0..1000).map(|_| rig.start(&Request::Nop)).collect();
    a.write_all(&pattern(1000)).unwrap();
    for key in nops.into_iter().chain(keys) {
        let res = rig.finish_op(key).res;
        assert!(res == 0 || res == 1, "{res}");
    }
    let (mut got, mut sent) = (bytes, pattern(1000));
    if rig.is_uring() {
        // Many receives at once on one stream: the kernel says nothing about their order.
        got.sort_unstable();
        sent.sort_unstable();
    }
    assert!(got == sent);
    assert_eq!(rig.in_flight(), 0);
}

pub(crate) fn a_busy_connection_does_not_starve_another(rig: &mut Rig) {
    let (mut busy, b) = UnixStream::pair().unwrap();
    let (mut quiet, c) = UnixStream::pair().unwrap();
    let mut buf = [0; 1];
    let key = rig.recv(&c, &mut buf);
    let multi = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
    rig.stays_pending(key, Duration::from_millis(5));
    quiet.write_all(b"q").unwrap();
    let mut turns = 0;
    while rig.take(key).is_none() {
        busy.write_all(&pattern(64)).unwrap();
        rig.turn(None, false);
        while let Some(c) = rig.take(multi) {
            rig.recycle(c);
        }
        turns += 1;
        assert!(turns < 10, "starved");
    }
    rig.cancel(multi);
    while rig.in_flight() > 0 {
        rig.turn(Some(rig.after(Duration::from_millis(30))), false);
    }
}

/// A slot that has served many operations has a generation of any form, and one of the lowest numbers.
pub(crate) fn an_operation_of_any_generation_completes(rig: &mut Rig) {
    for generation in [1, 0xfff, 0x1_0000, 0x2_0000, 0x10_0000, 0x7fff_0000, 0x7fff_ffff] {
        for index in 0..8 {
            let key = OpKey(generation << 32 | index);
            match rig.submit_as(key, &Request::Nop) {
                Submitted::Done(c) => assert_eq!(c.res, 0),
                submitted => {
                    assert_eq!(submitted, Submitted::InFlight);
                    assert_eq!(rig.finish_op(key).res, 0, "{key:?}");
                }
            }
        }
    }
}

/// Far more complete at once than the ring has room for: the kernel keeps what does not fit.
pub(crate) fn completions_beyond_the_queue_are_not_lost(rig: &mut Rig) {
    const PAIRS: usize = 300;
    let pairs: Vec<_> = (0..PAIRS).map(|_| UnixStream::pair().unwrap()).collect();
    let mut bufs = vec![[0u8; 4]; PAIRS];
    for round in 0..3u8 {
        let keys: Vec<_> = pairs.iter().zip(&mut bufs).map(|((_, b), buf)| rig.recv(b, buf)).collect();
        rig.flush().unwrap();
        for (a, _) in &pairs {
            let mut a = a;
            a.write_all(&[round, 7]).unwrap();
        }
        for (i, key) in keys.into_iter().enumerate() {
            assert_eq!(rig.finish_op(key).res, 2, "receive {i} of round {round}");
        }
        assert!(bufs.iter().all(|buf| buf[..2] == [round, 7]));
    }
    assert_eq!(rig.in_flight(), 0);
}
