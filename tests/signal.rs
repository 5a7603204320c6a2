//! Signals on every driver. Each test has signals of its own, since all run in one process.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use ouzel::signal::ctrl_c;
use ouzel::signal::unix::{Signal, SignalKind, signal};
use ouzel::time::{sleep, timeout};
use ouzel_tests::{on_each, until, watchdog};

fn raise(kind: SignalKind) {
    let this = std::process::id().cast_signed();
    // SAFETY: the signal is caught.
    assert_eq!(unsafe { libc::kill(this, kind.as_raw_value()) }, 0);
}

/// Polls `future` once and reports whether it waits.
async fn waits<F: Future>(future: &mut std::pin::Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Signals of one kind that are told until none comes for a while.
async fn count(signals: &mut Signal) -> usize {
    let mut n = 0;
    while timeout(Duration::from_millis(50), signals.recv()).await.is_ok() {
        n += 1;
    }
    n
}

#[test]
fn a_signal_is_really_waited_for() {
    on_each(|setup| {
        setup.run(async move {
            let kind = SignalKind::user_defined1();
            let mut signals = signal(kind).unwrap();
            for _ in 0..3 {
                let mut recv = pin!(signals.recv());
                assert!(waits(&mut recv).await, "none was sent");
                let sender = std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(2));
                    raise(kind);
                });
                recv.await;
                sender.join().unwrap();
            }
        });
    });
}

#[test]
fn every_listener_hears_it_on_whatever_runtime() {
    on_each(|setup| {
        let kind = SignalKind::user_defined2();
        let mut outside = signal(kind).unwrap();
        let elsewhere = std::thread::spawn(move || {
            let mut other = signal(kind).unwrap();
            let (ready, begun) = std::sync::mpsc::channel();
            let waiting = std::thread::spawn(move || {
                setup.local().block_on(async {
                    let mut recv = pin!(other.recv());
                    assert!(waits(&mut recv).await);
                    ready.send(()).unwrap();
                    recv.await;
                });
            });
            begun.recv().unwrap();
            waiting
        });
        let waiting = elsewhere.join().unwrap();
        setup.run(async move {
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let mut signals = signal(kind).unwrap();
                    setup.spawn(async move { signals.recv().await })
                })
                .collect();
            raise(kind);
            for task in tasks {
                task.await.unwrap();
            }
            outside.recv().await;
        });
        waiting.join().unwrap();
    });
}

#[test]
fn many_at_once_are_told_at_least_once_and_no_more_often_than_sent() {
    on_each(|setup| {
        setup.run(async {
            let kind = SignalKind::window_change();
            let mut signals = signal(kind).unwrap();
            for _ in 0..5 {
                raise(kind);
            }
            signals.recv().await;
            assert!(count(&mut signals).await < 5);
        });
    });
}

#[test]
fn a_recv_that_is_dropped_loses_nothing() {
    on_each(|setup| {
        setup.run(async {
            let kind = SignalKind::hangup();
            let mut signals = signal(kind).unwrap();
            assert!(timeout(Duration::from_millis(2), signals.recv()).await.is_err());
            raise(kind);
            sleep(Duration::from_millis(2)).await;
            signals.recv().await;
            // One that was never received does not disturb those after it.
            raise(kind);
            drop(signals);
            let mut signals = signal(kind).unwrap();
            count(&mut signals).await;
            raise(kind);
            signals.recv().await;
        });
    });
}

#[test]
fn ctrl_c_is_awaited_again_and_again() {
    on_each(|setup| {
        setup.run(async {
            for _ in 0..2 {
                let mut pressed = pin!(ctrl_c());
                assert!(waits(&mut pressed).await);
                raise(SignalKind::interrupt());
                pressed.await.unwrap();
            }
        });
    });
}

#[test]
fn what_cannot_be_caught_is_refused() {
    let fatal = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS];
    for number in [0, -1, 127, 128, i32::MAX, i32::MIN].into_iter().chain(fatal) {
        let refused = signal(SignalKind::from_raw(number)).map_err(|e| e.kind());
        assert_eq!(refused.err(), Some(io::ErrorKind::InvalidInput), "signal {number}");
    }
}

#[test]
fn a_signal_of_a_forked_child_is_not_the_parents() {
    watchdog("a forked child", || {
        let kind = SignalKind::alarm();
        let mut signals = signal(kind).unwrap();
        // SAFETY: the child calls nothing that allocates or locks.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::raise(libc::SIGALRM) };
            // SAFETY: as above. Not killed by the signal, whose handler the child has inherited.
            unsafe { libc::_exit(7) };
        }
        let mut status = 0;
        // SAFETY: our child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 7);
        ouzel::LocalRuntime::new().unwrap().block_on(async {
            assert_eq!(count(&mut signals).await, 0);
            raise(kind);
            signals.recv().await;
        });
    });
}

static BEFORE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn plain(signal: libc::c_int) {
    BEFORE.fetch_add(signal as usize, Ordering::SeqCst);
}

extern "C" fn with_info(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gave it.
    let told = unsafe { (*info).si_signo };
    assert_eq!(signal, told);
    BEFORE.fetch_add(1000 * signal as usize, Ordering::SeqCst);
}

fn install(signal: i32, handler: usize, flags: i32) {
    // SAFETY: all zeros is a `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    (action.sa_sigaction, action.sa_flags) = (handler, flags);
    // SAFETY: the handlers above add to a number.
    assert_eq!(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) }, 0);
}

#[test]
fn handlers_that_were_there_before_are_called_too() {
    watchdog("handlers before", || {
        install(libc::SIGURG, plain as extern "C" fn(_) as usize, 0);
        install(libc::SIGTTIN, with_info as extern "C" fn(_, _, _) as usize, libc::SA_SIGINFO);
        // Ignored before: as good as none.
        install(libc::SIGTTOU, libc::SIG_IGN, 0);
        ouzel::LocalRuntime::new().unwrap().block_on(async {
            let mut called = 0;
            for (number, adds) in
                [(libc::SIGURG, libc::SIGURG), (libc::SIGTTIN, 1000 * libc::SIGTTIN), (libc::SIGTTOU, 0)]
            {
                let kind = SignalKind::from_raw(number);
                let (mut first, mut second) = (signal(kind).unwrap(), signal(kind).unwrap());
                raise(kind);
                first.recv().await;
                second.recv().await;
                called += adds as usize;
                // It is called last, and perhaps on another thread.
                until(|| BEFORE.load(Ordering::SeqCst) == called);
            }
        });
    });
}
