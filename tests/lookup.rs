//! Look-ups of names, on every driver, without a name server.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;

use ouzel::net::{TcpListener, TcpStream, lookup_host};
use ouzel::{BlockingConfig, Runtime};
use ouzel_tests::{drivers, on_each, until, watchdog};

/// A runtime whose one blocking thread is busy until the sender is dropped.
fn busy(driver: ouzel::Driver) -> (Runtime, mpsc::Sender<()>) {
    let one = BlockingConfig { core_threads: 1, max_threads: 1, ..BlockingConfig::default() };
    let runtime = Runtime::builder().driver(driver).worker_threads(1).blocking(one).build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    drop(runtime.spawn_blocking(move || {
        begin.send(()).unwrap();
        let _ = released.recv();
    }));
    begun.recv().unwrap();
    (runtime, release)
}

#[test]
fn a_name_is_found_and_can_be_connected_to() {
    on_each(|setup| {
        setup.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let text = format!("localhost:{port}");
            for found in [
                lookup_host(("localhost", port)).await.unwrap().collect::<Vec<_>>(),
                lookup_host(&text).await.unwrap().collect(),
                lookup_host(text.as_str()).await.unwrap().collect(),
                lookup_host((String::from("localhost"), port)).await.unwrap().collect(),
            ] {
                let four = found.into_iter().find(SocketAddr::is_ipv4).expect("an address of version four");
                assert_eq!(four, listener.local_addr().unwrap());
                drop(TcpStream::connect(four).await.unwrap());
            }
        });
    });
}

#[test]
fn what_is_no_name_is_an_error() {
    on_each(|setup| {
        setup.run(async {
            // Longer than a name may be, so no server is asked.
            let long = "x".repeat(300);
            assert!(lookup_host((long.as_str(), 80)).await.is_err());
            assert!(lookup_host(format!("{long}:80")).await.is_err());
            let error = lookup_host("localhost").await.expect_err("there is no port");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        });
    });
}

#[test]
fn an_address_needs_no_look_up() {
    for driver in drivers() {
        watchdog("an address", move || {
            let (runtime, release) = busy(driver);
            runtime.block_on(async {
                for (host, address) in [("127.0.0.1:7", "127.0.0.1:7"), ("[::1]:7", "[::1]:7")] {
                    let found: Vec<_> = lookup_host(host).await.unwrap().collect();
                    assert_eq!(found, [address.parse::<SocketAddr>().unwrap()]);
                }
                let found: Vec<_> = lookup_host(("::1", 7)).await.unwrap().collect();
                assert_eq!(found, ["[::1]:7".parse::<SocketAddr>().unwrap()]);
            });
            drop(release);
        });
    }
}

#[test]
fn a_look_up_waits_for_the_pool_and_leaves_it_when_dropped() {
    for driver in drivers() {
        watchdog("a look-up that waits", move || {
            let (runtime, release) = busy(driver);
            runtime.block_on(async {
                let polled = |waiting: bool| assert!(waiting, "the pool is busy");
                let mut dropped = Box::pin(lookup_host("localhost:80"));
                polled(poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await);
                assert_eq!(runtime.metrics().blocking_queued, 1);
                drop(dropped);
                assert_eq!(runtime.metrics().blocking_queued, 0);
                let mut kept = pin!(lookup_host("localhost:80"));
                polled(poll_fn(|cx| Poll::Ready(kept.as_mut().poll(cx).is_pending())).await);
                drop(release);
                assert!(kept.await.unwrap().all(|a| a.port() == 80));
            });
        });
    }
}

#[test]
fn a_shutdown_ends_a_look_up_that_has_not_begun() {
    for driver in drivers() {
        watchdog("a look-up and a shutdown", move || {
            let (runtime, release) = busy(driver);
            let handle = runtime.handle();
            let asked = runtime.spawn(async { lookup_host("localhost:80").await.map(drop) });
            until(|| handle.metrics().blocking_queued == 1);
            let ending = std::thread::spawn(move || drop(runtime));
            // The task is dropped with its look-up, or is told.
            until(|| handle.metrics().blocking_queued == 0);
            drop(release);
            ending.join().unwrap();
            drop(asked);
        });
    }
}
