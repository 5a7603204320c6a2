//! TCP: options, addresses, halves, peeks, and what the system refuses.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Shutdown};
use std::pin::pin;
use std::time::Duration;

use ouzel::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixStream};
use ouzel::op::is_cancelled;
use ouzel::time::sleep;
use ouzel_tests::on_each;
use ouzel_tests::sockets::{LOOPBACK, listener, pair, pattern, read_exactly, waits};

#[test]
fn a_connect_tries_one_address_after_the_other() {
    on_each(|setup| {
        setup.run(async move {
            let (first, refused) = listener();
            drop(first);
            let (listener, good) = listener();
            let client = TcpStream::connect(&[refused, good][..]).await.unwrap();
            assert_eq!(client.peer_addr().unwrap(), good);
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            let only = TcpStream::connect(refused).await.unwrap_err();
            assert_eq!(only.kind(), ErrorKind::ConnectionRefused);
            let name = TcpStream::connect("localhost:1").await.unwrap_err();
            assert_eq!(name.kind(), ErrorKind::InvalidInput);
        });
    });
}

#[test]
fn a_read_without_room_ends_at_once() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            for sent in [false, true] {
                if sent {
                    client.write_all("here").await.0.unwrap();
                }
                assert_eq!(server.read(Vec::new()).await.0.unwrap(), 0);
                assert_eq!(server.peek(Vec::new()).await.0.unwrap(), 0);
                server.read_exact(Vec::new()).await.0.unwrap();
                assert_eq!(server.read_vectored([Vec::new(), Vec::new()]).await.0.unwrap(), 0);
                assert_eq!(server.read_vectored(Vec::<Vec<u8>>::new()).await.0.unwrap(), 0);
            }
            assert_eq!(read_exactly(&server, 4).await.unwrap(), b"here");
        });
    });
}

#[test]
fn a_connect_gives_up_after_its_time() {
    on_each(|setup| {
        setup.run(async move {
            // A backlog of nothing that nobody takes from: later connections wait for an answer.
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let listener = socket.listen(0).unwrap();
            let address = listener.local_addr().unwrap();
            let mut made = Vec::new();
            let late = loop {
                match TcpStream::connect_timeout(&address, Duration::from_millis(40)).await {
                    Ok(stream) => made.push(stream),
                    Err(e) => break e,
                }
                assert!(made.len() < 10, "the backlog never fills");
            };
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            let (_listener, good) = ouzel_tests::sockets::listener();
            let stream = TcpStream::connect_timeout(&good, Duration::from_secs(300)).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), good);
        });
    });
}

#[test]
fn two_sockets_share_a_port_when_both_ask_for_it() {
    on_each(|setup| {
        setup.run(async move {
            let socket = || {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseport(true).unwrap();
                socket
            };
            let first = socket();
            first.bind(LOOPBACK.parse().unwrap()).unwrap();
            let first = first.listen(8).unwrap();
            let second = socket();
            second.bind(first.local_addr().unwrap()).unwrap();
            let second = second.listen(8).unwrap();
            assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
            let third = TcpListener::bind(first.local_addr().unwrap()).unwrap_err();
            assert_eq!(third.kind(), ErrorKind::AddrInUse);
        });
    });
}

#[test]
fn options_are_what_they_were_set_to() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            for on in [false, true] {
                client.set_nodelay(on).unwrap();
                assert_eq!(client.nodelay().unwrap(), on);
            }
            for keep in [None, Some(Duration::from_secs(7))] {
                client.set_keepalive(keep).unwrap();
                assert_eq!(client.keepalive().unwrap(), keep);
                client.set_linger(keep).unwrap();
                assert_eq!(client.linger().unwrap(), keep);
            }
            client.set_linger(None).unwrap();
            client.set_ttl(33).unwrap();
            assert_eq!(client.ttl().unwrap(), 33);
            client.set_recv_buffer_size(50_000).unwrap();
            assert!(client.recv_buffer_size().unwrap() >= 50_000);
            client.set_send_buffer_size(60_000).unwrap();
            assert!(client.send_buffer_size().unwrap() >= 60_000);
            assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
            assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
            assert!(client.take_error().unwrap().is_none());
        });
    });
}

