//! What the poller is told, descriptor numbers used again, the driver's end.

use std::collections::HashSet;
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

use ouzel_core::op::{Completion, Request, Submitted};
use rustix::io::Errno;

use crate::rig::{errno, recv, run};

#[test]
fn waiting_again_in_the_same_turn_costs_one_change() {
    run(|rig| {
        let (_quiet, other) = UnixStream::pair().unwrap();
        let (mut other_buf, mut buf) = ([0; 4], [0; 4]);
        rig.start(&recv(&other, &mut other_buf));
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut key = rig.start(&recv(&b, &mut buf));
        for round in 1..=20 {
            rig.stays_pending(key);
            assert_eq!(rig.driver.counters().ctl, 1 + round);
            a.write_all(b"x").unwrap();
            assert_eq!(rig.completion(key).res, 1);
            // A look in between, as a worker with much to do takes, changes nothing.
            rig.reap();
            key = rig.start(&recv(&b, &mut buf));
        }
    });
}

#[test]
fn a_descriptor_nobody_waits_on_leaves_the_poller() {
    run(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 4];
        let key = rig.start(&recv(&b, &mut buf));
        a.write_all(b"x").unwrap();
        assert_eq!(rig.completion(key).res, 1);
        rig.turn(rig.after(crate::rig::WHILE));
        let ctl = rig.driver.counters().ctl;
        a.write_all(b"y").unwrap();
        rig.turn(rig.after(crate::rig::WHILE));
        assert_eq!((ctl, rig.driver.counters().ctl), (2, 2), "in and out, and nothing since");
        assert_eq!(rig.reap(), 0);
    });
}

#[test]
fn an_idle_driver_is_reaped_without_a_system_call() {
    run(|rig| {
        let before = rig.driver.counters().syscalls;
        (0..100).for_each(|_| assert_eq!(rig.reap(), 0));
        assert_eq!(rig.driver.counters().syscalls, before);
    });
}

/// The number is used again after a receive, and after one that was cancelled: without a park between
/// the driver still believes the old registration.
#[test]
fn a_number_closed_elsewhere_is_used_again() {
    run(|rig| {
        // Other tests of the process open and close, too: in the end a number comes again all the same.
        let (mut numbers, mut came_again) = (HashSet::new(), 0);
        for round in (0..=u8::MAX).cycle() {
            let (mut a, b) = UnixStream::pair().unwrap();
            came_again += u32::from(!numbers.insert(b.as_raw_fd()));
            let mut buf = [0; 8];
            let key = rig.start(&recv(&b, &mut buf));
            rig.stays_pending(key);
            a.write_all(&[round]).unwrap();
            assert_eq!((rig.completion(key).res, buf[0]), (1, round));
            if round % 2 == 0 {
                let key = rig.start(&recv(&b, &mut buf));
                rig.stays_pending(key);
                rig.driver.cancel(key);
            }
            if came_again == 10 {
                return;
            }
        }
    });
}

/// A duplicate keeps the old file, and with it the registration, alive in some pollers.
#[test]
fn a_number_used_again_while_a_duplicate_lives_is_a_new_stream() {
    run(|rig| {
        let (mut old, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        let key = rig.start(&recv(&b, &mut buf));
        rig.stays_pending(key);
        rig.driver.cancel(key);
        rig.reap();
        let number = b.as_raw_fd();
        let duplicate = b.try_clone().unwrap();
        drop(b);
        // The old stream becomes ready before the driver has slept again.
        old.write_all(b"old").unwrap();
        let pairs: Vec<_> = (0..8).map(|_| UnixStream::pair().unwrap()).collect();
        let reused = pairs.iter().find(|(_, fresh)| fresh.as_raw_fd() == number);
        if let Some((writer, fresh)) = reused {
            let key = rig.start(&recv(fresh, &mut buf));
            rig.stays_pending(key);
            (&mut &*writer).write_all(b"fresh").unwrap();
            assert_eq!(rig.completion(key).res, 5);
            assert_eq!(&buf[..5], b"fresh");
        }
        assert_eq!(rig.result(&recv(&duplicate, &mut buf)), 3);
    });
}

#[test]
fn a_close_ends_what_waits_on_the_descriptor() {
    run(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let fd = b.into_raw_fd();
        let mut buf = [0; 8];
        let req = Request::Recv { fd, buf: buf.as_mut_ptr(), len: 8, flags: 0 };
        let key = rig.start(&req);
        rig.stays_pending(key);
        assert_eq!(rig.result(&Request::Close { fd }), 0);
        assert_eq!(rig.completion(key).res, errno(Errno::CANCELED));
        assert_eq!(rig.result(&Request::Close { fd }), errno(Errno::BADF));
        assert!(a.write_all(b"x").is_err(), "the descriptor is closed");
    });
}

#[test]
fn the_drivers_shutdown_ends_everything_once() {
    run(|rig| {
        let (_a, b) = UnixStream::pair().unwrap();
        let mut bufs = vec![[0u8; 4]; 300];
        let mut keys: Vec<_> = bufs.iter_mut().map(|buf| rig.start(&recv(&b, buf))).collect();
        rig.turn(rig.after(crate::rig::WHILE));
        let (_c, d) = UnixStream::pair().unwrap();
        keys.push(rig.start(&Request::RecvMulti { fd: d.as_raw_fd() }));
        assert_eq!(rig.driver.in_flight(), 301);
        rig.shut_down();
        assert_eq!(rig.done.len(), 301);
        for key in keys {
            assert_eq!(rig.take(key), Some(Completion::done(errno(Errno::CANCELED))));
        }
        let refused = Submitted::Done(Completion::done(errno(Errno::CANCELED)));
        assert_eq!(rig.submit(&Request::Nop).1, refused);
        rig.shut_down();
    });
}

#[test]
fn a_thousand_operations_with_few_events_at_once() {
    let config = ouzel_os_fallback::DriverConfig { entries: 2, ..Default::default() };
    crate::rig::run_with(config, |rig| {
        let mut pairs: Vec<_> = (0..100).map(|_| UnixStream::pair().unwrap()).collect();
        let mut bytes = vec![[0u8; 1]; 1000];
        let mut keys = Vec::new();
        for (i, byte) in bytes.iter_mut().enumerate() {
            keys.push(rig.start(&recv(&pairs[i % 100].1, byte)));
        }
        for (i, (a, _)) in pairs.iter_mut().enumerate() {
            let all: Vec<u8> = (0..10).map(|n| (i * 10 + n) as u8).collect();
            a.write_all(&all).unwrap();
        }
        for (i, key) in keys.into_iter().enumerate() {
            assert_eq!(rig.completion(key).res, 1);
            assert_eq!(bytes[i][0], ((i % 100) * 10 + i / 100) as u8);
        }
        assert_eq!(rig.driver.in_flight(), 0);
    });
}

#[test]
fn it_says_what_it_is() {
    run(|rig| {
        assert_eq!(rig.driver.name(), "poll");
        assert!(rig.driver.description().contains("one-shot"), "{}", rig.driver.description());
    });
}
