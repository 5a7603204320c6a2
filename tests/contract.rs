//! The contract every driver keeps: each operation ready at once, really waiting, cancelled in flight
//! and failing; contents compared, not lengths.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ouzel::net::TcpStream;
use ouzel::time::{sleep, timeout};
use ouzel::yield_now;
use ouzel_tests::sockets::{listener, pair, pattern, read_exactly, waits};
use ouzel_tests::{DropCount, Setup, on_each};

#[test]
fn bytes_come_back_as_they_were_sent() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let sent = pattern(3 << 20, 1);
            let copy = sent.clone();
            let echo = setup.spawn(async move {
                loop {
                    let (n, buf) = server.read(Vec::with_capacity(70_000)).await;
                    if n.unwrap() == 0 {
                        return;
                    }
                    server.write_all(buf).await.0.unwrap();
                }
            });
            let client = std::sync::Arc::new(client);
            let writer = std::sync::Arc::clone(&client);
            let writing = setup.spawn(async move {
                writer.write_all(copy).await.0.unwrap();
                writer.shutdown(Shutdown::Write).await.unwrap();
            });
            let back = read_exactly(&client, sent.len()).await.unwrap();
            assert!(back == sent, "the echo differs");
            writing.await.unwrap();
            echo.await.unwrap();
            // Half closed: after the echo's end the read sees the end of the stream.
            assert_eq!(client.read(Vec::with_capacity(1)).await.0.unwrap(), 0);
        });
    });
}

#[test]
fn a_read_really_waits_for_its_bytes() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut read = pin!(server.read(Vec::with_capacity(16)));
            assert!(waits(&mut read).await, "nothing was sent yet");
            sleep(Duration::from_millis(20)).await;
            assert!(waits(&mut read).await, "still nothing was sent");
            client.write_all("hello").await.0.unwrap();
            let (n, buf) = read.await;
            assert_eq!((n.unwrap(), buf.as_slice()), (5, &b"hello"[..]));
        });
    });
}

#[test]
fn an_accept_really_waits_for_its_connection() {
    on_each(|setup| {
        setup.run(async move {
            let (listener, address) = listener();
            let mut accept = pin!(listener.accept());
            assert!(waits(&mut accept).await, "nobody has connected");
            let client = setup.spawn(async move {
                sleep(Duration::from_millis(10)).await;
                TcpStream::connect(address).await.unwrap()
            });
            let (_server, peer) = accept.await.unwrap();
            assert_eq!(client.await.unwrap().local_addr().unwrap(), peer);
        });
    });
}

#[test]
fn a_write_waits_while_the_reader_is_slow_and_loses_nothing() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let sent = pattern(8 << 20, 2);
            let copy = sent.clone();
            let writing = setup.spawn(async move { client.write_all(copy).await.0.map(|()| client) });
            sleep(Duration::from_millis(30)).await;
            let got = read_exactly(&server, sent.len()).await.unwrap();
            assert!(got == sent, "the bytes differ");
            writing.await.unwrap().unwrap();
        });
    });
}

#[test]
fn a_dropped_read_cancels_and_the_stream_goes_on() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            for round in 0..50u8 {
                {
                    let mut read = pin!(server.read(Vec::with_capacity(16)));
                    assert!(waits(&mut read).await);
                }
                // Let the cancellation reach the driver before the next byte is sent: a byte that
                // arrives first belongs to the dropped read.
                sleep(Duration::from_millis(2)).await;
                client.write_all(vec![round]).await.0.unwrap();
                let (n, buf) = server.read(Vec::with_capacity(16)).await;
                assert_eq!((n.unwrap(), buf), (1, vec![round]));
            }
        });
    });
}

