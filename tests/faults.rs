//! Exhaustion, refusal and misuse: a clear error, and nothing lost.
//!
//! Faults that need a process of their own (a seccomp filter, a descriptor limit, a fork) run in a
//! child: this binary starts itself again with the scenario's name in an environment variable.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ouzel::net::{TcpListener, TcpSocket, TcpStream};
use ouzel::time::{sleep, timeout};
use ouzel::{Driver, Runtime};
use ouzel_tests::{Setup, drivers, forbid_call, in_child};

/// Makes `io_uring_setup` fail with `errno` from here on, in this process, for ever.
fn forbid_io_uring(errno: i32) {
    forbid_call(libc::SYS_io_uring_setup, errno);
}

fn falls_back_and_says_so(errno: i32, word: &str) {
    forbid_io_uring(errno);
    let runtime = Runtime::builder().worker_threads(2).build().expect("auto finds another driver");
    assert_eq!(runtime.driver_name(), "epoll");
    let why = runtime.driver_description();
    assert!(why.contains("io_uring") && why.contains(word), "does not say why: {why}");
    let error = Runtime::builder().driver(Driver::Uring).build().expect_err("forced uring cannot work");
    assert_eq!(error.raw_os_error(), Some(errno), "{error}");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = ouzel::spawn(async move { TcpStream::connect(address).await.unwrap() });
        let (server, _) = listener.accept().await.unwrap();
        client.await.unwrap().write_all("fine").await.0.unwrap();
        assert_eq!(server.read(Vec::with_capacity(8)).await.1, b"fine");
    });
}

#[test]
fn io_uring_forbidden_with_enosys_falls_back() {
    in_child("io_uring_forbidden_with_enosys_falls_back", || falls_back_and_says_so(libc::ENOSYS, "38"));
}

#[test]
fn io_uring_forbidden_with_eperm_falls_back() {
    in_child("io_uring_forbidden_with_eperm_falls_back", || falls_back_and_says_so(libc::EPERM, "1"));
}

/// No descriptor is left in this process while it lives.
struct Exhausted {
    spare: Vec<std::fs::File>,
    old: libc::rlimit,
}

impl Exhausted {
    /// At least so many are among the spare ones.
    const ROOM: usize = 32;

    fn now() -> Exhausted {
        let highest = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u64>().ok())
            .max();
        let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the struct is ours and complete.
        unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut old) };
        // Room for what a test gives back bit by bit, however few this process was started with.
        let low = libc::rlimit { rlim_cur: highest.unwrap() + 1 + Exhausted::ROOM as u64, ..old };
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const low) };
        let mut spare = Vec::new();
        while let Ok(f) = std::fs::File::open("/dev/null") {
            spare.push(f);
        }
        Exhausted { spare, old }
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        self.spare.clear();
        // SAFETY: the struct is ours and complete.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const self.old) };
    }
}

#[test]
fn incoming_says_emfile_waits_and_goes_on() {
    in_child("incoming_says_emfile_waits_and_goes_on", || {
        for driver in drivers() {
            Setup { driver, workers: 0 }.run(async {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let mut incoming = listener.incoming();
                // Begun below the limit: a ring goes by the one that held when it was asked.
                let sockets: Vec<_> = (0..3).map(|_| TcpSocket::new_v4().unwrap()).collect();
                let exhausted = Exhausted::now();
                let mut clients = Vec::new();
                for socket in sockets {
                    clients.push(socket.connect(address).await.unwrap());
                }
                for _ in 0..3 {
                    let error = incoming.next().await.unwrap().expect_err("no descriptor is left");
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                }
                drop(exhausted);
                let mut peers = Vec::new();
                for _ in 0..3 {
                    let next = timeout(Duration::from_secs(300), incoming.next()).await.expect("was lost");
                    peers.push(next.unwrap().unwrap().peer_addr().unwrap());
                }
                assert!(clients.iter().all(|c| peers.contains(&c.local_addr().unwrap())));
            });
        }
    });
}

