//! Sends that nobody waits for: whole, in order, and told of when asked.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::mpsc;

use ouzel::net::{LazyWrite, UnixStream};
use ouzel_tests::sockets::{pair, pattern, read_exactly};
use ouzel_tests::{on_each, on_each_driver};

#[test]
fn a_lazy_write_goes_out_although_nobody_awaits_it() {
    on_each(|setup| {
        setup.run(async {
            let (client, server) = pair().await;
            let mut buf = Vec::new();
            for round in 0..100u64 {
                buf.clear();
                buf.extend(pattern(1 + 37 * round as usize, round));
                let expected = buf.clone();
                let mut sending = server.write_lazy(buf).unwrap();
                assert!(read_exactly(&client, expected.len()).await.unwrap() == expected, "round {round}");
                let (n, back) = match sending.try_finish() {
                    Some(done) => done,
                    None => sending.await,
                };
                assert_eq!(n.unwrap(), expected.len());
                assert!(back == expected, "another buffer came back");
                buf = back;
            }
        });
    });
}

#[test]
fn a_lazy_write_of_more_than_the_socket_holds_waits_for_its_reader() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let data = pattern(12 << 20, 3);
            let expected = data.clone();
            let mut sending = server.write_lazy(data).unwrap();
            ouzel::yield_now().await;
            assert!(sending.try_finish().is_none(), "nobody has read anything");
            let reading = setup.spawn(async move { read_exactly(&client, 12 << 20).await.unwrap() });
            assert_eq!(sending.await.0.unwrap(), 12 << 20);
            assert!(reading.await.unwrap() == expected);
        });
    });
}

#[test]
fn a_lazy_write_to_a_stream_that_was_reset_fails_when_it_is_awaited() {
    on_each(|setup| {
        setup.run(async {
            let (client, server) = pair().await;
            client.set_linger(Some(std::time::Duration::ZERO)).unwrap();
            drop(client);
            assert!(server.read(vec![0; 1]).await.0.is_err());
            let (result, buf) = server.write_lazy("nobody").unwrap().await;
            assert!(result.is_err());
            assert_eq!(buf, "nobody");
        });
    });
}

/// Sends back each piece, and waits for what it began only if that is not over by the next one.
async fn answer(stream: UnixStream) {
    let mut pieces = stream.recv_stream();
    let mut begun: Option<LazyWrite<Vec<u8>>> = None;
    while let Some(piece) = pieces.next().await {
        if let Some(mut sending) = begun.take() {
            let (n, _) = match sending.try_finish() {
                Some(done) => done,
                None => sending.await,
            };
            assert_eq!(n.unwrap(), 8);
        }
        begun = Some(stream.write_lazy(piece.unwrap().to_vec()).unwrap());
    }
}

/// On a worker as elsewhere: the ring is entered once a message, to send and to wait, and has one completion for it.
#[test]
fn a_lazy_write_takes_neither_a_call_nor_a_completion_of_the_ring() {
    const MESSAGES: u64 = 200;
    on_each_driver(1, |setup| {
        let runtime = setup.shared();
        if !runtime.driver_description().contains("cqe_skip") {
            return;
        }
        let (mut peer, stream) = StdStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = UnixStream::from_std(stream).unwrap();
        runtime.spawn_detached(answer(stream));
        for i in 0..MESSAGES {
            let (message, mut got) = ([i as u8; 8], [0; 8]);
            peer.write_all(&message).unwrap();
            peer.read_exact(&mut got).unwrap();
            assert_eq!(got, message);
        }
        let io = runtime.metrics().io;
        assert!(io.enters < MESSAGES * 3 / 2 && io.cqes < MESSAGES * 3 / 2, "{io:?}");
    });
}

/// Its worker has nothing else to do and sleeps; only the one who waits can tell it to look.
#[test]
fn a_lazy_write_ends_for_one_who_waits_on_another_thread() {
    on_each_driver(1, |setup| {
        let runtime = setup.shared();
        for round in 0..50u8 {
            let (mut peer, stream) = StdStream::pair().unwrap();
            let (begun, sending) = mpsc::channel();
            runtime.spawn_detached(async move {
                stream.set_nonblocking(true).unwrap();
                let stream = UnixStream::from_std(stream).unwrap();
                begun.send((stream.write_lazy(vec![round; 64]).unwrap(), stream)).unwrap();
            });
            let mut got = [0; 64];
            peer.read_exact(&mut got).unwrap();
            assert_eq!(got, [round; 64]);
            let (sending, _stream) = sending.recv().unwrap();
            let (n, buf) = runtime.block_on(sending);
            assert_eq!((n.unwrap(), buf), (64, vec![round; 64]));
        }
    });
}

/// One that waits for room, as another thread does for it; cancelled from there it gives the buffer back.
#[test]
fn a_lazy_write_is_cancelled_from_another_thread() {
    on_each_driver(1, |setup| {
        let runtime = setup.shared();
        let (_peer, stream) = StdStream::pair().unwrap();
        let (begun, sending) = mpsc::channel();
        runtime.spawn_detached(async move {
            stream.set_nonblocking(true).unwrap();
            let stream = UnixStream::from_std(stream).unwrap();
            begun.send((stream.write_lazy(vec![7; 12 << 20]).unwrap(), stream)).unwrap();
        });
        let (mut sending, _stream) = sending.recv().unwrap();
        assert!(sending.try_finish().is_none(), "nobody has read anything");
        sending.cancel();
        let (n, buf) = runtime.block_on(sending);
        assert!(n.is_ok_and(|n| n < 12 << 20), "some went out and not all");
        assert_eq!(buf.len(), 12 << 20);
    });
}

#[test]
fn without_a_runtime_the_buffer_comes_back() {
    let (stream, _peer) = StdStream::pair().unwrap();
    let stream = UnixStream::from_std(stream).unwrap();
    let (_, buf) = stream.write_lazy(vec![1u8, 2]).unwrap_err();
    assert_eq!(buf, [1, 2]);
}
