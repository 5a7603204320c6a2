//! Bytes that move through a pipe without being seen: between streams, which are waited for, and from and to files.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ouzel_core::op::{AT_POSITION, Request};

use crate::files::{TempDir, pipe};
use crate::rig::{Rig, pattern};
use crate::sockets::tcp_pair;

fn splice(from: &impl AsRawFd, to: &impl AsRawFd, len: usize, for_room: bool) -> Request {
    Request::Splice {
        from: from.as_raw_fd(),
        from_offset: AT_POSITION,
        to: to.as_raw_fd(),
        to_offset: AT_POSITION,
        len: len as u32,
        for_room,
    }
}

pub(crate) fn a_splice_waits_for_bytes_and_tells_the_end(rig: &mut Rig) {
    let (mut a, b) = tcp_pair();
    b.set_nonblocking(true).unwrap();
    rig.opened(&b);
    let (r, w) = pipe(libc::O_NONBLOCK);
    let mut out = File::from(r);
    let mut got = [0; 16];
    for round in 0..5u8 {
        let key = rig.start(&splice(&b, &w, 16, false));
        rig.stays_pending(key, Duration::from_millis(5));
        a.write_all(&[round, 1, 2]).unwrap();
        assert_eq!(rig.finish_op(key).res, 3);
        assert_eq!(out.read(&mut got).unwrap(), 3);
        assert_eq!(got[0], round);
    }
    drop(a);
    assert_eq!(rig.result(&splice(&b, &w, 16, false)), 0);
}

pub(crate) fn a_splice_waits_for_room(rig: &mut Rig) {
    let (a, mut b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    rig.opened(&a);
    let (r, w) = pipe(libc::O_NONBLOCK);
    let mut fill = File::from(w);
    let data = pattern(4 << 20);
    let (mut piped, mut waited) = (0, false);
    let reader = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        let mut got = Vec::new();
        b.read_to_end(&mut got).unwrap();
        got
    });
    while piped < data.len() {
        let mut left = fill.write(&data[piped..(piped + 60_000).min(data.len())]).unwrap();
        piped += left;
        while left > 0 {
            let key = rig.start(&splice(&r, &a, left, true));
            waited |= rig.in_flight() > 0;
            let moved = rig.finish_op(key).res;
            assert!(moved > 0 && moved as usize <= left, "{moved}");
            left -= moved as usize;
        }
    }
    drop(a);
    assert!(waited, "it never had to wait");
    assert!(reader.join().unwrap() == data, "not what was sent");
}

pub(crate) fn a_splice_is_cancelled_in_flight_and_takes_nothing(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    b.set_nonblocking(true).unwrap();
    rig.opened(&b);
    let (r, w) = pipe(libc::O_NONBLOCK);
    let key = rig.start(&splice(&b, &w, 16, false));
    rig.stays_pending(key, Duration::from_millis(5));
    rig.cancel(key);
    assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    a.write_all(b"x").unwrap();
    assert_eq!(rig.result(&splice(&b, &w, 16, false)), 1);
    let mut got = [0; 4];
    assert_eq!(File::from(r).read(&mut got).unwrap(), 1);
}

pub(crate) fn a_splice_without_a_pipe_or_a_descriptor_fails(rig: &mut Rig) {
    let (a, b) = UnixStream::pair().unwrap();
    assert_eq!(rig.result(&splice(&a, &b, 16, false)), -libc::EINVAL);
    assert_eq!(rig.result(&splice(&1_000_000, &b, 16, false)), -libc::EBADF);
    let (r, w) = pipe(libc::O_NONBLOCK);
    drop(b);
    File::from(w).write_all(b"abc").unwrap();
    assert_eq!(rig.result(&splice(&r, &a, 3, true)), -libc::EPIPE);
}

pub(crate) fn a_file_is_spliced_at_an_offset(rig: &mut Rig) {
    let dir = TempDir::new();
    let data = pattern(100_000);
    let at_path = |name| PathBuf::from(dir.path(name).into_string().unwrap());
    let (from, to) = (at_path("from"), at_path("to"));
    std::fs::write(&from, &data).unwrap();
    let (source, target) = (File::open(&from).unwrap(), File::create(&to).unwrap());
    let (r, w) = pipe(libc::O_NONBLOCK);
    let mut at = 1000u64;
    while at < data.len() as u64 {
        let take = Request::Splice {
            from: source.as_raw_fd(),
            from_offset: at,
            to: w.as_raw_fd(),
            to_offset: AT_POSITION,
            len: 50_000,
            for_room: false,
        };
        let mut left = rig.result(&take);
        assert!(left > 0, "{left}");
        while left > 0 {
            let put = Request::Splice {
                from: r.as_raw_fd(),
                from_offset: AT_POSITION,
                to: target.as_raw_fd(),
                to_offset: at - 1000,
                len: left as u32,
                for_room: false,
            };
            let moved = rig.result(&put);
            assert!(moved > 0, "{moved}");
            left -= moved;
            at += moved as u64;
        }
    }
    assert!(std::fs::read(&to).unwrap() == data[1000..], "not what the file holds");
}