#[test]
fn a_reset_is_told_to_who_waits_and_kept_for_who_asks() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut read = server.read_exact(vec![0; 8]);
            client.write_all("part").await.0.unwrap();
            while read.transferred() < 4 {
                assert!(waits(&mut read).await);
                sleep(Duration::from_millis(1)).await;
            }
            client.set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            let (result, buf) = (&mut read).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!((&buf[..4], read.transferred()), (&b"part"[..], 4));

            let gone = server.shutdown(Shutdown::Write).await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::NotConnected);

            let (client, server) = pair().await;
            client.set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            while server.take_error().unwrap().is_none() {
                sleep(Duration::from_millis(1)).await;
            }
            assert!(server.take_error().unwrap().is_none(), "told once");
        });
    });
}

#[test]
fn a_peek_leaves_the_bytes_for_the_next_read() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut peek = server.peek(Vec::with_capacity(3));
            assert!(waits(&mut peek).await, "nothing was sent yet");
            client.write_all("abcdef").await.0.unwrap();
            let (n, buf) = peek.await;
            assert_eq!((n.unwrap(), buf), (3, b"abc".to_vec()));
            assert_eq!(read_exactly(&server, 6).await.unwrap(), b"abcdef");
            let mut peek = server.peek(vec![9u8; 2]);
            assert!(waits(&mut peek).await);
            peek.cancel();
            let (result, buf) = peek.await;
            assert!(is_cancelled(&result.unwrap_err()) && buf == [9; 2]);
            drop(client);
            assert_eq!(server.peek(vec![0; 2]).await.0.unwrap(), 0);
        });
    });
}

#[test]
fn read_exact_fills_the_buffer_or_meets_the_end() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let data = pattern(300_000, 5);
            let (copy, pieces) = (data.clone(), [1usize, 7, 1000, 70_000]);
            let sending = setup.spawn(async move {
                let mut rest = copy.as_slice();
                for n in pieces.iter().cycle() {
                    let (piece, left) = rest.split_at(rest.len().min(*n));
                    client.write_all(piece.to_vec()).await.0.unwrap();
                    rest = left;
                    if rest.is_empty() {
                        return;
                    }
                }
            });
            let (result, got) = server.read_exact(vec![0; 299_990].into_boxed_slice()).await;
            result.unwrap();
            assert!(*got == data[..299_990], "the bytes differ");
            let (result, got) = server.read_exact(Vec::with_capacity(11)).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
            assert_eq!(got, data[299_990..]);
            assert!(server.read_exact(Vec::new()).await.0.is_ok(), "nothing to fill is not an end");
            sending.await.unwrap();
        });
    });
}

#[test]
fn both_halves_work_at_once_and_the_writing_one_ends_its_direction() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let data = pattern(2 << 20, 6);
            let echo = setup.spawn(async move {
                let (read, write) = server.into_split();
                loop {
                    let (n, buf) = read.read(Vec::with_capacity(50_000)).await;
                    if n.unwrap() == 0 {
                        return;
                    }
                    write.write_all(buf).await.0.unwrap();
                }
            });
            let (read, write) = client.into_split();
            let copy = data.clone();
            let sending = setup.spawn(async move {
                write.write_all(copy).await.0.unwrap();
            });
            let (result, got) = read.read_exact(vec![0; data.len()]).await;
            result.unwrap();
            assert!(got == data, "the bytes differ");
            // The half that wrote is gone, so the echo has seen the end, and so do we.
            assert_eq!(read.read(vec![0; 1]).await.0.unwrap(), 0);
            sending.await.unwrap();
            echo.await.unwrap();
        });
    });
}

