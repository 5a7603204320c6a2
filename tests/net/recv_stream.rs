//! Receiving into a driver's own buffers: every byte once and in order, whatever becomes of the buffers.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use ouzel::net::{Chunk, RecvStream, UnixStream};
use ouzel::time::sleep;
use ouzel::{Driver, LocalRuntime, Runtime};
use ouzel_tests::sockets::{listener, pair, pattern, read_exactly};
use ouzel_tests::{Setup, drivers, on_each, watchdog};

/// Runs `test` on every driver with few and small buffers, on one thread.
fn with_few_buffers(count: u32, bytes: u32, test: fn(LocalRuntime)) {
    for driver in drivers() {
        watchdog(&format!("{driver}, {count} buffers"), move || {
            test(Runtime::builder().driver(driver).buffers(count, bytes).build_local().unwrap());
        });
    }
}

async fn all_of(stream: &mut RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.unwrap();
        assert!(!piece.is_empty());
        all.extend_from_slice(&piece);
    }
    all
}

#[test]
fn a_long_stream_comes_whole_and_ends() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let data = pattern(3 << 20, 1);
            let copy = data.clone();
            let sending = setup.spawn(async move { client.write_all(copy).await.0.unwrap() });
            let mut stream = server.recv_stream();
            assert!(all_of(&mut stream).await == data, "the bytes differ");
            assert!(stream.next().await.is_none(), "the end is told again");
            sending.await.unwrap();
        });
    });
}

#[test]
fn each_message_is_waited_for() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut stream = server.recv_stream();
            for round in 0..50u8 {
                let wait = ouzel::timeout(Duration::from_millis(1), stream.next()).await;
                assert!(wait.is_err(), "nothing was sent yet");
                client.write_all(vec![round; 1 + usize::from(round)]).await.0.unwrap();
                let piece = stream.next().await.unwrap().unwrap();
                assert_eq!(*piece, vec![round; 1 + usize::from(round)]);
                // A piece is a buffer like any other.
                server.write_all(piece).await.0.unwrap();
                assert_eq!(read_exactly(&client, 1 + usize::from(round)).await.unwrap()[0], round);
            }
            client.set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            let error = stream.next().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn a_cancelled_stream_gives_what_it_has_and_the_next_read_goes_on() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut sent = Vec::new();
            let mut got = Vec::new();
            for round in 0..40u64 {
                let mut stream = server.recv_stream();
                if round % 4 == 0 {
                    let wait = ouzel::timeout(Duration::from_millis(1), stream.next()).await;
                    assert!(wait.is_err());
                }
                let data = pattern(3000, round + 1);
                client.write_all(data.clone()).await.0.unwrap();
                sent.extend(data);
                if round % 2 == 0 {
                    got.extend_from_slice(&stream.next().await.unwrap().unwrap());
                }
                stream.cancel();
                got.extend(all_of(&mut stream).await);
                let rest = sent.len() - got.len();
                got.extend(read_exactly(&server, rest).await.unwrap());
                assert!(got == sent, "round {round}: a byte was lost, doubled or moved");
            }
        });
    });
}

#[test]
fn pieces_that_are_kept_do_not_stop_the_stream_and_outlive_its_runtime() {
    with_few_buffers(2, 64, |runtime| {
        let data = pattern(64 * 20, 7);
        let copy = data.clone();
        let kept: Vec<Chunk> = runtime.block_on(async move {
            let (a, b) = UnixStream::pair().unwrap();
            let mut stream = b.recv_stream();
            let mut kept = Vec::new();
            for (i, message) in copy.chunks(64).enumerate() {
                a.write_all(message.to_vec()).await.0.unwrap();
                let piece = stream.next().await.unwrap().unwrap();
                assert!(*piece == *message, "message {i}");
                kept.push(piece);
            }
            kept
        });
        drop(runtime);
        assert!(kept.iter().flat_map(|c| c.iter()).eq(data.iter()), "kept bytes changed");
        std::thread::spawn(move || drop(kept)).join().unwrap();
    });
}

