//! Unparks and deadlines.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::rig::Rig;

pub(crate) fn a_deadline_ends_the_wait(rig: &mut Rig) {
    for ms in [0, 1, 5, 30, 7] {
        let deadline = rig.after(Duration::from_millis(ms));
        while rig.now() < deadline.0 {
            rig.turn(Some(deadline), false);
        }
    }
    // Not a busy loop: about one wait each.
    assert!(rig.counters().syscalls < 40, "{:?}", rig.counters());
}

pub(crate) fn a_short_deadline_is_kept_precisely(rig: &mut Rig) {
    // An idle machine is late by 60 us. A busy one by any time, but now and then it is in time too; a clock of
    // milliseconds is off by 700 us whenever one looks.
    let mut in_time = 0;
    while in_time < 20 {
        let deadline = rig.after(Duration::from_micros(300));
        while rig.now() < deadline.0 {
            rig.turn(Some(deadline), false);
        }
        in_time += u32::from(rig.now().since(deadline.0) < Duration::from_micros(600));
    }
}

pub(crate) fn an_earlier_deadline_after_a_later_one(rig: &mut Rig) {
    let later = rig.after(Duration::from_secs(300));
    let unpark = rig.unpark.clone();
    let park = rig.park.clone();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        park.unpark(&*unpark);
    });
    while !rig.turn(Some(later), false) {}
    thread.join().unwrap();
    let soon = rig.after(Duration::from_millis(20));
    while rig.now() < soon.0 {
        rig.turn(Some(soon), false);
    }
    assert!(rig.now() < later.0, "it slept until the deadline of the wait before");
}

pub(crate) fn an_unpark_before_the_park_is_not_lost(rig: &mut Rig) {
    for _ in 0..100 {
        rig.park.unpark(&*rig.unpark);
        assert!(rig.turn(None, false));
    }
}

pub(crate) fn an_unpark_between_begin_and_wait_is_not_lost(rig: &mut Rig) {
    for _ in 0..100 {
        assert!(rig.park.begin());
        rig.park.unpark(&*rig.unpark);
        let mut sink = |_, _| {};
        match &mut rig.driver {
            crate::rig::Any::Uring(d) => d.wait(None, false, &mut sink).unwrap(),
            crate::rig::Any::Epoll(d) => d.wait(None, false, &mut sink).unwrap(),
        };
        assert!(rig.park.end());
    }
}

pub(crate) fn an_unpark_ends_a_park(rig: &mut Rig) {
    let (asked, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (park, unpark) = (rig.park.clone(), rig.unpark.clone());
    let (a, s) = (asked.clone(), stop.clone());
    let waker = thread::spawn(move || {
        let mut seen = 0;
        while !s.load(Ordering::Acquire) {
            let now = a.load(Ordering::Acquire);
            if now != seen {
                seen = now;
                if now % 8 == 0 {
                    thread::sleep(Duration::from_micros(300));
                }
                park.unpark(&*unpark);
            }
            thread::yield_now();
        }
    });
    for round in 1..=400 {
        asked.store(round, Ordering::Release);
        while !rig.turn(None, false) {}
    }
    stop.store(true, Ordering::Release);
    waker.join().unwrap();
}

pub(crate) fn unparks_from_many_threads(rig: &mut Rig) {
    const EACH: u32 = 300;
    let count = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (park, unpark, count) = (rig.park.clone(), rig.unpark.clone(), count.clone());
            thread::spawn(move || {
                for i in 0..EACH {
                    count.fetch_add(1, Ordering::Release);
                    park.unpark(&*unpark);
                    if i % 16 == 0 {
                        thread::sleep(Duration::from_micros(200));
                    }
                }
            })
        })
        .collect();
    // Every token is seen after what came before it: the last one ends the loop.
    while count.load(Ordering::Acquire) < 8 * EACH {
        while !rig.turn(None, false) {}
    }
    threads.into_iter().for_each(|t| t.join().unwrap());
}

pub(crate) fn an_unpark_works_after_wakes_by_io(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let mut buf = [0; 4];
    for _ in 0..20 {
        let key = rig.recv(&b, &mut buf);
        rig.stays_pending(key, Duration::from_micros(100));
        a.write_all(b"x").unwrap();
        assert_eq!(rig.finish_op(key).res, 1);
        let (park, unpark) = (rig.park.clone(), rig.unpark.clone());
        let thread = thread::spawn(move || park.unpark(&*unpark));
        while !rig.turn(None, false) {}
        thread.join().unwrap();
    }
}

pub(crate) fn an_unparker_outlives_its_driver(rig: &mut Rig) {
    let (park, unpark) = (rig.park.clone(), rig.unpark.clone());
    rig.remake(rig.config.clone());
    let _ = park.begin();
    park.unpark(&*unpark);
}

pub(crate) fn a_host_sees_io_and_unparks_on_one_descriptor(rig: &mut Rig) {
    let (mut a, b) = UnixStream::pair().unwrap();
    let mut buf = [0; 4];
    for round in 0..20 {
        let key = rig.recv(&b, &mut buf);
        assert!(rig.park.begin());
        rig.arm_notify();
        rig.reap();
        rig.arm_notify();
        if round % 2 == 0 {
            assert!(!readable(rig.pollable(), 5) || rig.reap() == 0);
            let (park, unpark) = (rig.park.clone(), rig.unpark.clone());
            let thread = thread::spawn(move || park.unpark(&*unpark));
            assert!(readable(rig.pollable(), 300_000), "an unpark does not show");
            thread.join().unwrap();
            assert!(rig.park.end());
            rig.reap();
        } else {
            assert!(!rig.park.end());
        }
        assert!(rig.take(key).is_none());
        assert!(rig.park.begin());
        rig.arm_notify();
        rig.reap();
        a.write_all(b"x").unwrap();
        assert!(readable(rig.pollable(), 300_000), "data does not show");
        let _ = rig.park.end();
        rig.reap();
        assert_eq!(rig.take(key).map(|c| c.res), Some(1));
    }
}

fn readable(fd: i32, ms: i32) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one element, which outlives the call.
    unsafe { libc::poll(&raw mut poll, 1, ms) == 1 }
}

/// A burst makes the driver wait for several completions at once; that must not make it restless afterwards.
pub(crate) fn a_wait_after_a_burst_lasts(rig: &mut Rig) {
    let pairs: Vec<_> = (0..16).map(|_| UnixStream::pair().unwrap()).collect();
    let mut bufs = [[0; 4]; 16];
    for _ in 0..20 {
        let keys: Vec<_> = pairs.iter().zip(&mut bufs).map(|((_, b), buf)| rig.recv(b, buf)).collect();
        let _ = rig.flush();
        pairs.iter().for_each(|(a, _)| (&mut &*a).write_all(b"x").unwrap());
        keys.into_iter().for_each(|key| assert_eq!(rig.finish_op(key).res, 1));
    }
    let (park, unpark) = (rig.park.clone(), rig.unpark.clone());
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        park.unpark(&*unpark);
    });
    let mut turns = 0;
    while !rig.turn(None, false) {
        turns += 1;
    }
    thread.join().unwrap();
    assert!(turns < 10, "woken {turns} times with nothing to do");
}
