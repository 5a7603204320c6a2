//! Limits that a ring keeps itself, with all that a kernel may lack beside. What they mean on every driver is tested
//! through the public API.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;
use std::time::Duration;

use ouzel_core::driver::Deadline;
use ouzel_core::op::{AT_POSITION, OpKey, Request, Submitted};
use ouzel_os_linux::{DriverConfig, Mask};

use crate::files::pipe;
use crate::rig::{Any, Kind, PATIENCE, Rig, recv, run, run_with};
use crate::sockets::send_req;

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(300);

/// On rings that lack what the pair, its completions or its operations could use.
fn on_rings(test: fn(&mut Rig)) {
    for mask in [
        Mask::NONE,
        Mask::CQE_SKIP,
        Mask::SEND_WAITALL,
        Mask::EXT_ARG.and(Mask::FUTEX_WAIT),
        Mask(!Mask::URING.0 & !Mask::LINK_TIMEOUT.0),
    ] {
        run(Kind::Uring(mask), test);
    }
}

fn submit_until(rig: &mut Rig, key: OpKey, req: &Request, limit: Deadline) -> Option<Submitted> {
    match &mut rig.driver {
        Any::Uring(d) => d.submit_until(key, req, limit),
        Any::Epoll(_) => None,
    }
}

/// Begins an operation whose limit is the ring's.
fn start(rig: &mut Rig, req: &Request, time: Duration) -> (OpKey, Deadline) {
    let (key, limit) = (rig.key(), rig.after(time));
    assert_eq!(submit_until(rig, key, req, limit), Some(Submitted::InFlight));
    (key, limit)
}

#[test]
fn a_limit_ends_an_operation_that_waits_and_takes_nothing_from_its_stream() {
    on_rings(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        for _ in 0..5 {
            let (key, limit) = start(rig, &recv(&b, &mut buf), SHORT);
            assert_eq!(rig.finish_op(key).res, -libc::ETIMEDOUT);
            assert!(rig.now() >= limit.0, "too early");
            a.write_all(b"x").unwrap();
            assert_eq!(rig.result(&recv(&b, &mut buf)), 1);
        }
    });
}

#[test]
fn an_operation_in_time_is_as_without_a_limit_and_one_that_is_cancelled_is_cancelled() {
    on_rings(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        let (key, _) = start(rig, &recv(&b, &mut buf), LONG);
        rig.stays_pending(key, SHORT);
        a.write_all(b"abc").unwrap();
        assert_eq!(rig.finish_op(key).res, 3);
        let (key, _) = start(rig, &recv(&b, &mut buf), LONG);
        rig.stays_pending(key, SHORT);
        rig.cancel(key);
        assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
        // Ready when it is submitted: it is tried before the time is looked at.
        a.write_all(b"d").unwrap();
        let (key, _) = start(rig, &recv(&b, &mut buf), Duration::ZERO);
        assert_eq!(rig.finish_op(key).res, 1);
        let (key, _) = start(rig, &recv(&b, &mut buf), Duration::ZERO);
        assert_eq!(rig.finish_op(key).res, -libc::ETIMEDOUT);
        assert_eq!(rig.in_flight(), 0);
    });
}

#[test]
fn a_send_that_is_late_says_how_much_went_out() {
    on_rings(|rig| {
        let (a, mut b) = UnixStream::pair().unwrap();
        let data = vec![7; 8 << 20];
        let (key, _) = start(rig, &send_req(&a, &data), SHORT * 4);
        let sent = rig.finish_op(key).res;
        assert!(sent > 0 && (sent as usize) < data.len(), "{sent}");
        let (key, _) = start(rig, &send_req(&a, &data), SHORT);
        assert_eq!(rig.finish_op(key).res, -libc::ETIMEDOUT);
        drop(a);
        let mut got = Vec::new();
        b.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), sent as usize);
    });
}

#[test]
fn what_waits_for_readiness_between_two_tries_has_its_limit_there_too() {
    on_rings(|rig| {
        let (r, w) = pipe(libc::O_NONBLOCK);
        let mut w = std::fs::File::from(w);
        let mut buf = [0; 8];
        let read = |buf: &mut [u8]| Request::Read {
            fd: r.as_raw_fd(),
            buf: buf.as_mut_ptr(),
            len: buf.len(),
            offset: AT_POSITION,
        };
        let (key, limit) = start(rig, &read(&mut buf), SHORT);
        assert_eq!(rig.finish_op(key).res, -libc::ETIMEDOUT);
        assert!(rig.now() >= limit.0, "too early");
        let (key, _) = start(rig, &read(&mut buf), LONG);
        rig.stays_pending(key, SHORT);
        w.write_all(b"yz").unwrap();
        assert_eq!(rig.finish_op(key).res, 2);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let accept = Request::Accept { fd: listener.as_raw_fd(), addr: null_mut(), addr_len: null_mut() };
        let (key, _) = start(rig, &accept, SHORT);
        assert_eq!(rig.finish_op(key).res, -libc::ETIMEDOUT);
    });
}

