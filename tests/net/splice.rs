//! Bytes that go through without being seen, and those that are sent without a copy: all of them, in order, on every driver.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::Duration;

use ouzel::fs::File;
use ouzel::net::{UnixStream, send_file, splice};
use ouzel::time::{sleep, timeout};
use ouzel_tests::on_each;
use ouzel_tests::sockets::{both, pair, pattern, read_exactly};

#[test]
fn a_proxy_moves_all_bytes_in_both_directions() {
    on_each(|setup| {
        setup.run(async move {
            let ((client, front), (back, server)) = (pair().await, UnixStream::pair().unwrap());
            let data = pattern(3 << 20, 7);
            let there = setup.spawn(async move {
                let answer = splice(&front, &back).await.unwrap();
                back.shutdown(Shutdown::Write).await.unwrap();
                let request = splice(&back, &front).await.unwrap();
                front.shutdown(Shutdown::Write).await.unwrap();
                (answer, request)
            });
            let (sent, wanted) = (data.clone(), data.clone());
            let peer = setup.spawn(async move {
                // Slowly, so that there is a wait for room, too.
                let (result, got) = server.read_exact(vec![0; 100]).await;
                result.unwrap();
                sleep(Duration::from_millis(5)).await;
                let (result, rest) = server.read_exact(vec![0; wanted.len() - 100]).await;
                result.unwrap();
                assert!(got == wanted[..100] && rest == wanted[100..], "not what was sent");
                assert_eq!(server.read(vec![0; 1]).await.0.unwrap(), 0);
                server.write_all("answer").await.0.unwrap();
            });
            client.write_all(sent).await.0.unwrap();
            client.shutdown(Shutdown::Write).await.unwrap();
            assert_eq!(read_exactly(&client, 6).await.unwrap(), b"answer");
            assert_eq!(client.read(vec![0; 1]).await.0.unwrap(), 0);
            peer.await.unwrap();
            assert_eq!(there.await.unwrap(), (data.len() as u64, 6));
        });
    });
}

#[test]
fn a_splice_that_waits_is_dropped_and_leaves_what_comes_after() {
    on_each(|setup| {
        setup.run(async move {
            let ((client, front), (back, _server)) = (pair().await, pair().await);
            assert!(timeout(Duration::from_millis(5), splice(&front, &back)).await.is_err());
            client.write_all("kept").await.0.unwrap();
            assert_eq!(read_exactly(&front, 4).await.unwrap(), b"kept");
        });
    });
}

#[test]
fn a_splice_to_a_peer_that_is_gone_fails() {
    on_each(|setup| {
        setup.run(async move {
            let ((client, front), (back, server)) =
                (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            drop(server);
            client.write_all("lost").await.0.unwrap();
            assert_eq!(splice(&front, &back).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn a_part_of_a_file_is_sent_and_the_end_of_it_told() {
    on_each(|setup| {
        setup.run(async move {
            let path = std::env::temp_dir().join(format!(
                "ouzel-send-{}-{:?}",
                std::process::id(),
                std::thread::current().id()
            ));
            let data = pattern(3 << 20, 5);
            std::fs::write(&path, &data).unwrap();
            let file = File::open(&path).await.unwrap();
            std::fs::remove_file(&path).unwrap();
            let (client, server) = pair().await;
            let wanted = data[1000..].to_vec();
            let sending = setup.spawn(async move {
                assert_eq!(send_file(&file, 1000, 5, &server).await.unwrap(), 5);
                let rest = send_file(&file, 1005, u64::MAX, &server).await.unwrap();
                assert_eq!(send_file(&file, 1 << 40, 10, &server).await.unwrap(), 0);
                rest
            });
            sleep(Duration::from_millis(5)).await;
            let got = read_exactly(&client, wanted.len()).await.unwrap();
            assert!(got == wanted, "not what the file holds");
            assert_eq!(sending.await.unwrap() as usize, wanted.len() - 5);
        });
    });
}

#[test]
fn a_directory_is_not_sent() {
    on_each(|setup| {
        setup.run(async move {
            let (_client, server) = pair().await;
            let folder = File::open(std::env::temp_dir()).await.unwrap();
            assert_eq!(send_file(&folder, 0, 10, &server).await.unwrap_err().kind(), ErrorKind::IsADirectory);
        });
    });
}

#[test]
fn buffers_sent_without_a_copy_arrive_and_come_back() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            for round in 0..20u8 {
                let data = pattern(200_000, u64::from(round));
                let (place, wanted) = (data.as_ptr() as usize, data.clone());
                let writing = async {
                    let (n, buf) = client.write(data).zero_copy().await;
                    assert_eq!((n.unwrap(), buf.as_ptr() as usize), (buf.len(), place));
                    client.write_all("end").zero_copy().await.0.unwrap();
                };
                let reading = async {
                    let got = read_exactly(&server, wanted.len() + 3).await.unwrap();
                    assert!(got[..wanted.len()] == wanted && got.ends_with(b"end"), "not what was sent");
                };
                both(writing, reading).await;
            }
        });
    });
}

#[test]
fn a_runtime_ends_although_a_peer_never_takes_what_was_sent_without_a_copy() {
    on_each(|setup| {
        let (_client, server) = setup.run(async move {
            let (client, server) = pair().await;
            let mut write = client.write(vec![7; 32 << 20]).zero_copy();
            assert!(timeout(Duration::from_millis(20), &mut write).await.is_err(), "nobody reads");
            drop(write);
            (client, server)
        });
        drop(server);
    });
}
