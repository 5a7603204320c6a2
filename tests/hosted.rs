//! A host that waits itself, and a task that waits for a lazy send: nothing else will happen, so the host must be told.

use std::future::poll_fn;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ouzel::op::Request;
use ouzel::op::raw;
use ouzel_tests::{on_each_driver, watchdog};

#[test]
fn a_lazy_send_that_is_waited_for_ends_without_an_event() {
    on_each_driver(0, |setup| {
        watchdog("a lazy send", move || {
            let runtime = setup.local();
            let (a, _b) = UnixStream::pair().unwrap();
            let fd = a.as_raw_fd();
            let task = runtime.spawn(async move {
                // SAFETY: the bytes are static; the descriptor stays open longer than the task.
                let sent = unsafe {
                    raw::submit((), |_, _| Request::Send {
                        fd,
                        buf: b"x".as_ptr(),
                        len: 1,
                        flags: 0,
                        lazy: true,
                    })
                };
                let mut op = sent.unwrap();
                poll_fn(|cx| op.poll(cx)).await.0.res
            });
            for _ in 0..20 {
                runtime.run_nowait(16).unwrap();
                if task.is_finished() {
                    return;
                }
                assert!(
                    runtime.before_wait() || runtime.next_timeout() == Some(Duration::ZERO),
                    "it would sleep"
                );
            }
            panic!("the send never ended");
        });
    });
}
