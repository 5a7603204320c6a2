//! What one driver alone promises.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use io_uring::opcode;
use io_uring::register::Restriction;
use io_uring::squeue::Flags;
use ouzel_core::driver::{Deadline, Errno};
use ouzel_core::op::Request;
use ouzel_core::park::ParkWord;
use ouzel_os_linux::fork::FORKED;
use ouzel_os_linux::{DriverConfig, Mask, UringDriver};

use crate::copies::{fill, pair};
use crate::rig::{Any, Kind, Rig, pattern, recv, run};
use crate::sockets::{send_req, tcp_pair};

#[test]
fn a_masked_ring_is_refused_with_enosys() {
    let config = DriverConfig { mask: Mask::URING, ..DriverConfig::default() };
    let made = UringDriver::new(&config, Arc::new(ParkWord::new()));
    assert_eq!(made.map(|_| ()), Err(Errno(libc::ENOSYS)));
}

#[test]
fn a_ring_made_on_one_thread_is_used_on_the_one_it_is_bound_to() {
    for mask in [Mask::NONE, Mask::SINGLE_ISSUER, Mask::DEFER_TASKRUN, Mask::RING_FD, Mask::FUTEX_WAIT] {
        let config = DriverConfig { mask, ..DriverConfig::default() };
        let park = Arc::new(ParkWord::new());
        let mut driver = UringDriver::unbound(&config, park.clone()).unwrap();
        let waited = driver.wait(Some(Deadline(driver.now())), false, &mut |_, _| {});
        let one_issuer = mask != Mask::SINGLE_ISSUER;
        assert_eq!(waited.map(drop), if one_issuer { Err(Errno(libc::EBADFD)) } else { Ok(()) }, "{mask:?}");
        // One that is never bound.
        drop(UringDriver::unbound(&config, park.clone()).unwrap());
        let (mut a, b) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            driver.bind().unwrap();
            assert_eq!(driver.description().to_string().contains("ring_fd (masked)"), mask == Mask::RING_FD);
            assert_eq!(driver.bind(), Err(Errno(libc::EBADFD)), "a second time, {mask:?}");
            let mut rig = Rig::of(Any::Uring(driver), park, config);
            let mut buf = [0; 8];
            let key = rig.recv(&b, &mut buf);
            rig.stays_pending(key, Duration::from_millis(2));
            a.write_all(b"late").unwrap();
            assert_eq!((rig.finish_op(key).res, &buf[..4]), (4, &b"late"[..]));
            rig.finish();
        });
        thread.join().unwrap();
    }
}

#[test]
fn the_description_says_what_was_chosen_and_why() {
    run(Kind::Uring(Mask::FUTEX_WAIT), |rig| {
        let text = rig.describe();
        assert!(text.contains("unpark by eventfd") && text.contains("futex_wait (masked)"), "{text}");
    });
    run(Kind::Epoll(Mask::PWAIT2), |rig| assert!(rig.describe().contains("timerfd"), "{}", rig.describe()));
}

/// What one request costs on a connection: from one receive to the next.
fn echo_costs(rig: &mut Rig) -> [u64; 4] {
    const ROUNDS: u64 = 50;
    let (mut a, b) = tcp_pair();
    let mut buf = [0; 64];
    let mut before = rig.counters();
    for round in 0..ROUNDS + 5 {
        if round == 5 {
            before = rig.counters();
        }
        let key = rig.recv(&b, &mut buf);
        // The client writes while the server is on its way to sleep.
        a.write_all(b"request").unwrap();
        while rig.take(key).is_none() {
            rig.turn(None, false);
        }
        let reply = rig.send(&b, b"reply", true);
        let _ = rig.flush();
        a.read_exact(&mut buf[..5]).unwrap();
        let _ = rig.take(reply);
    }
    let after = rig.counters();
    let per = |a: u64, b: u64| (a - b + ROUNDS / 2) / ROUNDS;
    [
        per(after.syscalls, before.syscalls),
        per(after.sqes, before.sqes),
        per(after.cqes, before.cqes),
        per(after.ctl, before.ctl),
    ]
}

#[test]
fn a_reply_costs_one_entry_and_no_completion() {
    // Two calls, because the test flushes the reply by itself.
    run(Kind::Uring(Mask::NONE), |rig| assert_eq!(echo_costs(rig), [2, 2, 1, 0]));
}

#[test]
fn epoll_makes_three_calls_per_request_and_registers_once() {
    run(Kind::Epoll(Mask::NONE), |rig| assert_eq!(echo_costs(rig), [3, 0, 0, 0]));
}

