//! Accepting by one operation: every connection once, and none forgotten.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use ouzel::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use ouzel::time::{sleep, timeout};
use ouzel_tests::on_each;
use ouzel_tests::sockets::{LOOPBACK, listener, read_exactly};

#[test]
fn every_connection_comes_once() {
    on_each(|setup| {
        setup.run(async move {
            let (listener, address) = listener();
            let mut incoming = listener.incoming();
            let wait = timeout(Duration::from_millis(5), incoming.next()).await;
            assert!(wait.is_err(), "nobody has connected");
            // More at once than a slot has room for.
            for crowd in [1u8, 3, 120] {
                let mut clients = Vec::new();
                for i in 0..crowd {
                    let client = TcpStream::connect(address).await.unwrap();
                    client.write_all(vec![i]).await.0.unwrap();
                    clients.push(client);
                }
                let mut seen = Vec::new();
                for _ in 0..crowd {
                    let server = incoming.next().await.unwrap().unwrap();
                    let byte = read_exactly(&server, 1).await.unwrap();
                    server.write_all(byte.clone()).await.0.unwrap();
                    seen.extend(byte);
                }
                seen.sort_unstable();
                assert_eq!(seen, (0..crowd).collect::<Vec<_>>());
                for (i, client) in clients.iter().enumerate() {
                    assert_eq!(usize::from(read_exactly(client, 1).await.unwrap()[0]), i);
                }
            }
        });
    });
}

#[test]
fn a_cancelled_one_gives_what_it_took_and_leaves_the_rest() {
    on_each(|setup| {
        setup.run(async move {
            let (listener, address) = listener();
            for _ in 0..10 {
                let mut incoming = listener.incoming();
                assert!(timeout(Duration::from_millis(1), incoming.next()).await.is_err());
                let mut open = Vec::new();
                for _ in 0..5 {
                    open.push(TcpStream::connect(address).await.unwrap().local_addr().unwrap());
                }
                incoming.cancel();
                let mut taken = Vec::new();
                while let Some(stream) = incoming.next().await {
                    taken.push(stream.unwrap());
                }
                while taken.len() < 5 {
                    let accept = timeout(Duration::from_secs(300), listener.accept()).await;
                    taken.push(accept.expect("a connection was lost").unwrap().0);
                }
                assert!(timeout(Duration::from_millis(1), listener.accept()).await.is_err(), "one too many");
                drop(open);
            }
        });
    });
}

#[test]
fn a_dropped_one_closes_what_it_took() {
    on_each(|setup| {
        setup.run(async move {
            let (listener, address) = listener();
            let mut incoming = listener.incoming();
            assert!(timeout(Duration::from_millis(1), incoming.next()).await.is_err());
            let clients: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
            // One is taken, others were accepted with it; then nobody wants them.
            drop(incoming.next().await.unwrap().unwrap());
            drop(incoming);
            sleep(Duration::from_millis(5)).await;
            drop(listener);
            for mut client in clients {
                // The end of the descriptor is the end of the connection, with or without a reset.
                client.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
                let ended = ouzel::spawn_blocking(move || client.read(&mut [0; 1])).await.unwrap();
                match ended {
                    Ok(n) => assert_eq!(n, 0),
                    Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
                }
            }
        });
    });
}

#[test]
fn one_that_outlives_its_runtime_closes_what_it_took() {
    on_each(|setup| {
        let (mut incoming, clients) = setup.run(async move {
            let (listener, address) = listener();
            let mut incoming = listener.incoming();
            assert!(timeout(Duration::from_millis(1), incoming.next()).await.is_err());
            let clients: Vec<_> = (0..5).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
            sleep(Duration::from_millis(10)).await;
            (incoming, clients)
        });
        incoming.cancel();
        drop(incoming);
        for mut client in clients {
            client.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
            match client.read(&mut [0; 1]) {
                Ok(n) => assert_eq!(n, 0),
                Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
            }
        }
    });
}

#[test]
fn a_listener_that_was_shut_down_is_an_error() {
    on_each(|setup| {
        setup.run(async move {
            let listener = TcpListener::bind(LOOPBACK).unwrap();
            let mut incoming = listener.incoming();
            assert!(timeout(Duration::from_millis(1), incoming.next()).await.is_err());
            rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
            assert_eq!(incoming.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidInput);
        });
    });
}

#[test]
fn unix_connections_come_too() {
    on_each(|setup| {
        setup.run(async move {
            let path = std::env::temp_dir().join(format!(
                "ouzel-incoming-{}-{}-{}",
                std::process::id(),
                setup.driver,
                setup.workers
            ));
            let listener = UnixListener::bind(&path).unwrap();
            let mut incoming = listener.incoming();
            for round in 0..10u8 {
                let client = UnixStream::connect(&path).await.unwrap();
                client.write_all(vec![round]).await.0.unwrap();
                let server = incoming.next().await.unwrap().unwrap();
                assert_eq!(server.read_exact(vec![0; 1]).await.1, [round]);
            }
            std::fs::remove_file(&path).unwrap();
        });
    });
}
