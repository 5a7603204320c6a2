//! Multishot receive: contents compared, buffers running out.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;

use ouzel_core::op::{Completion, Request};
use ouzel_os_fallback::DriverConfig;
use rustix::io::Errno;

use crate::rig::{Rig, errno, pattern, recv, run, run_with, tcp_pair};

fn small(buffers: u32, buffer_size: u32) -> DriverConfig {
    DriverConfig { buffers, buffer_size, ..DriverConfig::default() }
}

/// Receives to the end of the stream, starting again as the layer above does.
fn receive_all(rig: &mut Rig, fd: i32) -> Vec<u8> {
    let mut got = Vec::new();
    let mut key = rig.start(&Request::RecvMulti { fd });
    loop {
        let c = rig.completion(key);
        if c.buffer().is_some() {
            assert!(c.more());
            got.extend(rig.bytes(c));
        } else if c.res == 0 {
            return got;
        } else {
            assert_eq!(c, Completion::done(errno(Errno::NOBUFS)));
            key = rig.start(&Request::RecvMulti { fd });
        }
    }
}

#[test]
fn each_message_comes_in_a_buffer_until_the_end() {
    run(|rig| {
        let (mut a, b) = tcp_pair();
        let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        rig.stays_pending(key);
        for round in 0..100u8 {
            let message = vec![round; 1 + usize::from(round) * 7];
            a.write_all(&message).unwrap();
            let c = rig.completion(key);
            assert!(c.more());
            assert_eq!(rig.bytes(c), message);
        }
        drop(a);
        assert_eq!(rig.completion(key), Completion::done(0));
        assert_eq!(rig.driver.in_flight(), 0);
    });
}

#[test]
fn a_long_stream_passes_through_few_buffers() {
    run_with(small(4, 4096), |rig| {
        let (mut a, b) = tcp_pair();
        let data = pattern(3 << 20);
        let expected = data.clone();
        let writer = thread::spawn(move || a.write_all(&data).unwrap());
        assert!(receive_all(rig, b.as_raw_fd()) == expected, "the bytes differ");
        writer.join().unwrap();
    });
}

#[test]
fn without_buffers_it_ends_and_loses_nothing() {
    run_with(small(2, 64), |rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let data = pattern(64 * 5);
        a.write_all(&data).unwrap();
        let fd = b.as_raw_fd();
        let key = rig.start(&Request::RecvMulti { fd });
        let held = [rig.completion(key), rig.completion(key)];
        assert_eq!(rig.completion(key), Completion::done(errno(Errno::NOBUFS)));
        // Still none: the next one ends at once, and leaves the stream alone.
        assert_eq!(rig.result(&Request::RecvMulti { fd }), errno(Errno::NOBUFS));
        let mut got: Vec<u8> = held.into_iter().flat_map(|c| rig.bytes(c)).collect();
        drop(a);
        got.extend(receive_all(rig, fd));
        assert!(got == data, "{} bytes of {}", got.len(), data.len());
    });
}

#[test]
fn a_cancel_ends_it_after_what_it_has_received() {
    run(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        rig.stays_pending(key);
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));

        a.write_all(b"early").unwrap();
        let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        rig.driver.cancel(key);
        let c = rig.completion(key);
        assert_eq!(rig.bytes(c), b"early");
        assert_eq!(rig.completion(key), Completion::done(errno(Errno::CANCELED)));
        a.write_all(b"late").unwrap();
        assert_eq!(rig.result(&recv(&b, &mut [0; 8])), 4);
    });
}

#[test]
fn one_stream_does_not_take_every_buffer_in_one_turn() {
    run_with(small(16, 64), |rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        rig.stays_pending(key);
        a.write_all(&pattern(64 * 100)).unwrap();
        let mut got = Vec::new();
        while got.len() < 64 * 100 {
            // Given back each turn, they last.
            let c = rig.completion(key);
            got.extend(rig.bytes(c));
        }
        assert!(got == pattern(64 * 100), "the bytes differ");
    });
}

#[test]
fn waiting_holds_no_buffer() {
    run_with(small(2, 64), |rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        for _ in 0..10 {
            let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
            assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
        }
        let key = rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        a.write_all(&pattern(100)).unwrap();
        let mut got = Vec::new();
        while got.len() < 100 {
            let c = rig.completion(key);
            got.extend(rig.bytes(c));
        }
        assert!(got == pattern(100), "the bytes differ");
    });
}