#[test]
fn epoll_gives_a_few_their_turn_and_asks_again_after_the_last() {
    run(Kind::Epoll(Mask::NONE), |rig| {
        let mut pairs: Vec<_> = (0..40).map(|_| tcp_pair()).collect();
        for (_, b) in &pairs {
            rig.opened(b);
            rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        }
        // Nothing is there yet: all are registered.
        (0..5).for_each(|_| assert_eq!(rig.reap(), 0));
        for round in 0..2 {
            pairs.iter_mut().for_each(|(a, _)| a.write_all(b"x").unwrap());
            // A look at the kernel is one call, a receive another.
            for (turns, calls) in [(16, 17), (16, 16), (8, 9)] {
                let before = rig.counters().syscalls;
                assert_eq!(rig.reap(), turns);
                // In the first round each descriptor is asked what it is.
                let asked = if round == 0 { turns as u64 } else { 0 };
                assert_eq!(rig.counters().syscalls - before, calls + asked);
            }
            for (_, completion) in std::mem::take(&mut rig.done) {
                assert_eq!(rig.bytes(completion), b"x");
            }
        }
    });
}

#[test]
fn epoll_fills_a_few_buffers_and_lets_the_task_say_where_the_rest_belongs() {
    run(Kind::Epoll(Mask::NONE), |rig| {
        rig.remake(DriverConfig { buffers: 16, buffer_size: 64, ..rig.config.clone() });
        let (mut a, b) = UnixStream::pair().unwrap();
        let sent = pattern(10 * 64);
        rig.start(&Request::RecvMulti { fd: b.as_raw_fd() });
        (0..3).for_each(|_| assert_eq!(rig.reap(), 0));
        a.write_all(&sent).unwrap();
        let (mut turns, mut got) = (Vec::new(), Vec::new());
        while got.len() < sent.len() {
            turns.push(rig.reap());
            for (_, completion) in std::mem::take(&mut rig.done) {
                got.extend(rig.bytes(completion));
            }
        }
        turns.retain(|count| *count > 0);
        // A look at the kernel is between two turns.
        assert!(turns == [4, 6] && got == sent, "{turns:?}");
    });
}

#[test]
fn epoll_tries_nothing_that_was_tried_in_vain() {
    run(Kind::Epoll(Mask::NONE), |rig| {
        let (a, b) = UnixDatagram::pair().unwrap();
        let mut byte = [0];
        let mut calls_of_a_receive = |rig: &mut Rig, round: u8| {
            tried_in_vain(rig, &b);
            let before = rig.counters().syscalls;
            let key = rig.recv(&b, &mut byte);
            let calls = rig.counters().syscalls - before;
            a.send(&[round]).unwrap();
            assert_eq!((rig.finish_op(key).res, byte[0]), (1, round));
            calls
        };
        // At first no event would tell, so it is tried and registered.
        assert_eq!(calls_of_a_receive(rig, 1), 2);
        assert_eq!([calls_of_a_receive(rig, 2), calls_of_a_receive(rig, 3)], [0, 0]);
    });
}

fn tried_in_vain(rig: &mut Rig, socket: &UnixDatagram) {
    let Any::Epoll(driver) = &mut rig.driver else { panic!("not an epoll") };
    driver.tried_in_vain(socket.as_raw_fd(), false);
}

#[test]
fn epoll_asks_once_before_it_waits_for_readiness() {
    run(Kind::Epoll(Mask::NONE), |rig| {
        let (mut a, b) = tcp_pair();
        let mut byte = [0];
        let mut before = rig.counters();
        for round in 0..55 {
            if round == 5 {
                before = rig.counters();
            }
            let key = rig.start(&Request::Poll { fd: b.as_raw_fd(), writing: false });
            assert!(rig.take(key).is_none(), "nothing was sent yet");
            a.write_all(b"x").unwrap();
            while rig.take(key).is_none() {
                rig.turn(None, false);
            }
            (&b).read_exact(&mut byte).unwrap();
        }
        let after = rig.counters();
        // The question, and the wait; the event is the answer.
        assert_eq!((after.syscalls - before.syscalls, after.ctl - before.ctl), (2 * 50, 0));
    });
}

#[test]
fn epoll_lets_go_of_a_descriptor_nobody_waits_for() {
    run(Kind::Epoll(Mask::NONE), |rig| {
        let (mut a, b) = tcp_pair();
        let mut buf = [0; 64];
        let key = rig.recv(&b, &mut buf);
        a.write_all(b"x").unwrap();
        assert_eq!(rig.finish_op(key).res, 1);
        let ctl = rig.counters().ctl;
        for _ in 0..6 {
            a.write_all(b"x").unwrap();
            rig.turn(Some(rig.after(Duration::from_millis(2))), false);
        }
        assert_eq!(rig.counters().ctl, ctl + 1, "unregistered once, and no events after that");
        assert_eq!(rig.result(&recv(&b, &mut buf)), 6);
        let key = rig.recv(&b, &mut buf);
        rig.stays_pending(key, Duration::from_millis(2));
        a.write_all(b"y").unwrap();
        assert_eq!(rig.finish_op(key).res, 1);
    });
}

