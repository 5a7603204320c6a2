//! UDP: datagrams whole and from whom, options, and what the system refuses.

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::Rc;

use ouzel::Driver;
use ouzel::net::UdpSocket;
use ouzel::op::is_cancelled;
use ouzel_tests::sockets::{LOOPBACK, pattern, waits};
use ouzel_tests::{Setup, drivers, on_each, watchdog};

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

/// Blocks until a datagram is there: what is sent over loopback may arrive a moment later.
fn arrived(socket: &UdpSocket) {
    let mut asked = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which is a local.
    while unsafe { libc::poll(&raw mut asked, 1, -1) } != 1 {}
}

/// `count` datagrams there and back, over a socket without and one with a peer.
async fn there_and_back(count: u64) {
    let ((a, a_addr), (b, b_addr)) = (bound(), bound());
    a.connect(b_addr).unwrap();
    let (mut buf, mut back) = (Vec::with_capacity(64), Vec::with_capacity(64));
    for i in 0..count {
        let data = pattern(40, i);
        assert_eq!(a.send(data.clone()).await.0.unwrap(), 40);
        arrived(&b);
        let (received, got) = b.recv_from(buf).await;
        assert_eq!((received.unwrap(), &got), ((40, a_addr), &data));
        let (sent, got) = b.send_to(got, a_addr).await;
        assert_eq!(sent.unwrap(), 40);
        arrived(&a);
        let (received, answer) = a.recv(back).await;
        assert_eq!((received.unwrap(), &answer), (40, &data));
        (buf, back) = (got, answer);
        buf.clear();
        back.clear();
    }
}

/// Counts what `count` of them cost: entries in the ring, system calls of the driver.
fn cost(driver: Driver, count: u64) -> (u64, u64) {
    let local = Setup { driver, workers: 0 }.local();
    local.block_on(async {
        there_and_back(count).await;
        // The counts are told when the thread waits.
        ouzel::sleep(std::time::Duration::from_millis(1)).await;
    });
    let io = local.metrics().io;
    (io.sqes, io.syscalls)
}

#[test]
fn a_datagram_that_is_there_takes_one_call_and_no_operation() {
    for driver in drivers() {
        let ((few, few_calls), (many, many_calls)) =
            watchdog(&format!("{driver}"), move || (cost(driver, 100), cost(driver, 1100)));
        assert!(many <= few + 8, "{driver}: {few} entries for 100, {many} for 1100");
        if driver != Driver::Poll {
            let calls = many_calls - few_calls;
            assert!((4000..4200).contains(&calls), "{driver}: {calls} calls for 4000 datagrams");
        }
    }
}

#[test]
fn a_socket_that_always_has_a_datagram_lets_others_run() {
    for driver in drivers() {
        watchdog(&format!("{driver}"), move || {
            Setup { driver, workers: 0 }.local().block_on(async {
                let over = Rc::new(Cell::new(false));
                let other = Rc::clone(&over);
                let (socket, address) = bound();
                ouzel::spawn_local(async move { other.set(true) }).detach();
                while !over.get() {
                    socket.send_to("again", address).await.0.unwrap();
                    let (received, buf) = socket.recv_from(Vec::with_capacity(8)).await;
                    assert_eq!((received.unwrap(), buf), ((5, address), b"again".to_vec()));
                }
            });
        });
    }
}

#[test]
fn a_datagram_in_time_is_received_and_a_late_one_is_not() {
    on_each(|setup| {
        setup.run(async {
            let ((a, a_addr), (b, b_addr)) = (bound(), bound());
            let at = std::time::Duration::ZERO;
            let (late, buf) = b.recv_from(Vec::with_capacity(8)).timeout(at).await;
            assert_eq!((late.unwrap_err().kind(), buf.len()), (ErrorKind::TimedOut, 0));
            a.send_to("there", b_addr).await.0.unwrap();
            arrived(&b);
            let (there, buf) = b.recv_from(Vec::with_capacity(8)).timeout(at).await;
            assert_eq!((there.unwrap(), buf), ((5, a_addr), b"there".to_vec()));
        });
    });
}

#[test]
fn outside_of_a_runtime_nothing_is_sent() {
    let ((a, _), (b, b_addr)) = (bound(), bound());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut send = a.send_to("x", b_addr);
    let polled = std::pin::Pin::new(&mut send).poll(&mut cx);
    assert!(matches!(polled, std::task::Poll::Ready((Err(_), "x"))), "{polled:?}");
    let b = b.into_std().unwrap();
    b.set_nonblocking(true).unwrap();
    assert_eq!(b.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
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
