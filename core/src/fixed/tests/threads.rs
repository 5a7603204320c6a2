//! Wakes, spawns and aborts from other threads, which stand for interrupts here.

use super::*;
use crate::sync::AtomicWaker;

/// Parks its thread.
struct Sleeper;

impl Driver for Sleeper {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        assert_eq!(deadline, None);
        thread::park();
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

struct Bell(OnceLock<thread::Thread>);

impl Unpark for Bell {
    fn unpark(&self) {
        self.0.get().expect("set before the first wake").unpark();
    }
}

/// What an interrupt and its task share. No lock: ThreadSanitizer does not see through `std`'s.
struct Mailbox {
    count: AtomicUsize,
    waker: AtomicWaker,
}

impl Mailbox {
    const fn new() -> Self {
        Mailbox { count: AtomicUsize::new(0), waker: AtomicWaker::new() }
    }

    fn ring(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.waker.wake();
    }
}

/// Waits for `n` letters, one after the other.
async fn letters(n: usize, mailbox: &'static Mailbox) -> usize {
    for i in 0..n {
        future::poll_fn(|cx| {
            mailbox.waker.register(cx.waker());
            if mailbox.count.load(Ordering::Relaxed) > i { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    drop(mailbox.waker.take());
    n
}

#[test]
fn wakes_from_other_threads_are_never_lost() {
    const WAKES: usize = 5_000;
    static BELL: Bell = Bell(OnceLock::new());
    static EXECUTOR: Executor = Executor::new(&BELL);
    static MAILBOXES: [Mailbox; 2] = [const { Mailbox::new() }; 2];
    static SPACES: [TaskSpace<{ task_bytes(letters) }>; 2] = [const { TaskSpace::new() }; 2];
    BELL.0.set(thread::current()).unwrap();
    let mut runner = EXECUTOR.runner(Sleeper).unwrap();
    let [a, b] = [0, 1].map(|i| SPACES[i].spawn(&EXECUTOR, letters(WAKES, &MAILBOXES[i])).unwrap());
    let ringers = MAILBOXES.each_ref().map(|m| {
        thread::spawn(|| {
            for _ in 0..WAKES {
                m.ring();
            }
        })
    });
    assert_eq!(runner.block_on(a).unwrap().unwrap(), WAKES);
    assert_eq!(runner.block_on(b).unwrap().unwrap(), WAKES);
    for ringer in ringers {
        ringer.join().unwrap();
    }
}

#[test]
fn threads_that_fight_for_storage_each_run_what_they_won() {
    const EACH: usize = 300;
    static BELL: Bell = Bell(OnceLock::new());
    static EXECUTOR: Executor = Executor::new(&BELL);
    static SPACE: TaskSpace<64> = TaskSpace::new();
    static RUN: AtomicUsize = AtomicUsize::new(0);
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    BELL.0.set(thread::current()).unwrap();
    let mut runner = EXECUTOR.runner(Sleeper).unwrap();
    let spawners: [_; 3] = core::array::from_fn(|_| {
        thread::spawn(|| {
            for _ in 0..EACH {
                let token = Token(&DROPS);
                let mut task = async move {
                    let _held = token;
                    RUN.fetch_add(1, Ordering::Relaxed);
                };
                while let Err(busy) = SPACE.spawn_detached(&EXECUTOR, task) {
                    task = busy.0;
                    thread::yield_now();
                }
            }
        })
    });
    while RUN.load(Ordering::Relaxed) < 3 * EACH {
        runner.run_once(None).unwrap();
    }
    for spawner in spawners {
        spawner.join().unwrap();
    }
    assert_eq!((RUN.load(Ordering::SeqCst), DROPS.load(Ordering::SeqCst)), (3 * EACH, 3 * EACH));
}

#[test]
fn an_abort_from_another_thread_ends_the_sleep() {
    static BELL: Bell = Bell(OnceLock::new());
    static EXECUTOR: Executor = Executor::new(&BELL);
    static SPACE: TaskStorage<future::Pending<()>> = TaskStorage::new();
    BELL.0.set(thread::current()).unwrap();
    let mut runner = EXECUTOR.runner(Sleeper).unwrap();
    for _ in 0..100 {
        let handle = SPACE.spawn(&EXECUTOR, future::pending()).unwrap();
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        assert!(runner.block_on(handle).unwrap().unwrap_err().is_cancelled());
        // The aborter's handle keeps the storage.
        aborter.join().unwrap();
    }
}
