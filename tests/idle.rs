//! A runtime with nothing to do takes no processor time: its threads are not switched to a single time.
//!
//! One test, so that this process has no other threads than the ones watched: a runtime of every kind, each
//! with a thread in its `block_on`, all idle at once.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ouzel::net::{TcpListener, TcpStream};
use ouzel::{Runtime, sleep};
use ouzel_tests::{Setup, drivers, watchdog};

/// What an idle runtime waits for, beside the end.
#[derive(Clone, Copy, Debug)]
enum Waits {
    Nothing,
    Timer,
    Listener,
}

/// How often the kernel switched to each thread but this one, by thread and name.
fn switches() -> BTreeMap<(String, String), u64> {
    let me = fs::read_link("/proc/thread-self").unwrap();
    let mut all = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap().map(Result::unwrap) {
        let id = task.file_name().into_string().unwrap();
        if me.ends_with(&id) {
            continue;
        }
        // A kernel thread of a ring may end while we look.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0").trim();
        let count = |name| field(name).parse::<u64>().unwrap();
        let sum = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
        all.insert((id, field("Name:").to_owned()), sum);
    }
    all
}

/// Tasks, timers and a connection, so that what they leave behind is idle too.
async fn work(setup: Setup) {
    let tasks: Vec<_> = (0..100u64)
        .map(|n| {
            setup.spawn(async move {
                sleep(Duration::from_micros(n)).await;
                n
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut pairs = Vec::new();
    for _ in 0..16 {
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        pairs.push((client, listener.accept().await.unwrap().0));
    }
    // Many answers at once, for the driver to expect more of them.
    let sides = pairs.into_iter().flat_map(|(client, server)| [(client, true), (server, false)]);
    let busy: Vec<_> = sides.map(|(stream, first)| setup.spawn(answer(stream, first))).collect();
    for side in busy {
        side.await.unwrap();
    }
}

/// One side of a connection on which a byte goes to and fro.
async fn answer(stream: TcpStream, first: bool) {
    if first {
        stream.write("x").await.0.unwrap();
    }
    for _ in 0..100 {
        assert_eq!(stream.read(Vec::with_capacity(1)).await.0.unwrap(), 1);
        stream.write("x").await.0.unwrap();
    }
}

/// Works, says so, and waits for `end`, which never comes before the measurement is over.
async fn root(setup: Setup, waits: Waits, ready: mpsc::Sender<()>, end: impl Future<Output = ()>) {
    work(setup).await;
    let _idle = setup.spawn(async move {
        match waits {
            Waits::Nothing => {}
            Waits::Timer => sleep(Duration::from_secs(3600)).await,
            Waits::Listener => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                drop(listener.accept().await);
            }
        }
    });
    ready.send(()).unwrap();
    end.await;
}

/// A future that is ready when the sender has sent a waker's worth of attention to it.
fn end() -> (impl FnOnce() + Send, impl Future<Output = ()>) {
    use std::sync::{Arc, Mutex};
    use std::task::{Poll, Waker};
    let state = Arc::new(Mutex::new((false, Waker::noop().clone())));
    let waited = Arc::clone(&state);
    let send = move || {
        let mut state = state.lock().unwrap();
        state.0 = true;
        state.1.wake_by_ref();
    };
    let wait = std::future::poll_fn(move |cx| {
        let mut state = waited.lock().unwrap();
        state.1.clone_from(cx.waker());
        if state.0 { Poll::Ready(()) } else { Poll::Pending }
    });
    (send, wait)
}

#[test]
fn an_idle_runtime_is_not_woken_once_in_two_seconds() {
    if !fs::exists("/proc/thread-self").unwrap() {
        println!("skipped: this system does not count a thread's switches in /proc");
        return;
    }
    watchdog("idle", || {
        let (mut threads, mut ends) = (Vec::new(), Vec::new());
        let (ready, readied) = mpsc::channel();
        for driver in drivers() {
            for workers in [0, 1, 2, 4] {
                for waits in [Waits::Nothing, Waits::Timer, Waits::Listener] {
                    let setup = Setup { driver, workers };
                    let name = format!("{driver}{workers}{waits:?}");
                    let (send, end) = end();
                    let ready = ready.clone();
                    ends.push(send);
                    let run = move || {
                        let builder = Runtime::builder().driver(driver).name(&name);
                        let root = root(setup, waits, ready, end);
                        match workers {
                            0 => builder.build_local().unwrap().block_on(root),
                            n => builder.worker_threads(n).build().unwrap().block_on(root),
                        }
                    };
                    let thread = thread::Builder::new().name(format!("{driver}{workers}{waits:?}"));
                    threads.push(thread.spawn(run).unwrap());
                }
            }
        }
        for _ in &threads {
            readied.recv().unwrap();
        }
        // Some take a while to go to sleep where the machine is busy with other things. What is woken now and then
        // never gets past this.
        let mut before = switches();
        let mut tries = 0;
        loop {
            thread::sleep(Duration::from_secs(2));
            let after = switches();
            assert!(after.len() > threads.len(), "only {} threads were watched", after.len());
            // Kernel threads of a ring may go; nobody may come, and nobody may have run.
            let ran: Vec<_> = after.iter().filter(|(t, count)| before.get(*t) != Some(count)).collect();
            if ran.is_empty() {
                break;
            }
            tries += 1;
            assert!(tries < 30, "switched to while idle: {ran:?}, before: {before:?}");
            before = after;
        }
        ends.into_iter().for_each(|end| end());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