#[test]
fn halves_of_one_stream_are_reunited_and_others_are_not() {
    on_each(|setup| {
        setup.run(async move {
            let ((a, b), (c, _d)) = (pair().await, pair().await);
            let (a_read, a_write) = a.into_split();
            let (c_read, c_write) = c.into_split();
            let refused = a_read.reunite(c_write).unwrap_err();
            let (a_read, c_write) = (refused.0, refused.1);
            let a = a_read.reunite(a_write).unwrap();
            drop(c_read.reunite(c_write).unwrap());
            // Reuniting has not shut anything down; nor does forgetting the half.
            a.write_all("whole").await.0.unwrap();
            assert_eq!(read_exactly(&b, 5).await.unwrap(), b"whole");
            let (a_read, a_write) = a.into_split();
            a_write.forget();
            let mut read = b.read(vec![0; 1]);
            assert!(waits(&mut read).await, "the direction was shut down");
            drop(a_read);
            assert_eq!(read.await.0.unwrap(), 0);
        });
    });
}

#[test]
fn borrowed_halves_read_and_write_at_once() {
    on_each(|setup| {
        setup.run(async move {
            let (mut a, b) = UnixStream::pair().unwrap();
            let (read, write) = a.split();
            let mut waiting = read.read(Vec::with_capacity(8));
            assert!(waits(&mut waiting).await);
            write.write_all("to b").await.0.unwrap();
            assert_eq!(b.read_exact(vec![0; 4]).await.1, b"to b");
            b.write_all("to a").await.0.unwrap();
            let (n, buf) = waiting.await;
            assert_eq!((n.unwrap(), buf), (4, b"to a".to_vec()));
            a.shutdown(Shutdown::Write).await.unwrap();
            assert_eq!(b.read(vec![0; 1]).await.0.unwrap(), 0);
        });
    });
}

#[test]
fn a_stream_goes_to_std_and_comes_back_unless_it_is_in_use() {
    on_each(|setup| {
        setup.run(async move {
            let (client, server) = pair().await;
            let mut read = server.read(Vec::with_capacity(4));
            assert!(waits(&mut read).await);
            let server = server.into_std().unwrap_err();
            client.write_all("here").await.0.unwrap();
            assert_eq!(read.await.1, b"here");
            let std = server.into_std().unwrap();
            let server = TcpStream::from_std(std).unwrap();
            let mut read = pin!(server.read(Vec::with_capacity(4)));
            assert!(waits(&mut read).await, "it must not block");
            client.write_all("back").await.0.unwrap();
            assert_eq!(read.await.1, b"back");
        });
    });
}

#[test]
fn version_six_does_the_same() {
    if let Err(e) = std::net::TcpListener::bind("[::1]:0") {
        return println!("skipped: no loopback of IP version six here: {e}");
    }
    on_each(|setup| {
        setup.run(async move {
            let listener = TcpListener::bind("[::1]:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            client.set_ttl(9).unwrap();
            assert_eq!(client.ttl().unwrap(), 9);
            assert_eq!(client.set_ttl(1000).unwrap_err().kind(), ErrorKind::InvalidInput);
            client.write_all("six").await.0.unwrap();
            assert_eq!(read_exactly(&server, 3).await.unwrap(), b"six");
            let (a, b) = (UdpSocket::bind("[::1]:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
            a.send_to("six", b.local_addr().unwrap()).await.0.unwrap();
            let (result, buf) = b.recv_from(Vec::with_capacity(8)).await;
            assert_eq!((result.unwrap(), buf), ((3, a.local_addr().unwrap()), b"six".to_vec()));
            let group = "ff01::1:2".parse().unwrap();
            // SAFETY: the name ends in NUL.
            let lo = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
            a.join_multicast_v6(&group, lo).unwrap();
            a.leave_multicast_v6(&group, lo).unwrap();
            assert!(a.leave_multicast_v6(&group, lo).is_err(), "it has left");
        });
    });
}
