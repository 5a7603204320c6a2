//! Unix sockets: paths, abstract names, credentials, datagrams.

use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ouzel::net::{UnixDatagram, UnixListener, UnixStream};
use ouzel::op::is_cancelled;
use ouzel::time::{sleep, timeout};
use ouzel_tests::sockets::{pattern, waits};
use ouzel_tests::{DropCount, on_each};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// A path that is free, and removed in the end.
struct Path(PathBuf);

impl Path {
    fn new() -> Path {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Path(std::env::temp_dir().join(format!("ouzel-unix-{}-{n}", std::process::id())))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A name that is no path.
fn name() -> SocketAddr {
    let path = Path::new();
    SocketAddr::from_abstract_name(path.0.to_str().unwrap()).unwrap()
}

#[test]
fn a_connection_by_path_carries_bytes_and_credentials() {
    on_each(|setup| {
        setup.run(async move {
            let path = Path::new();
            let listener = UnixListener::bind(&path.0).unwrap();
            assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path.0));
            let at = path.0.clone();
            let client = setup.spawn(async move {
                sleep(Duration::from_millis(5)).await;
                let stream = UnixStream::connect(&at).await.unwrap();
                stream.write_all(pattern(100_000, 1)).await.0.unwrap();
                stream.shutdown(Shutdown::Write).await.unwrap();
                stream
            });
            let (server, peer) = listener.accept().await.unwrap();
            assert!(peer.is_unnamed(), "{peer:?}");
            let (result, got) = server.read_exact(vec![0; 100_000]).await;
            result.unwrap();
            assert!(got == pattern(100_000, 1), "the bytes differ");
            assert_eq!(server.read(vec![0; 1]).await.0.unwrap(), 0);
            let client = client.await.unwrap();
            assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path.0));
            let cred = server.peer_cred().unwrap();
            // SAFETY: no memory is passed.
            assert_eq!(cred.uid(), unsafe { libc::getuid() });
            // SAFETY: as above.
            assert_eq!(cred.gid(), unsafe { libc::getgid() });
            assert_eq!(cred.pid(), Some(std::process::id() as i32));
            let taken = UnixListener::bind(&path.0).unwrap_err();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
            drop(listener);
            let refused = UnixStream::connect(&path.0).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let none = UnixStream::connect(path.0.with_extension("none")).await.unwrap_err();
            assert_eq!(none.kind(), ErrorKind::NotFound);
        });
    });
}

#[test]
fn a_connection_by_abstract_name() {
    on_each(|setup| {
        setup.run(async move {
            let name = name();
            let listener = UnixListener::bind_addr(&name).unwrap();
            assert_eq!(listener.local_addr().unwrap().as_abstract_name(), name.as_abstract_name());
            let client = UnixStream::connect_addr(&name).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            client.write_all("by name").await.0.unwrap();
            assert_eq!(server.read_exact(vec![0; 7]).await.1, b"by name");
            let dropped = timeout(Duration::from_millis(1), listener.accept()).await;
            assert!(dropped.is_err());
            let _again = UnixStream::connect_addr(&name).await.unwrap();
            timeout(Duration::from_secs(300), listener.accept()).await.unwrap().unwrap();
        });
    });
}

#[test]
fn a_connect_waits_for_room_in_the_queue() {
    on_each(|setup| {
        setup.run(async move {
            let name = name();
            let listener = std::os::unix::net::UnixListener::bind_addr(&name).unwrap();
            // SAFETY: no memory is passed.
            assert_eq!(unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 1) }, 0);
            let listener = UnixListener::from_std(listener).unwrap();
            let mut made = Vec::new();
            while let Ok(stream) = timeout(Duration::from_millis(30), UnixStream::connect_addr(&name)).await {
                made.push(stream.unwrap());
                assert!(made.len() < 10, "the queue never fills");
            }
            let over = DropCount::default();
            let guard = over.guard();
            let asking = setup.spawn(async move {
                let _guard = guard;
                let late = UnixStream::connect_addr(&name).await.unwrap();
                assert_eq!(late.read_exact(vec![0; 7]).await.1, b"made it");
            });
            // Behind those that were made there may be the one that was given up.
            let mut accepted = Vec::new();
            while over.get() == 0 {
                let mut accept = listener.accept();
                let in_time = timeout(Duration::from_millis(5), &mut accept).await;
                // Asked for its end and awaited, not dropped: it may just have been given the late one.
                let next = match in_time {
                    Ok(next) => next,
                    Err(_) => {
                        accept.cancel();
                        accept.await
                    }
                };
                match next {
                    Ok((server, _)) => {
                        let _ = server.write_all("made it").await.0;
                        accepted.push(server);
                    }
                    Err(e) => assert!(is_cancelled(&e), "{e}"),
                }
            }
            asking.await.unwrap();
            assert!(accepted.len() > made.len());
        });
    });
}

