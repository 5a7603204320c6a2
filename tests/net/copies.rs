//! Small replies without an operation: in order, whole even if the stream is dropped, behind each other where there is no room.

use std::io;
use std::net::Shutdown;
use std::sync::OnceLock;
use std::time::Duration;

use ouzel::Driver;
use ouzel::net::{TcpStream, UnixStream};
use ouzel_tests::on_each;
use ouzel_tests::sockets::{pair, pattern, read_exactly};

/// Whether this stream's runtime takes copies at all; sends "x" if it does.
fn takes(stream: &TcpStream) -> bool {
    stream.send_copy(b"x").unwrap()
}

/// More than any socket holds.
fn bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| pattern(32 << 20, 1))
}

/// Sends pieces until one is not taken; the number of bytes that were.
fn fill(send_copy: impl Fn(&[u8]) -> io::Result<bool>, bytes: &[u8]) -> usize {
    let mut taken = 0;
    for piece in bytes.chunks(9_001) {
        if !send_copy(piece).unwrap() {
            return taken;
        }
        taken += piece.len();
    }
    panic!("a socket without an end");
}

#[test]
fn local_runtimes_take_copies_on_the_drivers_of_linux() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let wanted = setup.workers == 0 && setup.driver != Driver::Poll;
            assert_eq!(takes(&server), wanted);
            assert!(!server.send_copy(&[0; 16 * 1024 + 1]).unwrap());
            if wanted {
                assert_eq!(read_exactly(&client, 1).await.unwrap(), b"x");
            }
        });
    });
}

#[test]
fn what_finds_no_room_waits_and_what_is_written_next_goes_behind_it() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let bytes = bytes();
            let taken = fill(|piece| server.send_copy(piece), bytes);
            assert!(taken == 0 || taken > 64 * 1024);
            let behind = bytes[taken..taken + 100_000].to_vec();
            let expected = bytes[..taken + 100_000].to_vec();
            let writing = setup.spawn(async move {
                server.write_all(behind).await.0.unwrap();
                server.shutdown(Shutdown::Write).await.unwrap();
                server
            });
            for _ in 0..5 {
                ouzel::yield_now().await;
            }
            assert!(read_exactly(&client, expected.len()).await.unwrap() == expected);
            assert_eq!(client.read(vec![0; 1]).await.0.unwrap(), 0);
            drop(writing.await);
        });
    });
}

#[test]
fn a_shutdown_goes_behind_what_waits() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let bytes = bytes();
            let taken = fill(|piece| server.send_copy(piece), bytes);
            let ending = setup.spawn(async move {
                server.shutdown(Shutdown::Write).await.unwrap();
                server
            });
            assert!(read_exactly(&client, taken).await.unwrap() == bytes[..taken]);
            assert_eq!(client.read(vec![0; 1]).await.0.unwrap(), 0);
            drop(ending.await);
        });
    });
}

#[test]
fn what_was_taken_is_sent_although_its_stream_is_dropped() {
    on_each(|setup| {
        setup.run(async move {
            for full in [false, true] {
                let (client, server) = pair().await;
                let bytes = bytes();
                let taken = if full {
                    fill(|piece| server.send_copy(piece), bytes)
                } else {
                    usize::from(server.send_copy(&bytes[..1]).unwrap())
                };
                drop(server);
                // The number is free too early if the stream was closed: these would get the bytes.
                let (next, other) = pair().await;
                assert!(read_exactly(&client, taken).await.unwrap() == bytes[..taken]);
                assert_eq!(client.read(vec![0; 1]).await.0.unwrap(), 0);
                for stream in [&next, &other] {
                    assert!(
                        stream.try_read(&mut [0; 1]).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
                    );
                }
            }
        });
    });
}

#[test]
fn a_failure_is_told_at_the_next_copy() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            if !takes(&server) {
                return;
            }
            client.set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            let told = loop {
                match server.send_copy(b"nobody") {
                    Ok(_) => ouzel::yield_now().await,
                    Err(e) => break e,
                }
            };
            // Whichever call comes first after the reset hears of it, all later ones find the stream closed.
            use io::ErrorKind::{BrokenPipe, ConnectionReset};
            assert!(matches!(told.kind(), ConnectionReset | BrokenPipe), "{told}");
        });
    });
}

/// A write that waits behind what found no room is cancelled, and takes nothing with it. (TCP goes on to find room for a while.)
#[test]
fn a_write_behind_what_waits_is_cancelled() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = UnixStream::pair().unwrap();
            let bytes = bytes();
            let taken = fill(|piece| server.send_copy(piece), bytes);
            if taken == 0 {
                return;
            }
            let mut write = server.write_all(b"never".to_vec());
            let in_time = ouzel::timeout(Duration::from_millis(20), &mut write).await;
            assert!(in_time.is_err());
            drop(write);
            let ending = setup.spawn(async move {
                server.shutdown(Shutdown::Write).await.unwrap();
            });
            let mut got = Vec::new();
            loop {
                let (n, piece) = client.read(Vec::with_capacity(64 * 1024)).await;
                if n.unwrap() == 0 {
                    break;
                }
                got.extend(piece);
            }
            assert!(got == bytes[..taken]);
            ending.await.unwrap();
        });
    });
}