#[test]
fn an_idle_ring_is_reaped_without_a_system_call() {
    run(Kind::Uring(Mask::NONE), |rig| {
        let (mut a, b) = tcp_pair();
        let mut buf = [0; 8];
        let key = rig.recv(&b, &mut buf);
        rig.reap();
        let before = rig.counters().syscalls;
        for _ in 0..100 {
            rig.reap();
        }
        assert_eq!(rig.counters().syscalls, before);
        a.write_all(b"x").unwrap();
        while rig.take(key).is_none() {
            rig.reap();
        }
        assert_eq!(rig.counters().syscalls, before + 1);
    });
}

/// A ring with four entries that takes sends alone, and of those the ones that only report failures. At any other, which is
/// refused, a submission ends and leaves the rest in the queue, as it does where memory is short.
fn quiet_ring() -> Rig {
    const REGISTER_RESTRICTIONS: u32 = 11;
    let config = DriverConfig { entries: 4, mask: Mask::SUBMIT_ALL, ..DriverConfig::default() };
    let park = Arc::new(ParkWord::new());
    let mut driver = UringDriver::unbound(&config, park.clone()).unwrap();
    let told = format!("{driver:?}");
    let fd = told.split_once("fd: ").and_then(|(_, told)| told.split_once(',')).unwrap().0;
    let fd: i32 = fd.parse().unwrap();
    let quiet = Flags::SKIP_SUCCESS.bits();
    let mut only = [Restriction::sqe_op(opcode::Send::CODE), Restriction::sqe_flags_required(quiet)];
    let (at, count) = (only.as_mut_ptr(), only.len());
    // SAFETY: `at` points to so many restrictions, which outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RESTRICTIONS, at, count) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    driver.bind().unwrap();
    Rig::of(Any::Uring(driver), park, config)
}

#[test]
fn a_send_that_fails_while_a_lone_completion_is_handled_is_not_called_sent() {
    run(Kind::Uring(Mask::NONE), |rig| {
        rig.finish();
        *rig = quiet_ring();
        let ((a, _b), (broken, end)) = (pair(), pair());
        drop(end);
        // First in the queue is the rest of a copy, which this ring refuses; in line behind it is more than the queue holds.
        fill(rig, &a);
        let line: Vec<_> = (0..5).map(|_| rig.send(&a, b"behind", false)).collect();
        let lazy = rig.send(&broken, b"lost", true);
        assert_eq!(rig.try_send(&broken, b"lost, too"), Ok(true));
        let before = rig.counters();
        rig.turn(None, false);
        let after = rig.counters();
        // The submission ends at the rest, whose completion is the only one. What begins then makes room in the queue: both sends
        // are given to the kernel, and fail, after the ring was looked at.
        assert_eq!(after.waits - before.waits, 1);
        assert!(after.enters - before.enters > 1, "nothing was entered while the rest was handled");
        assert_eq!(rig.take(lazy).map(|c| c.res), Some(-libc::EPIPE));
        assert_eq!(rig.try_send(&broken, b"x"), Err(Errno(libc::EPIPE)));
        assert_eq!(rig.try_send(&a, b"x"), Err(Errno(libc::EACCES)));
        line.into_iter().for_each(|key| assert_eq!(rig.finish_op(key).res, -libc::EACCES));
        assert_eq!(rig.in_flight(), 0);
    });
}

#[test]
fn a_forked_child_is_told() {
    for kind in [Kind::Uring(Mask::NONE), Kind::Epoll(Mask::NONE)] {
        run(kind, |rig| {
            let (mut a, b) = tcp_pair();
            let mut buf = [0; 8];
            let key = rig.recv(&b, &mut buf);
            rig.turn(Some(rig.after(Duration::from_millis(1))), false);
            // SAFETY: the child calls the driver, which refuses, and exits.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let refused = rig.submit(&send_req(&b, b"no")).1;
                let submit = matches!(refused, ouzel_core::op::Submitted::Done(c) if c.res == -FORKED.0);
                let mut sink = |_, _| {};
                let wait = match &mut rig.driver {
                    crate::rig::Any::Uring(d) => d.wait(None, false, &mut sink),
                    crate::rig::Any::Epoll(d) => d.wait(None, false, &mut sink),
                };
                // SAFETY: ends the child without running the parent's destructors.
                unsafe { libc::_exit(i32::from(!(submit && wait == Err(FORKED)))) };
            }
            let mut status = 0;
            // SAFETY: `status` is writable and outlives the call.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_eq!(status, 0);
            a.write_all(b"parent").unwrap();
            assert_eq!(rig.finish_op(key).res, 6);
        });
    }
}

#[test]
fn operations_never_collide_with_the_drivers_own_numbers() {
    run(Kind::Uring(Mask::NONE), |rig| {
        for _ in 0..1000 {
            assert_eq!(rig.result(&Request::Nop), 0);
        }
    });
}