#[test]
fn a_dropped_accept_leaves_the_listener_usable() {
    on_each(|setup| {
        setup.run(async move {
            let (listener, address) = listener();
            for _ in 0..20 {
                assert!(timeout(Duration::from_millis(1), listener.accept()).await.is_err());
            }
            sleep(Duration::from_millis(5)).await;
            let client = TcpStream::connect(address).await.unwrap();
            let (_, peer) = timeout(Duration::from_secs(300), listener.accept()).await.unwrap().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        });
    });
}

/// A heap buffer that counts when it is freed.
struct Counted(Vec<u8>, #[expect(dead_code, reason = "dropped with the buffer")] ouzel_tests::DropGuard);

// SAFETY: the bytes are the vector's, on the heap.
unsafe impl ouzel::buf::IoBuf for Counted {
    fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: as above.
unsafe impl ouzel::buf::IoBufMut for Counted {
    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr()
    }
    fn capacity(&self) -> usize {
        self.0.len()
    }
    unsafe fn set_filled(&mut self, _: usize) {}
}

#[test]
fn a_buffer_in_flight_outlives_its_future_and_is_freed_once() {
    on_each(|setup| {
        let drops = DropCount::default();
        let seen = drops.clone();
        setup.run(async move {
            let (client, server) = pair().await;
            for round in 1..=20 {
                {
                    let mut read = pin!(server.read(Counted(vec![0; 4096], seen.guard())));
                    assert!(waits(&mut read).await);
                    assert_eq!(seen.get(), round - 1, "the kernel still owns the buffer");
                }
                // The kernel's answer to the cancellation frees it.
                while seen.get() < round {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            drop(client);
        });
        assert_eq!(drops.get(), 20);
    });
}

#[test]
fn a_runtime_dropped_with_operations_in_flight_frees_each_buffer_once() {
    on_each(|setup| {
        let drops = DropCount::default();
        let seen = drops.clone();
        let client = setup.run(async move {
            let (client, server) = pair().await;
            let server = std::sync::Arc::new(server);
            for _ in 0..10 {
                let (server, buffer) = (std::sync::Arc::clone(&server), Counted(vec![0; 4096], seen.guard()));
                drop(setup.spawn(async move { server.read(buffer).await.0.ok() }));
            }
            sleep(Duration::from_millis(5)).await;
            // The client outlives the runtime, so the reads are still waiting when it goes.
            client
        });
        assert_eq!(drops.get(), 10);
        drop(client);
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    on_each(|setup| {
        setup.run(async {
            let (listener, address) = listener();
            drop(listener);
            let error = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        });
    });
}

#[test]
fn a_reset_peer_is_an_error_for_the_waiting_reader() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut read = pin!(server.read(Vec::with_capacity(16)));
            assert!(waits(&mut read).await);
            let client = client.into_std().expect("nothing in flight");
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            // SAFETY: the option's value is a `linger` of the length given.
            let rc = unsafe {
                libc::setsockopt(
                    std::os::fd::AsRawFd::as_raw_fd(&client),
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const linger).cast(),
                    size_of::<libc::linger>() as u32,
                )
            };
            assert_eq!(rc, 0);
            drop(client);
            let (result, _) = read.await;
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn a_half_closed_stream_still_sends() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            client.shutdown(Shutdown::Write).await.unwrap();
            assert_eq!(server.read(Vec::with_capacity(8)).await.0.unwrap(), 0);
            server.write_all("still here").await.0.unwrap();
            assert_eq!(read_exactly(&client, 10).await.unwrap(), b"still here");
        });
    });
}

#[test]
fn writing_to_a_stream_the_peer_has_closed_fails_without_a_signal() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            drop(client);
            let mut failed = None;
            for _ in 0..100 {
                if let Err(e) = server.write_all("x").await.0 {
                    failed = Some(e.kind());
                    break;
                }
                sleep(Duration::from_millis(1)).await;
            }
            assert!(
                matches!(failed, Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)),
                "{failed:?}"
            );
        });
    });
}