#[test]
fn emfile_on_accept_is_an_error_and_the_connection_waits() {
    in_child("emfile_on_accept_is_an_error_and_the_connection_waits", || {
        for driver in drivers() {
            Setup { driver, workers: 0 }.run(async {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                // Let the driver open whatever it opens lazily before the limit comes down.
                sleep(Duration::from_millis(1)).await;
                let exhausted = Exhausted::now();
                let error = listener.accept().await.expect_err("no descriptor is left");
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                drop(exhausted);
                let (server, peer) =
                    timeout(Duration::from_secs(300), listener.accept()).await.expect("was lost").unwrap();
                assert_eq!(peer, client.local_addr().unwrap());
                drop(server);
            });
        }
    });
}

/// As many descriptors as this process may have at all.
fn raise_the_descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is ours and complete.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Closes with a reset.
fn reset(stream: std::net::TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (at, size) = ((&raw const linger).cast(), size_of_val(&linger) as u32);
    // SAFETY: the option's value is ours and complete.
    let rc = unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, at, size) };
    assert_eq!(rc, 0);
}

/// Serves until it is dropped; counts connections begun, ended, and ended by a reset.
async fn count_connections(setup: Setup, listener: TcpListener, counts: Arc<[AtomicUsize; 3]>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let counts = Arc::clone(&counts);
        drop(setup.spawn(async move {
            // ORDERING: Relaxed, counters.
            counts[0].fetch_add(1, Ordering::Relaxed);
            let (result, bytes) = stream.read(Vec::with_capacity(16)).await;
            if result.is_ok_and(|n| n > 0) {
                stream.write_all(bytes).await.0.unwrap();
            } else {
                counts[2].fetch_add(1, Ordering::Relaxed);
            }
            counts[1].fetch_add(1, Ordering::Relaxed);
        }));
    }
}

#[test]
fn ten_thousand_connections_reset_at_once_leave_nothing() {
    in_child("ten_thousand_connections_reset_at_once_leave_nothing", || {
        // Both ends are in this process.
        let many = 10_000.min(raise_the_descriptor_limit() / 2 - 100);
        for (i, driver) in drivers().into_iter().enumerate() {
            let setup = Setup { driver, workers: i % 3 };
            setup.run(async move {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let counts = Arc::new([const { AtomicUsize::new(0) }; 3]);
                let serving = setup.spawn(count_connections(setup, listener, Arc::clone(&counts)));
                let opened = ouzel::spawn_blocking(move || {
                    (0..many).map(|_| std::net::TcpStream::connect(address).unwrap()).collect::<Vec<_>>()
                });
                let opened = opened.await.unwrap();
                // ORDERING: Relaxed, a counter that is looked at again.
                while counts[0].load(Ordering::Relaxed) < many {
                    sleep(Duration::from_millis(1)).await;
                }
                opened.into_iter().for_each(reset);
                while counts[1].load(Ordering::Relaxed) < many {
                    sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(counts[2].load(Ordering::Relaxed), many, "{driver}: not all were reset");
                let after = TcpStream::connect(address).await.unwrap();
                after.write_all("still there").await.0.unwrap();
                assert_eq!(after.read(Vec::with_capacity(16)).await.1, b"still there");
                drop(serving);
            });
            println!("{setup:?}: {many} connections");
        }
    });
}

/// A runtime of either kind, made in a forked child: tasks, timers and operations work there.
fn child_makes_its_own(driver: Driver) -> bool {
    [0, 1].into_iter().all(|workers| {
        let setup = Setup { driver, workers };
        let ran = setup.run(async {
            sleep(Duration::from_millis(1)).await;
            let listener = ouzel::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let client = setup.spawn(async move { ouzel::net::TcpStream::connect(address).await.is_ok() });
            listener.accept().await.is_ok() && client.await.unwrap()
        });
        ran && !ouzel::in_forked_child()
    })
}

#[test]
fn a_forked_child_gets_an_error_from_its_parents_runtime_and_may_make_one_of_its_own() {
    in_child("a_forked_child_gets_an_error_from_its_parents_runtime_and_may_make_one_of_its_own", || {
        for driver in drivers() {
            let runtime = Setup { driver, workers: 1 }.shared();
            runtime.block_on(async { sleep(Duration::from_millis(1)).await });
            // SAFETY: the child only calls into the runtime, which must refuse, and leaves by `_exit`.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let refused = ouzel::in_forked_child()
                    && runtime.shutdown_timeout(Duration::from_secs(5)).is_err()
                    && runtime.spawn(async {}).is_finished();
                drop(runtime);
                let own = child_makes_its_own(driver);
                // SAFETY: ends the child without running the parent's exit handlers.
                unsafe { libc::_exit(if refused && own { 0 } else { 1 }) };
            }
            assert!(pid > 0);
            let mut status = 0;
            // SAFETY: waits for our own child.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_eq!(status, 0, "the child was not refused (driver {driver})");
            assert!(!ouzel::in_forked_child());
            runtime.block_on(async { sleep(Duration::from_millis(1)).await });
        }
    });
}