#[test]
fn buffers_let_go_on_another_thread_are_used_again() {
    with_few_buffers(4, 256, |runtime| {
        let (to, from) = mpsc::channel::<Chunk>();
        let (done, gone) = mpsc::channel();
        let other = std::thread::spawn(move || {
            for piece in from {
                drop(piece);
                done.send(()).unwrap();
            }
        });
        runtime.block_on(async move {
            let (a, b) = UnixStream::pair().unwrap();
            let mut stream = b.recv_stream();
            let (mut lowest, mut highest) = (usize::MAX, 0);
            for round in 0..100u8 {
                a.write_all(vec![round; 9]).await.0.unwrap();
                let piece = stream.next().await.unwrap().unwrap();
                assert_eq!(*piece, [round; 9]);
                let at = piece.as_ptr() as usize;
                (lowest, highest) = (lowest.min(at), highest.max(at));
                to.send(piece).unwrap();
                gone.recv().unwrap();
            }
            assert!(highest - lowest < 4 * 256, "a piece had memory of its own");
        });
        other.join().unwrap();
    });
}

#[test]
fn a_stream_faster_than_its_reader_loses_nothing() {
    with_few_buffers(8, 128, |runtime| {
        runtime.block_on(async {
            let (client, server) = pair().await;
            let data = pattern(300_000, 3);
            let copy = data.clone();
            let sending = ouzel::spawn_local(async move { client.write_all(copy).await.0.unwrap() });
            let mut stream = server.recv_stream();
            let (mut got, mut kept) = (Vec::new(), Vec::new());
            while let Some(piece) = stream.next().await {
                let piece = piece.unwrap();
                got.extend_from_slice(&piece);
                // Sometimes all buffers are taken, sometimes completions pile up, sometimes neither.
                match got.len() % 7 {
                    0 => kept.clear(),
                    1 => sleep(Duration::from_micros(300)).await,
                    2..4 => kept.push(piece),
                    _ => {}
                }
            }
            assert!(got == data, "the bytes differ");
            sending.await.unwrap();
        });
    });
}

#[test]
fn many_streams_on_several_workers_keep_their_bytes_apart() {
    for driver in drivers() {
        watchdog(&format!("{driver}"), move || {
            let runtime =
                Runtime::builder().worker_threads(3).driver(driver).buffers(8, 512).build().unwrap();
            runtime.block_on(several(Setup { driver, workers: 3 }));
        });
    }
}

async fn several(setup: Setup) {
    let (listener, address) = listener();
    let mut incoming = listener.incoming();
    let mut tasks = Vec::new();
    for i in 0..40u64 {
        tasks.push(setup.spawn(async move {
            let client = ouzel::net::TcpStream::connect(address).await.unwrap();
            let data = pattern(60_000, i + 1);
            for part in data.chunks(7_001) {
                client.write_all(part.to_vec()).await.0.unwrap();
                ouzel::yield_now().await;
            }
            client.shutdown(std::net::Shutdown::Write).await.unwrap();
            let mut answer = client.recv_stream();
            assert!(all_of(&mut answer).await == data, "stream {i} came back changed");
        }));
    }
    for _ in 0..40 {
        let server = incoming.next().await.unwrap().unwrap();
        tasks.push(setup.spawn(async move {
            let mut stream = server.recv_stream();
            while let Some(piece) = stream.next().await {
                // The piece may be let go by another worker than received it.
                ouzel::yield_now().await;
                server.write_all(piece.unwrap()).await.0.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn a_stream_outside_a_runtime_is_an_error() {
    let setup = Setup { driver: Driver::Auto, workers: 0 };
    let (_a, b) = setup.run(pair());
    let mut stream = b.recv_stream();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Some(Err(e))) = stream.poll_next(&mut cx) else { panic!("must fail at once") };
    assert!(e.to_string().contains("no ouzel runtime"));
}
