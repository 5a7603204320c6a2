//! A reader that is slow, or does not read: who writes to it has to wait, memory stays bounded, and nothing is lost.

use std::time::Duration;

use ouzel::net::TcpStream;
use ouzel::time::{sleep, timeout};
use ouzel_tests::on_each;
use ouzel_tests::sockets::{pair, pattern, waits};

const PIECE: usize = 64 << 10;
/// More than the sockets of both sides and all provided buffers of a thread hold together.
const MUCH: usize = 64 << 20;

/// Byte `i` of the stream: the pieces' pattern, again and again.
fn is_right(from: usize, got: &[u8], piece: &[u8]) -> bool {
    got.iter().enumerate().all(|(i, byte)| *byte == piece[(from + i) % PIECE])
}

/// Writes until the peer has taken nothing for a while; how many bytes went.
async fn fill(to: &TcpStream, piece: &[u8]) -> usize {
    let mut sent = 0;
    loop {
        // From where the last piece was cut off.
        let rest = piece[sent % PIECE..].to_vec();
        match to.write(rest).timeout(Duration::from_millis(50)).await.0 {
            Ok(n) => sent += n,
            Err(e) => {
                assert_eq!(e.kind(), std::io::ErrorKind::TimedOut);
                return sent;
            }
        }
        assert!(sent < MUCH, "nobody reads, and {sent} bytes went out");
    }
}

#[test]
fn a_stream_that_nobody_reads_holds_no_more_than_its_buffers() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let piece = pattern(PIECE, 1);
            // One operation for all bytes, begun and then left alone.
            let mut stream = server.recv_stream();
            {
                let mut next = std::pin::pin!(stream.next());
                assert!(waits(&mut next).await);
            }
            let sent = fill(&client, &piece).await;
            let mut got = 0;
            while got < sent {
                let chunk = stream.next().await.expect("it goes on").unwrap();
                assert!(is_right(got, &chunk, &piece), "wrong after {got} bytes");
                got += chunk.len();
            }
            assert_eq!(got, sent);
        });
    });
}

#[test]
fn an_echo_waits_for_a_peer_that_sends_and_does_not_read() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let piece = pattern(PIECE, 2);
            let echo = setup.spawn(async move {
                let mut buf = Vec::with_capacity(16 << 10);
                loop {
                    let (n, bytes) = server.read(buf).await;
                    if n.unwrap() == 0 {
                        return;
                    }
                    let (sent, bytes) = server.write_all(bytes).await;
                    sent.unwrap();
                    buf = bytes;
                    buf.clear();
                }
            });
            let sent = fill(&client, &piece).await;
            // Slowly at first.
            let (mut got, mut buf) = (0, Vec::with_capacity(1000));
            while got < sent {
                if got < 20_000 {
                    sleep(Duration::from_micros(500)).await;
                }
                buf.clear();
                let (n, bytes) = client.read(buf).await;
                assert!(n.unwrap() > 0 && is_right(got, &bytes, &piece), "wrong after {got} bytes");
                got += bytes.len();
                buf = if got < 20_000 { bytes } else { Vec::with_capacity(1 << 20) };
            }
            client.shutdown(std::net::Shutdown::Write).await.unwrap();
            timeout(Duration::from_secs(300), echo).await.expect("it ends").unwrap();
        });
    });
}