#[test]
fn a_pair_of_entries_goes_in_together_through_the_smallest_queue() {
    let config = DriverConfig { entries: 2, ..DriverConfig::default() };
    run_with(Kind::Uring(Mask::NONE), config, |rig| {
        let streams: Vec<_> = (0..20).map(|_| UnixStream::pair().unwrap()).collect();
        let mut bufs = [[0u8; 4]; 20];
        let mut keys = Vec::new();
        for (i, ((_a, b), buf)) in streams.iter().zip(&mut bufs).enumerate() {
            // One without between every two, so that a pair finds one place left.
            keys.push(start(rig, &recv(b, buf), SHORT * (1 + i as u32 % 3)).0);
            assert_eq!(rig.result(&Request::Nop), 0);
            rig.start(&Request::Nop);
        }
        for key in keys {
            assert_eq!(rig.finish_op(key).res, -libc::ETIMEDOUT);
        }
    });
    let config = DriverConfig { entries: 1, ..DriverConfig::default() };
    run_with(Kind::Uring(Mask::NONE), config, refuses);
}

fn refuses(rig: &mut Rig) {
    let (_a, b) = UnixStream::pair().unwrap();
    let mut buf = [0; 4];
    let (key, limit) = (rig.key(), rig.after(SHORT));
    assert_eq!(submit_until(rig, key, &recv(&b, &mut buf), limit), None);
    assert_eq!(rig.in_flight(), 0);
}

/// The two entries of a limit go in by one call, also if a copy before them takes a place.
#[test]
fn a_copy_that_was_just_taken_does_not_part_an_operation_from_its_limit() {
    on_rings(|rig| {
        for queued in 0..4 {
            rig.remake(DriverConfig { entries: 4, ..rig.config.clone() });
            let (a, mut c) = UnixStream::pair().unwrap();
            let (_d, b) = UnixStream::pair().unwrap();
            let mut bufs = [[0; 8]; 5];
            let (last, others) = bufs.split_last_mut().unwrap();
            let waiting: Vec<_> = others[..queued].iter_mut().map(|buf| rig.recv(&b, buf)).collect();
            let taken = rig.try_send(&a, b"x").unwrap();
            let (key, limit) = start(rig, &recv(&b, last), SHORT);
            let hangs = rig.after(PATIENCE);
            let res = loop {
                let deadline = rig.after(SHORT);
                rig.turn(Some(deadline), false);
                match rig.take(key) {
                    Some(c) => break c.res,
                    None => assert!(rig.now() < hangs.0, "{queued} before it: without a limit"),
                }
            };
            assert_eq!((res, rig.now() >= limit.0), (-libc::ETIMEDOUT, true), "{queued} before it");
            if taken {
                c.read_exact(&mut [0; 1]).unwrap();
            }
            for key in waiting {
                rig.cancel(key);
                assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
            }
        }
    });
}

#[test]
fn a_ring_without_linked_timeouts_leaves_limits_to_its_caller() {
    run(Kind::Uring(Mask::LINK_TIMEOUT), |rig| {
        refuses(rig);
        assert!(rig.describe().contains("link_timeout (masked)"), "{}", rig.describe());
    });
}

#[test]
fn a_limit_that_is_kept_costs_an_entry_more_and_no_completion() {
    run(Kind::Uring(Mask::NONE), |rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        for limited in [false, true] {
            let before = rig.counters();
            for _ in 0..50 {
                let key =
                    if limited { start(rig, &recv(&b, &mut buf), LONG).0 } else { rig.recv(&b, &mut buf) };
                rig.flush().unwrap();
                a.write_all(b"request").unwrap();
                while rig.take(key).is_none() {
                    rig.turn(None, false);
                }
            }
            let after = rig.counters();
            let more = if limited { 50 } else { 0 };
            // The park word's entry is armed once, by the first wait.
            assert!((50 + more..=51 + more).contains(&(after.sqes - before.sqes)));
            assert_eq!(after.cqes - before.cqes, 50);
        }
    });
}
