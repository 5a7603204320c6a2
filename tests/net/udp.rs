//! UDP: datagrams whole and from whom, options, and what the system refuses.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use ouzel::net::UdpSocket;
use ouzel::op::is_cancelled;
use ouzel_tests::on_each;
use ouzel_tests::sockets::{LOOPBACK, pattern, waits};

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(LOOPBACK).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[test]
fn datagrams_arrive_whole_with_their_sender() {
    on_each(|setup| {
        setup.run(async move {
            let ((a, a_addr), (b, b_addr)) = (bound(), bound());
            let mut recv = b.recv_from(Vec::with_capacity(2000));
            assert!(waits(&mut recv).await, "nothing was sent yet");
            for (i, size) in [0usize, 1, 100, 1400].into_iter().enumerate() {
                let data = pattern(size, i as u64 + 1);
                assert_eq!(a.send_to(data.clone(), b_addr).await.0.unwrap(), size);
                let (result, buf) = recv.await;
                assert_eq!((result.unwrap(), buf), ((size, a_addr), data));
                recv = b.recv_from(Vec::with_capacity(2000));
            }
            assert!(waits(&mut recv).await);
            recv.cancel();
            let (result, buf) = recv.await;
            assert!(is_cancelled(&result.unwrap_err()) && buf.is_empty());
            a.send_to("first", b_addr).await.0.unwrap();
            a.send_to("second", b_addr).await.0.unwrap();
            let (result, buf) = b.peek_from(Vec::with_capacity(3)).await;
            assert_eq!((result.unwrap(), buf), ((3, a_addr), b"fir".to_vec()));
            let (result, buf) = b.recv_from(Vec::with_capacity(3)).await;
            assert_eq!((result.unwrap(), buf), ((3, a_addr), b"fir".to_vec()));
            let (result, buf) = b.recv_from(Vec::with_capacity(99)).await;
            assert_eq!((result.unwrap(), buf), ((6, a_addr), b"second".to_vec()), "the cut rest is lost");
        });
    });
}

#[test]
fn a_connected_socket_talks_to_its_peer_alone() {
    on_each(|setup| {
        setup.run(async move {
            let ((a, a_addr), (b, b_addr), (stranger, _)) = (bound(), bound(), bound());
            a.connect(b_addr).unwrap();
            b.connect(a_addr).unwrap();
            assert_eq!((a.peer_addr().unwrap(), b.peer_addr().unwrap()), (b_addr, a_addr));
            let mut recv = b.recv(Vec::with_capacity(64));
            assert!(waits(&mut recv).await);
            stranger.send_to("stranger", b_addr).await.0.unwrap();
            a.send("peer").await.0.unwrap();
            let (n, buf) = recv.await;
            assert_eq!((n.unwrap(), buf), (4, b"peer".to_vec()));
            let mut peek = a.peek(Vec::with_capacity(64));
            assert!(waits(&mut peek).await);
            b.send("answer").await.0.unwrap();
            assert_eq!(peek.await.1, b"answer");
            assert_eq!(a.recv(Vec::with_capacity(64)).await.1, b"answer");
        });
    });
}

#[test]
fn a_datagram_for_nobody_or_too_long_is_an_error() {
    on_each(|setup| {
        setup.run(async move {
            let ((a, _), (gone, address)) = (bound(), bound());
            drop(gone);
            a.connect(address).unwrap();
            a.send("x").await.0.unwrap();
            let (result, buf) = a.recv(Vec::with_capacity(8)).await;
            assert_eq!((result.unwrap_err().kind(), buf.len()), (ErrorKind::ConnectionRefused, 0));
            let (b, b_addr) = bound();
            let (result, buf) = b.send_to(vec![0; 70_000], b_addr).await;
            assert_eq!((result.unwrap_err().raw_os_error(), buf.len()), (Some(libc::EMSGSIZE), 70_000));
            let (result, buf) = b.send_to(vec![1, 2], "no address").await;
            assert_eq!((result.unwrap_err().kind(), buf), (ErrorKind::InvalidInput, vec![1, 2]));
            let mut send = b.send_to(vec![3], b_addr);
            send.cancel();
            let (result, buf) = send.await;
            assert!(is_cancelled(&result.unwrap_err()) && buf == [3]);
            assert_eq!(UdpSocket::bind(b_addr).unwrap_err().kind(), ErrorKind::AddrInUse);
        });
    });
}

#[test]
fn options_and_groups() {
    on_each(|setup| {
        setup.run(async move {
            let (a, _) = bound();
            assert!(!a.broadcast().unwrap());
            a.set_broadcast(true).unwrap();
            assert!(a.broadcast().unwrap());
            a.set_ttl(17).unwrap();
            a.set_multicast_ttl_v4(3).unwrap();
            a.set_multicast_loop_v4(false).unwrap();
            assert_eq!((a.ttl().unwrap(), a.multicast_ttl_v4().unwrap()), (17, 3));
            assert!(!a.multicast_loop_v4().unwrap());
            let (group, here) = (Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::LOCALHOST);
            a.join_multicast_v4(group, here).unwrap();
            a.leave_multicast_v4(group, here).unwrap();
            let again = a.leave_multicast_v4(group, here).unwrap_err();
            assert_eq!(again.kind(), ErrorKind::AddrNotAvailable);
            let b = UdpSocket::from_std(a.into_std().unwrap()).unwrap();
            assert_eq!(b.ttl().unwrap(), 17);
            assert!(b.take_error().unwrap().is_none());
        });
    });
}