/// Descriptors and threads of this process.
fn held() -> [usize; 2] {
    ["/proc/self/fd", "/proc/self/task"].map(|dir| std::fs::read_dir(dir).unwrap().count())
}

/// Threads that end are there for a moment yet.
fn comes_to_hold(what: [usize; 2]) {
    while held() != what {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_runtime_without_descriptors_is_an_error_and_leaves_nothing() {
    in_child("a_runtime_without_descriptors_is_an_error_and_leaves_nothing", || {
        let before = held();
        for driver in drivers() {
            let build = || Runtime::builder().driver(driver).worker_threads(3).build();
            let mut failures = 0;
            loop {
                let mut exhausted = Exhausted::now();
                assert!(failures <= Exhausted::ROOM, "{driver}: {failures} descriptors are not enough");
                let left = exhausted.spare.len() - failures;
                exhausted.spare.truncate(left);
                let built = build();
                drop(exhausted);
                match built {
                    Ok(_) => break,
                    Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EMFILE), "{driver}: {e}"),
                }
                failures += 1;
                comes_to_hold(before);
            }
            // With none, with those of one worker, and with those of two.
            assert!(failures >= 3, "{driver}: {failures}");
            comes_to_hold(before);
        }
    });
}

#[test]
fn a_runtime_without_threads_is_an_error_and_leaves_nothing() {
    in_child("a_runtime_without_threads_is_an_error_and_leaves_nothing", || {
        let before = held();
        for driver in drivers() {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            let used = 4096 * pages.split(' ').next().unwrap().parse::<u64>().unwrap();
            if used > 1 << 40 {
                // Its own mappings would fail.
                return println!(
                    "skipped: AddressSanitizer has {used} bytes of address space, which cannot be limited"
                );
            }
            let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the struct is ours and complete.
            unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut old) };
            // Rings, and a few stacks of two megabytes: the C library keeps some of threads that have ended, not 64.
            let low = libc::rlimit { rlim_cur: used + (10 << 20), ..old };
            // SAFETY: as above.
            unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const low) };
            let built = Runtime::builder().driver(driver).worker_threads(64).build();
            // SAFETY: as above.
            unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const old) };
            assert_eq!(built.map(drop).unwrap_err().kind(), io::ErrorKind::WouldBlock, "{driver}");
            comes_to_hold(before);
        }
    });
}

#[test]
fn bad_options_are_named() {
    let error = Runtime::builder().worker_threads(0).build().expect_err("no workers");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(Runtime::builder().worker_threads(65).build().is_err());
    assert!("sideways".parse::<Driver>().unwrap_err().to_string().contains("sideways"));
}

#[test]
fn the_environment_chooses_the_driver() {
    in_child("the_environment_chooses_the_driver", || {
        // SAFETY: this process runs one test on one thread.
        unsafe { std::env::set_var("OUZEL_DRIVER", "poll") };
        assert_eq!(Runtime::builder().build().unwrap().driver_name(), "poll");
        // SAFETY: as above.
        unsafe { std::env::set_var("OUZEL_DRIVER", "nonsense") };
        assert!(Runtime::builder().build().unwrap_err().to_string().contains("OUZEL_DRIVER"));
    });
}
