//! Operations that have a limit: in time, too late, late with something done, dropped. On every driver, and on io_uring also
//! with the limits linked in the ring.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ouzel::Driver;
use ouzel::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixListener, UnixStream};
use ouzel::op::is_cancelled;
use ouzel::time::{now, sleep};
use ouzel_tests::sockets::{both, pair, pattern, read_exactly, waits};
use ouzel_tests::{drivers, watchdog};

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(300);

fn on_all<F: Future<Output = ()> + 'static>(test: fn() -> F) {
    for driver in drivers() {
        for workers in [0, 1, 2] {
            for linked in [false, true] {
                if linked && driver != Driver::Uring {
                    continue;
                }
                let builder = ouzel::Runtime::builder().driver(driver).linked_timeouts(linked);
                watchdog(&format!("{driver} {workers} linked {linked}"), move || {
                    if workers == 0 {
                        builder.build_local().unwrap().block_on(test());
                    } else {
                        builder.worker_threads(workers).build().unwrap().block_on(test());
                    }
                });
            }
        }
    }
}

fn is_late<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|e| e.kind() == ErrorKind::TimedOut)
}

#[test]
fn what_is_in_time_is_as_without_a_limit() {
    on_all(|| async {
        let (client, server) = pair().await;
        for round in 0..50u8 {
            let mut read = server.read(Vec::with_capacity(16)).timeout(LONG);
            assert!(waits(&mut read).await);
            client.write_all(vec![round; 3]).timeout(LONG).await.0.unwrap();
            let (n, buf) = read.await;
            assert_eq!((n.unwrap(), buf), (3, vec![round; 3]));
        }
        // What needs no wait is tried before anybody looks at the time.
        client.write_all("ready").await.0.unwrap();
        sleep(SHORT).await;
        let (n, _) = server.read(vec![0; 5]).timeout(Duration::ZERO).await;
        assert_eq!(n.unwrap(), 5);
    });
}

#[test]
fn a_late_read_gives_its_buffer_back_and_the_stream_goes_on() {
    on_all(|| async {
        let (client, server) = pair().await;
        for round in 0..5u8 {
            let buf = Vec::with_capacity(64);
            let (place, due) = (buf.as_ptr(), now() + SHORT);
            let (result, buf) = server.read(buf).deadline(due).await;
            assert!(is_late(result) && buf.is_empty() && buf.as_ptr() == place);
            assert!(now() >= due, "too early");
            client.write_all(vec![round]).await.0.unwrap();
            assert_eq!(server.read(buf).await.1, [round]);
        }
    });
}

#[test]
fn bytes_that_come_at_the_limit_are_not_lost() {
    on_all(|| async {
        let (client, server) = pair().await;
        let mut got = Vec::new();
        let mut late = 0;
        for round in 0..200u8 {
            let mut read =
                server.read(Vec::with_capacity(16)).timeout(Duration::from_micros(u64::from(round) * 10));
            // What an earlier one was too late for may be there already.
            let begun = poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx))).await;
            client.write_all(vec![round]).await.0.unwrap();
            let done = match begun {
                Poll::Ready(done) => done,
                Poll::Pending => read.await,
            };
            match done {
                (Ok(_), buf) => got.extend(buf),
                (Err(e), _) => {
                    assert_eq!(e.kind(), ErrorKind::TimedOut);
                    late += 1;
                }
            }
        }
        let rest = read_exactly(&server, 200 - got.len()).await.unwrap();
        got.extend(rest);
        assert_eq!(got, (0..200).collect::<Vec<u8>>(), "after {late} late reads");
    });
}

#[test]
fn a_late_write_says_how_much_went_out() {
    on_all(|| async {
        let (client, server) = pair().await;
        let data = pattern(8 << 20, 3);
        let (result, buf) = client.write(data.clone()).timeout(SHORT * 4).await;
        let sent = result.unwrap();
        assert!((1..data.len()).contains(&sent) && buf == data);
        let (result, _) = client.write_all(vec![1; 1 << 20]).timeout(SHORT).await;
        assert!(is_late(result), "nobody reads");
        assert_eq!(read_exactly(&server, sent).await.unwrap(), data[..sent]);
    });
}

