//! Transfers to and from several buffers: in order, waiting, cancelled, short.

use std::io::ErrorKind;
use std::time::Duration;

use ouzel::net::UnixStream;
use ouzel::op::is_cancelled;
use ouzel::time::timeout;
use ouzel_tests::on_each;
use ouzel_tests::sockets::{pair, pattern, read_exactly, waits};

#[test]
fn several_buffers_are_filled_and_sent_in_order() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut read = server.read_vectored([Vec::with_capacity(3), Vec::with_capacity(50), Vec::new()]);
            assert!(waits(&mut read).await);
            let (n, bufs) = client.write_vectored(["ab", "cd", "", "efg"]).await;
            assert_eq!((n.unwrap(), bufs), (7, ["ab", "cd", "", "efg"]));
            let (n, bufs) = read.await;
            assert_eq!((n.unwrap(), bufs), (7, [b"abc".to_vec(), b"defg".to_vec(), vec![]]));
            // More than a slot has room to describe.
            let many: Vec<Vec<u8>> = (0..40).map(|i| pattern(i * 10, i as u64 + 1)).collect();
            let (n, many) = client.write_vectored(many).await;
            let all = many.concat();
            assert_eq!(n.unwrap(), all.len());
            let rooms: Vec<Vec<u8>> = (0..9).map(|_| Vec::with_capacity(1000)).collect();
            let (n, got) = server.read_vectored(rooms).await;
            assert_eq!(n.unwrap(), all.len());
            assert!(got.concat() == all, "the bytes differ");
            assert!(got[..7].iter().all(|b| b.len() == 1000) && got[7].len() == 800);
        });
    });
}

#[test]
fn a_vectored_read_is_cancelled_and_gives_all_buffers_back() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut read = server.read_vectored(vec![vec![1u8], vec![2, 3]]);
            assert!(waits(&mut read).await);
            read.cancel();
            let (result, bufs) = read.await;
            assert!(is_cancelled(&result.unwrap_err()));
            assert_eq!(bufs, [vec![1], vec![2, 3]]);
            client.write_all("next").await.0.unwrap();
            assert_eq!(read_exactly(&server, 4).await.unwrap(), b"next");
            {
                let mut read = server.read_vectored(vec![vec![0u8; 8]]);
                assert!(waits(&mut read).await);
            }
            ouzel::sleep(Duration::from_millis(2)).await;
            client.write_all("more").await.0.unwrap();
            assert_eq!(read_exactly(&server, 4).await.unwrap(), b"more");
        });
    });
}

#[test]
fn a_vectored_write_takes_what_there_is_room_for_waits_and_fails() {
    on_each(|setup| {
        setup.run(async move {
            let (a, b) = UnixStream::pair().unwrap();
            let data = pattern(1 << 20, 9);
            let halves = || [data[..400_000].to_vec(), data[400_000..].to_vec()];
            let mut out = 0;
            let mut waiting = loop {
                let mut write = a.write_vectored(halves());
                match timeout(Duration::from_millis(20), &mut write).await {
                    Ok((n, _)) => out += n.unwrap(),
                    Err(_) => break write,
                }
            };
            waiting.cancel();
            let (result, bufs) = waiting.await;
            match result {
                Ok(n) => out += n,
                Err(e) => assert!(is_cancelled(&e), "{e}"),
            }
            assert_eq!(bufs, halves());
            let (result, got) = b.read_exact(vec![0; out]).await;
            result.unwrap();
            // Each write began at the data's start, so this is a row of its prefixes.
            assert_eq!(got[..1000], data[..1000]);
            let mut more = b.read(vec![0; 1]);
            assert!(waits(&mut more).await, "more went out than was told");
            drop(more);
            drop(b);
            // The dropped read keeps the other end open until the cancellation has been seen.
            let error = loop {
                match a.write_vectored(["x", "y"]).await.0 {
                    Ok(_) => ouzel::sleep(Duration::from_millis(1)).await,
                    Err(e) => break e,
                }
            };
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
    });
}
