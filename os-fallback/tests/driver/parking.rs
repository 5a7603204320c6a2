//! Sleeping, waking, and the descriptor of a host.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::rig::{Rig, WHILE, recv, run};

#[test]
fn a_deadline_ends_the_park_and_not_before() {
    run(|rig| {
        for ms in [0, 1, 5, 30, 7] {
            let deadline = rig.after(Duration::from_millis(ms));
            while rig.driver.now() < deadline.unwrap().0 {
                assert!(!rig.turn(deadline));
            }
        }
        // A sleep, not a busy loop.
        assert!(rig.driver.counters().waits < 40, "{:?}", rig.driver.counters());
    });
}

#[test]
fn a_later_deadline_does_not_hold_up_an_earlier_one() {
    run(|rig| {
        rig.park.unpark(&*rig.unpark);
        assert!(rig.turn(rig.after(Duration::from_secs(3600))));
        let soon = rig.after(WHILE);
        while rig.driver.now() < soon.unwrap().0 {
            rig.turn(soon);
        }
    });
}

#[test]
fn an_unpark_before_the_park_is_not_lost() {
    run(|rig| {
        for _ in 0..100 {
            rig.park.unpark(&*rig.unpark);
            assert!(rig.turn(None));
        }
        assert_eq!(rig.driver.counters().waits, 0, "it never slept");
    });
}

#[test]
fn an_unpark_between_announcement_and_sleep_is_not_lost() {
    run(|rig| {
        for _ in 0..100 {
            assert!(rig.park.begin());
            rig.park.unpark(&*rig.unpark);
            rig.wait(None);
            assert!(rig.park.end());
        }
    });
}

#[test]
fn unparks_from_many_threads_are_not_lost() {
    const EACH: u32 = 300;
    run(|rig| {
        let count = Arc::new(AtomicU32::new(0));
        let wakers: Vec<_> = (0..4)
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
        // A token is left after what it tells of: the last one ends the loop.
        while count.load(Ordering::Acquire) < 4 * EACH {
            while !rig.turn(None) {}
        }
        wakers.into_iter().for_each(|w| w.join().unwrap());
    });
}

#[test]
fn an_unpark_ends_a_park_that_waits_for_io() {
    run(|rig| {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 4];
        for _ in 0..50 {
            let key = rig.start(&recv(&b, &mut buf));
            let (park, unpark) = (rig.park.clone(), rig.unpark.clone());
            let waker = thread::spawn(move || park.unpark(&*unpark));
            while !rig.turn(None) {}
            waker.join().unwrap();
            assert!(rig.take(key).is_none());
            a.write_all(b"x").unwrap();
            assert_eq!(rig.completion(key).res, 1);
        }
    });
}

#[test]
fn a_wait_without_an_announcement_does_not_sleep() {
    run(|rig| {
        assert_eq!(rig.wait(None), 0);
        assert_eq!(rig.driver.counters().waits, 0);
    });
}

#[test]
fn an_unparker_outlives_its_driver() {
    let (park, unpark) = {
        let park = Arc::new(ouzel_core::park::ParkWord::new());
        let driver = ouzel_os_fallback::PollDriver::new(&Default::default(), park.clone()).unwrap();
        (park, driver.unparker())
    };
    assert!(park.begin());
    park.unpark(&*unpark);
}

fn is_readable(rig: &Rig, limit: Duration) -> bool {
    let fd = rig.driver.pollable().unwrap();
    // SAFETY: the driver, and so its descriptor, lives on.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let limit = Timespec::try_from(limit).unwrap();
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&limit))).unwrap() == 1
}

#[test]
fn a_host_sees_unparks_and_io_on_one_descriptor() {
    run(|rig| {
        if rig.driver.pollable().is_none() {
            return;
        }
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = [0; 4];
        for _ in 0..10 {
            let key = rig.start(&recv(&b, &mut buf));
            assert!(rig.park.begin());
            rig.driver.arm_notify();
            assert!(!is_readable(rig, WHILE), "nothing has happened");
            rig.park.unpark(&*rig.unpark);
            assert!(is_readable(rig, Duration::from_secs(300)), "an unpark does not show");
            assert!(rig.park.end());
            assert_eq!(rig.reap(), 0);

            assert!(rig.park.begin());
            rig.driver.arm_notify();
            assert!(!is_readable(rig, WHILE), "the unpark was taken");
            a.write_all(b"x").unwrap();
            assert!(is_readable(rig, Duration::from_secs(300)), "data does not show");
            assert!(!rig.park.end());
            assert_eq!(rig.reap(), 1);
            assert_eq!(rig.take(key).unwrap().res, 1);
        }
    });
}
