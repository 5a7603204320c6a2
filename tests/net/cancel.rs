//! Cancelling through the future that waits: buffer and bytes come back, and the stream goes on at the right byte.

use std::time::Duration;

use ouzel::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use ouzel::op::is_cancelled;
use ouzel::time::{sleep, timeout};
use ouzel_tests::on_each;
use ouzel_tests::sockets::{pair, pattern, read_exactly, waits};

#[test]
fn a_cancelled_read_gives_its_buffer_back_and_the_stream_goes_on() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            for round in 0..50u8 {
                let mut buf = Vec::with_capacity(100);
                buf.push(round);
                let place = buf.as_ptr();
                let mut read = server.read(buf);
                assert!(waits(&mut read).await);
                read.cancel();
                let (result, buf) = read.await;
                assert!(is_cancelled(&result.unwrap_err()));
                assert_eq!((buf.as_ptr(), buf.as_slice()), (place, &[round][..]));
                client.write_all(vec![round, 1, 2]).await.0.unwrap();
                let (n, buf) = server.read(buf).await;
                assert_eq!((n.unwrap(), buf), (3, vec![round, 1, 2]));
            }
        });
    });
}

#[test]
fn a_read_that_was_cancelled_too_late_has_its_bytes() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            for round in 0..100u8 {
                let mut read = server.read(Vec::with_capacity(16));
                assert!(waits(&mut read).await);
                client.write_all(vec![round]).await.0.unwrap();
                read.cancel();
                let bytes = match read.await {
                    (Ok(n), buf) => {
                        assert_eq!(n, buf.len());
                        buf
                    }
                    (Err(e), buf) => {
                        assert!(is_cancelled(&e) && buf.is_empty(), "{e}");
                        server.read(buf).await.1
                    }
                };
                assert_eq!(bytes, [round], "a byte was lost or came twice");
            }
        });
    });
}

#[test]
fn a_read_cancelled_before_its_first_poll_asks_for_nothing() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            client.write_all("kept").await.0.unwrap();
            let mut read = server.read(vec![7u8; 4]);
            read.cancel();
            let (result, buf) = read.await;
            assert!(is_cancelled(&result.unwrap_err()));
            assert_eq!(buf, [7; 4]);
            assert_eq!(read_exactly(&server, 4).await.unwrap(), b"kept");
        });
    });
}

#[test]
fn a_cancelled_write_says_how_much_went_out() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let data = pattern(8 << 20, 3);
            let mut write = client.write(data.clone());
            assert!(timeout(Duration::from_millis(30), &mut write).await.is_err(), "nobody reads");
            write.cancel();
            let (result, buf) = write.await;
            let sent = result.unwrap();
            assert!((1..data.len()).contains(&sent) && buf == data);
            let reading =
                setup.spawn(async move { (read_exactly(&server, sent + 4).await.unwrap(), server) });
            client.write_all("next").await.0.unwrap();
            let (got, _server) = reading.await.unwrap();
            assert!(got[..sent] == data[..sent] && &got[sent..] == b"next");
        });
    });
}

#[test]
fn a_cancelled_write_all_counts_what_went_out() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = UnixStream::pair().unwrap();
            let data = pattern(4 << 20, 4);
            let mut write = client.write_all(data.clone());
            assert!(timeout(Duration::from_millis(30), &mut write).await.is_err(), "nobody reads");
            write.cancel();
            let (result, buf) = (&mut write).await;
            assert!(is_cancelled(&result.unwrap_err()) && buf == data);
            let sent = write.transferred();
            assert!((1..data.len()).contains(&sent));
            let (result, got) = server.read_exact(vec![0; sent]).await;
            result.unwrap();
            assert!(got == data[..sent], "the bytes differ");
            let mut more = server.read(vec![0; 1]);
            assert!(waits(&mut more).await, "more went out than was told");
        });
    });
}

