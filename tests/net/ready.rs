//! Readiness alone: borrowed reads and writes through it, as an adapter makes them.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use ouzel::net::{PollFd, TcpStream, UnixStream};
use ouzel::time::{sleep, timeout};
use ouzel_tests::on_each;
use ouzel_tests::sockets::{pair, pattern, read_exactly};

/// Borrowed reads and writes, as another library's traits would have them.
struct Adapter(PollFd<TcpStream>);

impl Adapter {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_read_with(cx, |s| s.try_read(buf))).await
    }

    async fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let n = poll_fn(|cx| self.0.poll_write_with(cx, |s| s.try_write(buf))).await?;
            buf = &buf[n..];
        }
        Ok(())
    }
}

#[test]
fn borrowed_memory_is_read_into_and_written_from() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let data = pattern(2 << 20, 1);
            let copy = data.clone();
            let echo = setup.spawn(async move {
                let mut server = Adapter(PollFd::new(server).unwrap());
                let mut buf = [0; 10_000];
                loop {
                    let n = server.read(&mut buf).await.unwrap();
                    if n == 0 {
                        return;
                    }
                    server.write_all(&buf[..n]).await.unwrap();
                }
            });
            let client = Arc::new(client);
            let writer = Arc::clone(&client);
            let sending = setup.spawn(async move {
                writer.write_all(copy).await.0.unwrap();
                writer.shutdown(Shutdown::Write).await.unwrap();
            });
            assert!(read_exactly(&client, data.len()).await.unwrap() == data, "the echo differs");
            sending.await.unwrap();
            echo.await.unwrap();
        });
    });
}

#[test]
fn readiness_is_waited_for_and_told_as_long_as_it_holds() {
    on_each(|setup| {
        setup.run(async move {
            let (a, b) = UnixStream::pair().unwrap();
            let mut b = PollFd::new(b).unwrap();
            for round in 0..20u8 {
                assert!(
                    timeout(Duration::from_millis(1), b.readable()).await.is_err(),
                    "nothing was sent yet"
                );
                let wait = timeout(Duration::from_millis(1), poll_fn(|cx| b.poll_readable(cx))).await;
                assert!(wait.is_err(), "nothing was sent yet");
                a.write_all(vec![round, 1]).await.0.unwrap();
                b.readable().await.unwrap();
                poll_fn(|cx| b.poll_readable(cx)).await.unwrap();
                let mut byte = [0];
                assert_eq!((b.get_ref().try_read(&mut byte).unwrap(), byte), (1, [round]));
                b.readable().await.unwrap();
                assert_eq!((b.get_ref().try_read(&mut byte).unwrap(), byte), (1, [1]));
                assert_eq!(b.get_ref().try_read(&mut byte).unwrap_err().kind(), ErrorKind::WouldBlock);
            }
            b.writable().await.unwrap();
            while b.get_ref().try_write(&[7; 4096]).is_ok() {}
            assert!(timeout(Duration::from_millis(1), b.writable()).await.is_err(), "there is no room");
            drop(a);
            b.writable().await.unwrap();
            let error = b.write_with(|s| s.try_write(b"x")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn a_wait_that_was_dropped_leaves_the_stream_as_it_was() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let number = server.as_raw_fd();
            let mut server = PollFd::new(server).unwrap();
            let wait = timeout(Duration::from_millis(1), poll_fn(|cx| server.poll_readable(cx))).await;
            assert!(wait.is_err());
            assert_eq!(server.as_raw_fd(), number);
            // A wait that was given up ends in a moment.
            let server = loop {
                match server.into_inner() {
                    Ok(inner) => break inner,
                    Err(still) => server = still,
                }
                sleep(Duration::from_millis(1)).await;
            };
            client.write_all("as it was").await.0.unwrap();
            assert_eq!(read_exactly(&server, 9).await.unwrap(), b"as it was");
            let mut server = PollFd::new(server).unwrap();
            let wait = timeout(Duration::from_millis(1), poll_fn(|cx| server.poll_readable(cx))).await;
            assert!(wait.is_err());
            drop(server);
            // The descriptor is closed when the driver has let go of it.
            let end = timeout(Duration::from_secs(300), client.read(vec![0; 1])).await;
            assert_eq!(end.expect("it stayed open").0.unwrap(), 0);
        });
    });
}

#[test]
fn any_descriptor_will_do() {
    on_each(|setup| {
        setup.run(async move {
            let (reader, writer) = io::pipe().unwrap();
            let reader = PollFd::new(reader).unwrap();
            let writer = PollFd::new(writer).unwrap();
            let data = pattern(500_000, 2);
            let copy = data.clone();
            let sending = setup.spawn(async move {
                let mut rest = copy.as_slice();
                while !rest.is_empty() {
                    let n = writer.write_with(|mut w| w.write(rest)).await.unwrap();
                    rest = &rest[n..];
                }
            });
            let (mut got, mut buf) = (Vec::new(), [0; 7_000]);
            loop {
                match reader.read_with(|mut r| r.read(&mut buf)).await.unwrap() {
                    0 => break,
                    n => got.extend_from_slice(&buf[..n]),
                }
            }
            assert!(got == data, "the bytes differ");
            sending.await.unwrap();
            // A file is always ready.
            let file = PollFd::new(std::fs::File::open("/proc/self/exe").unwrap()).unwrap();
            file.readable().await.unwrap();
        });
    });
}

#[test]
fn a_reset_ends_the_wait_and_is_told_by_the_call() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut server = Adapter(PollFd::new(server).unwrap());
            let waiting = setup.spawn(async move { server.read(&mut [0; 4]).await });
            sleep(Duration::from_millis(3)).await;
            client.set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn a_wait_outside_a_runtime_is_an_error() {
    let setup = ouzel_tests::Setup { driver: ouzel::Driver::Auto, workers: 0 };
    let (_a, b) = setup.run(pair());
    let mut b = PollFd::new(b).unwrap();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(e)) = b.poll_readable(&mut cx) else { panic!("must fail at once") };
    assert!(e.to_string().contains("no ouzel runtime"));
}
