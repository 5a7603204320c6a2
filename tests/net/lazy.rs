//! Sends that nobody waits for: whole, in order, and told of when asked.

use ouzel_tests::on_each;
use ouzel_tests::sockets::{pair, pattern, read_exactly};

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

#[test]
fn without_a_runtime_the_buffer_comes_back() {
    let (stream, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let stream = ouzel::net::UnixStream::from_std(stream).unwrap();
    let (_, buf) = stream.write_lazy(vec![1u8, 2]).unwrap_err();
    assert_eq!(buf, [1, 2]);
}