#[test]
fn a_cancelled_read_exact_keeps_what_came_and_the_rest_is_still_there() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut read = server.read_exact(Vec::with_capacity(10));
            assert!(waits(&mut read).await);
            client.write_all("first").await.0.unwrap();
            while read.transferred() < 5 {
                assert!(waits(&mut read).await, "five bytes are not ten");
                sleep(Duration::from_millis(1)).await;
            }
            read.cancel();
            let (result, buf) = read.await;
            assert!(is_cancelled(&result.unwrap_err()));
            assert_eq!(buf, b"first");
            client.write_all("second").await.0.unwrap();
            assert_eq!(read_exactly(&server, 6).await.unwrap(), b"second");
        });
    });
}

#[test]
fn a_dropped_read_loses_its_own_bytes_alone() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            {
                let mut read = server.read(vec![0; 4]);
                assert!(waits(&mut read).await);
                client.write_all("lostkept").await.0.unwrap();
                // The bytes reach the read while nobody looks at it, or the cancellation comes first.
                sleep(Duration::from_millis(20)).await;
            }
            let mut got = read_exactly(&server, 4).await.unwrap();
            if got == b"lost" {
                got = read_exactly(&server, 4).await.unwrap();
            }
            assert_eq!(got, b"kept");
        });
    });
}

#[test]
fn a_future_polled_after_its_end_panics() {
    let setup = ouzel_tests::Setup { driver: ouzel::Driver::Auto, workers: 0 };
    setup.run(async {
        let (client, server) = pair().await;
        client.write_all("x").await.0.unwrap();
        let mut read = server.read(vec![0; 1]);
        (&mut read).await.0.unwrap();
        read.cancel();
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = std::future::Future::poll(std::pin::Pin::new(&mut read), &mut cx);
        }));
        assert!(again.is_err(), "it has no result twice");
    });
}

#[test]
fn a_cancelled_accept_loses_no_connection() {
    on_each(|setup| {
        setup.run(async move {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let mut accept = listener.accept();
            assert!(waits(&mut accept).await);
            accept.cancel();
            assert!(is_cancelled(&accept.await.unwrap_err()));
            let mut unasked = listener.accept();
            unasked.cancel();
            assert!(is_cancelled(&unasked.await.unwrap_err()));
            let mut left = Vec::new();
            for _ in 0..100 {
                let mut accept = listener.accept();
                assert!(waits(&mut accept).await);
                let client = TcpStream::connect(address).await.unwrap();
                accept.cancel();
                match accept.await {
                    Ok((_, peer)) => assert_eq!(peer, client.local_addr().unwrap()),
                    Err(e) => {
                        assert!(is_cancelled(&e), "{e}");
                        left.push(client);
                        // Nobody has taken it: it is the next one.
                        let (_, peer) = listener.accept().await.unwrap();
                        assert_eq!(peer, left.last().unwrap().local_addr().unwrap());
                    }
                }
            }
        });
    });
}

#[test]
fn a_cancelled_connect_is_over_and_one_that_was_made_is_given() {
    on_each(|setup| {
        setup.run(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = socket.listen(0).unwrap();
            let address = listener.local_addr().unwrap();
            let mut unasked = TcpStream::connect(address);
            unasked.cancel();
            assert!(is_cancelled(&unasked.await.unwrap_err()));
            // Until the queue is full, and nobody answers any more.
            let mut made = Vec::new();
            loop {
                let mut connect = TcpStream::connect(address);
                match timeout(Duration::from_millis(20), &mut connect).await {
                    Ok(stream) => made.push(stream.unwrap()),
                    Err(_) => {
                        connect.cancel();
                        assert!(is_cancelled(&connect.await.unwrap_err()));
                        break;
                    }
                }
                assert!(made.len() < 10, "the queue has no end");
            }
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            for _ in 0..50 {
                let mut connect = TcpStream::connect(free.local_addr().unwrap());
                let _ = waits(&mut connect).await;
                connect.cancel();
                match connect.await {
                    Ok(stream) => {
                        let (_, peer) = free.accept().await.unwrap();
                        assert_eq!(peer, stream.local_addr().unwrap());
                    }
                    // The listener may have it, closed.
                    Err(e) => assert!(is_cancelled(&e), "{e}"),
                }
                while let Ok(Ok(_)) = timeout(Duration::from_millis(1), free.accept()).await {}
            }
        });
    });
}