#[test]
fn datagrams_by_path_and_name_tell_their_sender() {
    on_each(|setup| {
        setup.run(async move {
            let (path, name) = (Path::new(), name());
            let a = UnixDatagram::bind(&path.0).unwrap();
            let b = UnixDatagram::bind_addr(&name).unwrap();
            let mut recv = b.recv_from(Vec::with_capacity(64));
            assert!(waits(&mut recv).await);
            a.send_to_addr("to a name", &name).await.0.unwrap();
            let (result, buf) = recv.await;
            let (n, from) = result.unwrap();
            assert_eq!((n, from.as_pathname(), buf), (9, Some(&*path.0), b"to a name".to_vec()));
            let mut recv = a.recv_from(Vec::with_capacity(64));
            assert!(waits(&mut recv).await);
            b.send_to("to a path", &path.0).await.0.unwrap();
            let (result, buf) = recv.await;
            assert_eq!(result.unwrap().1.as_abstract_name(), name.as_abstract_name());
            assert_eq!(buf, b"to a path");
            let nobody = UnixDatagram::unbound().unwrap();
            nobody.connect(&path.0).unwrap();
            assert_eq!(nobody.peer_addr().unwrap().as_pathname(), Some(&*path.0));
            nobody.send("unnamed").await.0.unwrap();
            let (result, buf) = a.peek_from(Vec::with_capacity(64)).await;
            assert!(result.unwrap().1.is_unnamed() && buf == b"unnamed");
            let (result, buf) = a.recv_from(Vec::with_capacity(64)).await;
            assert!(result.unwrap().1.is_unnamed() && buf == b"unnamed");
            let mut recv = a.recv_from(vec![5]);
            assert!(waits(&mut recv).await);
            recv.cancel();
            let (result, buf) = recv.await;
            assert!(is_cancelled(&result.unwrap_err()) && buf == [5]);
            let (result, buf) = a.send_to(vec![6], path.0.with_extension("none")).await;
            assert_eq!((result.unwrap_err().kind(), buf), (ErrorKind::NotFound, vec![6]));
        });
    });
}

#[test]
fn a_datagram_waits_for_room_and_is_cancelled_there() {
    on_each(|setup| {
        setup.run(async move {
            let (a, b) = UnixDatagram::pair().unwrap();
            let mut sent = 0u64;
            let mut waiting = loop {
                let mut send = a.send(pattern(4000, sent + 1));
                if timeout(Duration::from_millis(20), &mut send).await.is_err() {
                    break send;
                }
                sent += 1;
                assert!(sent < 1000, "the queue never fills");
            };
            waiting.cancel();
            let (result, buf) = waiting.await;
            assert!(is_cancelled(&result.unwrap_err()) && buf == pattern(4000, sent + 1));
            let mut waiting = a.send("last");
            assert!(waits(&mut waiting).await);
            for i in 0..sent {
                let (n, buf) = b.recv(Vec::with_capacity(5000)).await;
                assert!(n.unwrap() == 4000 && buf == pattern(4000, i + 1), "datagram {i}");
            }
            assert_eq!(waiting.await.0.unwrap(), 4);
            assert_eq!(b.recv(Vec::with_capacity(5000)).await.1, b"last");
            b.shutdown(Shutdown::Both).await.unwrap();
            assert_eq!(a.send("x").await.0.unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn bytes_behind_a_descriptor_are_received() {
    on_each(|setup| {
        setup.run(async move {
            let (peer, stream) = UnixStream::pair().unwrap();
            let mut read = stream.read(Vec::with_capacity(100));
            assert!(waits(&mut read).await);
            peer.write_all("first").await.0.unwrap();
            assert_eq!(read.await.1, b"first");
            // A receive ends where a descriptor came along: a short one, and there is more.
            let (mut space, fds) =
                ([MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))], [peer.as_fd()]);
            let mut message = SendAncillaryBuffer::new(&mut space);
            assert!(message.push(SendAncillaryMessage::ScmRights(&fds)));
            let bytes = [IoSlice::new(b"with it, ")];
            assert_eq!(sendmsg(&peer, &bytes, &mut message, SendFlags::empty()).unwrap(), 9);
            assert_eq!(rustix::net::send(&peer, b"behind it", SendFlags::empty()).unwrap(), 9);
            let (result, got) = stream.read_exact(vec![0; 18]).await;
            result.unwrap();
            assert_eq!(got, b"with it, behind it");
        });
    });
}