#[test]
fn transfers_of_a_whole_buffer_have_one_limit_and_tell_what_they_did() {
    on_all(|| async {
        let (client, server) = pair().await;
        client.write_all("part").await.0.unwrap();
        let mut read = server.read_exact(Vec::with_capacity(10)).timeout(SHORT);
        let (result, buf) = (&mut read).await;
        assert!(is_late(result));
        assert_eq!((read.transferred(), buf.as_slice()), (4, &b"part"[..]));
        // A stream that never stops keeps nobody beyond the limit.
        let feeding = async { while client.write_all(vec![0; 1000]).timeout(SHORT * 10).await.0.is_ok() {} };
        let mut read = server.read_exact(Vec::with_capacity(64 << 20)).timeout(SHORT);
        let reading = async {
            let (result, buf) = (&mut read).await;
            let late = is_late(result);
            (late, buf.len())
        };
        let (late, len) = both(feeding, reading).await;
        assert!(late && len == read.transferred());
    });
}

#[test]
fn messages_and_vectored_transfers_have_limits_too() {
    on_all(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (result, buf) = socket.recv_from(vec![7; 8]).timeout(SHORT).await;
        assert!(is_late(result.map(|_| ())) && buf == [7; 8]);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to("x", socket.local_addr().unwrap()).timeout(LONG).await.0.unwrap();
        assert_eq!(socket.recv_from(vec![0; 8]).timeout(LONG).await.0.unwrap().0, 1);
        let (client, server) = UnixStream::pair().unwrap();
        let (result, _) = server.read_vectored([vec![0; 4], vec![0; 4]]).timeout(SHORT).await;
        assert!(is_late(result));
        client.write_vectored(["ab", "cd"]).timeout(LONG).await.0.unwrap();
        assert_eq!(server.read_exact(vec![0; 4]).await.1, b"abcd");
    });
}

#[test]
fn a_late_accept_leaves_the_queue_as_it_was() {
    on_all(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 {
            assert!(is_late(listener.accept().timeout(SHORT).await.map(drop)));
            let client = TcpStream::connect(listener.local_addr().unwrap()).timeout(LONG).await.unwrap();
            let (_server, peer) = listener.accept().timeout(LONG).await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    });
}

#[test]
fn a_connect_that_nobody_answers_is_late() {
    on_all(|| async {
        // A queue that is full: the system drops who comes, or for a Unix socket says so.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        loop {
            match TcpStream::connect(address).timeout(SHORT * 4).await {
                Ok(stream) => waiting.push(stream),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::TimedOut);
                    break;
                }
            }
            assert!(waiting.len() < 10, "the queue has no end");
        }
        let path = std::env::temp_dir().join(format!(
            "ouzel-limit-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let _ = std::fs::remove_file(&path);
        let _listener = UnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = UnixStream::connect(&path).timeout(SHORT).await {
            waiting.push(stream);
            assert!(waiting.len() < 10_000, "the queue has no end");
        }
        assert!(is_late(UnixStream::connect(&path).timeout(SHORT).await.map(drop)));
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn a_limit_goes_with_its_operation_and_touches_no_other() {
    on_all(|| async {
        let (client, server) = pair().await;
        for _ in 0..200 {
            let mut read = server.read(Vec::with_capacity(8)).timeout(SHORT);
            assert!(waits(&mut read).await);
        }
        // In the slots of those: older limits pass meanwhile, and are not theirs.
        let mut read = server.read(Vec::with_capacity(8));
        assert!(waits(&mut read).await);
        sleep(SHORT * 3).await;
        assert!(waits(&mut read).await);
        client.write_all("x").await.0.unwrap();
        assert_eq!(read.await.0.unwrap(), 1);
        // Who cancels before the limit has cancelled.
        let mut read = server.read(Vec::with_capacity(8)).timeout(LONG);
        assert!(waits(&mut read).await);
        read.cancel();
        assert!(is_cancelled(&read.await.0.unwrap_err()));
    });
}