#[test]
fn a_descriptor_number_used_again_is_a_new_stream() {
    on_each(|setup| {
        setup.run(async move {
            for round in 0..100u32 {
                let (client, server) = pair().await;
                let mut read = pin!(server.read(Vec::with_capacity(4)));
                assert!(waits(&mut read).await);
                client.write_all(round.to_le_bytes().to_vec()).await.0.unwrap();
                let (n, buf) = timeout(Duration::from_secs(300), read).await.expect("a wake-up was lost");
                assert_eq!((n.unwrap(), buf), (4, round.to_le_bytes().to_vec()));
            }
        });
    });
}

#[test]
fn many_connections_talk_at_once() {
    on_each(|setup| {
        setup.run(async move {
            let (listener, address) = listener();
            let mut clients = Vec::new();
            for c in 0..200u64 {
                clients.push(setup.spawn(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    for round in 0..20 {
                        let sent = pattern(64, c * 1000 + round + 1);
                        stream.write_all(sent.clone()).await.0.unwrap();
                        assert_eq!(read_exactly(&stream, 64).await.unwrap(), sent);
                    }
                }));
            }
            let mut serving = Vec::new();
            for _ in 0..200 {
                let (stream, _) = listener.accept().await.unwrap();
                serving.push(setup.spawn(async move {
                    for _ in 0..20 {
                        let got = read_exactly(&stream, 64).await.unwrap();
                        stream.write_all(got).await.0.unwrap();
                    }
                }));
            }
            for task in clients.into_iter().chain(serving) {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn timers_across_the_levels_of_the_wheel_never_fire_early() {
    on_each(|setup| {
        setup.run(async move {
            let start = ouzel::time::now();
            let mut timers = Vec::new();
            // From less than a tick to beyond the first levels; far ones are dropped, not awaited.
            for ms in [0u64, 1, 3, 7, 30, 90, 280] {
                timers.push((
                    ms,
                    setup.spawn(async move {
                        sleep(Duration::from_millis(ms)).await;
                        ouzel::time::now()
                    }),
                ));
            }
            for far in [10_000u64, 1_000_000, 100_000_000_000] {
                assert!(timeout(Duration::from_millis(1), sleep(Duration::from_millis(far))).await.is_err());
            }
            for (ms, timer) in timers {
                let fired = timer.await.unwrap();
                assert!(fired >= start + Duration::from_millis(ms), "fired early");
            }
        });
    });
}

#[test]
fn a_timer_that_moved_to_another_task_still_fires() {
    on_each(|setup| {
        setup.run(async move {
            let mut timer = Box::pin(sleep(Duration::from_millis(20)));
            assert!(waits(&mut timer.as_mut()).await);
            setup.spawn(timer).await.unwrap();
        });
    });
}

#[test]
fn a_timeout_lets_a_ready_future_win_and_drops_a_late_one() {
    on_each(|setup| {
        let drops = DropCount::default();
        let guard = drops.guard();
        setup.run(async move {
            assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
            let late = async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            };
            assert!(timeout(Duration::from_millis(1), late).await.is_err());
        });
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_task_that_never_waits_still_lets_the_driver_run() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let spinning = setup.spawn(async {
                loop {
                    yield_now().await;
                }
            });
            client.write_all("through").await.0.unwrap();
            assert_eq!(read_exactly(&server, 7).await.unwrap(), b"through");
            sleep(Duration::from_millis(5)).await;
            drop(spinning);
        });
    });
}

#[test]
fn an_operation_outside_a_runtime_fails_and_gives_its_buffer_back() {
    let (stream, _other) = Setup { driver: ouzel::Driver::Auto, workers: 0 }.run(pair());
    let mut read = pin!(stream.read(vec![1, 2, 3]));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let Poll::Ready((result, buf)) = read.as_mut().poll(&mut cx) else { panic!("must fail at once") };
    assert!(result.unwrap_err().to_string().contains("no ouzel runtime"));
    assert_eq!(buf, [1, 2, 3]);
}
