//! The state word under every schedule: real tasks, on a scheduler that only queues.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{self, Future};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use loom::thread;

use super::header::Header;
use super::testing::{Drops, Queue, Rig, cell_of, until, waker_of};
use super::{AfterRun, WakeResult, run};
use crate::sync::{AtomicUsize, Ordering, Unwatched, model};

/// A task that is ready once `wakers` threads have each counted themselves and woken it.
fn counted(rig: &Rig, drops: &Drops, wakers: usize) -> (super::Notified, NonNull<Header>, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let inside = Arc::clone(&seen);
    // Relaxed: the wake alone has to make it visible.
    let task = rig.detached(until(drops.token(), move |_| inside.load(Ordering::Relaxed) == wakers));
    let (task, cell) = cell_of(task);
    (task, cell, seen)
}

/// Runs what is queued, as a worker would.
fn work(queue: Arc<Queue>) {
    queue.run_all();
}

#[test]
fn loom_start_wake_idle_one_waker() {
    model("loom_start_wake_idle_one_waker", None, || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, cell, seen) = counted(&rig, &drops, 1);
        let waker = waker_of(cell);
        let queue = Arc::clone(&rig.queue);
        let waking = thread::spawn(move || {
            seen.fetch_add(1, Ordering::Relaxed);
            waker.wake();
            work(queue);
        });
        rig.queue.run(task);
        work(Arc::clone(&rig.queue));
        waking.join().unwrap();
        work(Arc::clone(&rig.queue));
        assert_eq!(drops.count(), 1, "a wake was lost");
        rig.assert_empty();
    });
}

#[test]
fn loom_start_wake_idle_two_wakers() {
    model("loom_start_wake_idle_two_wakers", Some(2), || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, cell, seen) = counted(&rig, &drops, 2);
        let threads = [waker_of(cell), waker_of(cell)].map(|waker| {
            let seen = Arc::clone(&seen);
            thread::spawn(move || {
                seen.fetch_add(1, Ordering::Relaxed);
                waker.wake_by_ref();
            })
        });
        rig.queue.run(task);
        work(Arc::clone(&rig.queue));
        for waking in threads {
            waking.join().unwrap();
        }
        work(Arc::clone(&rig.queue));
        assert_eq!(drops.count(), 1, "a wake was lost");
        rig.assert_empty();
    });
}

#[test]
fn loom_wake_by_value_against_last_drop() {
    model("loom_wake_by_value_against_last_drop", Some(2), || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, cell, seen) = counted(&rig, &drops, 1);
        let (waker, other) = (waker_of(cell), waker_of(cell));
        let queue = Arc::clone(&rig.queue);
        let waking = thread::spawn(move || {
            seen.fetch_add(1, Ordering::Relaxed);
            waker.wake();
            work(queue);
        });
        let dropping = thread::spawn(move || drop(other));
        rig.queue.run(task);
        waking.join().unwrap();
        work(Arc::clone(&rig.queue));
        dropping.join().unwrap();
        assert_eq!(drops.count(), 1);
        rig.assert_empty();
    });
}

#[test]
fn loom_complete_against_join_poll() {
    model("loom_complete_against_join_poll", None, || {
        let rig = Rig::new();
        let (task, handle) = rig.spawn(async { [7u64; 2] });
        let running = thread::spawn(move || assert!(matches!(run(task), AfterRun::Done)));
        assert_eq!(loom::future::block_on(handle).unwrap(), [7; 2]);
        running.join().unwrap();
        rig.assert_empty();
    });
}

/// Counts its wakes.
#[derive(Default)]
struct Bell(Unwatched);

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn loom_complete_against_a_joiner_that_changes() {
    model("loom_complete_against_a_joiner_that_changes", None, || {
        let rig = Rig::new();
        let (task, mut handle) = rig.spawn(async { 7 });
        let running = thread::spawn(move || assert!(matches!(run(task), AfterRun::Done)));
        let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
        let mut output = None;
        for bell in &bells {
            let waker = Waker::from(Arc::clone(bell));
            if output.is_none() {
                output = match Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(output) => Some(output),
                    Poll::Pending => None,
                };
            }
        }
        running.join().unwrap();
        let woken = bells[1].0.load(Ordering::SeqCst);
        let output = output.unwrap_or_else(|| {
            assert_eq!(woken, 1, "the last waker given was not woken");
            loom::future::block_on(&mut handle)
        });
        assert_eq!(output.unwrap(), 7);
        drop(handle);
        assert!(bells.iter().all(|b| Arc::strong_count(b) == 1), "a waker leaked");
        rig.assert_empty();
    });
}

#[test]
fn loom_complete_against_handle_drop() {
    model("loom_complete_against_handle_drop", None, || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, mut handle) = rig.spawn(until(drops.token(), |_| true));
        let joiner = rig.detached(until(Drops::default().token(), |_| false));
        let (joiner, cell) = cell_of(joiner);
        let waker = waker_of(cell);
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(waker);
        let running = thread::spawn(move || assert!(matches!(run(task), AfterRun::Done)));
        drop(handle);
        running.join().unwrap();
        assert_eq!(drops.count(), 1, "the output is dropped by one of the two");
        super::cancel(joiner);
        rig.queue.run_all();
        rig.assert_empty();
    });
}

#[test]
fn loom_complete_against_drop_of_an_unpolled_handle() {
    model("loom_complete_against_drop_of_an_unpolled_handle", None, || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, handle) = rig.spawn(until(drops.token(), |_| true));
        let other = handle.abort_handle();
        let running = thread::spawn(move || assert!(matches!(run(task), AfterRun::Done)));
        drop(other);
        drop(handle);
        running.join().unwrap();
        assert_eq!(drops.count(), 1, "the output is dropped by one of the two");
        rig.assert_empty();
    });
}

#[test]
fn loom_abort_against_start_and_complete() {
    model("loom_abort_against_start_and_complete", Some(2), || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (first, second) = (drops.token(), Drops::default());
        let mut polls = 0;
        let token = second.token();
        let (task, mut handle) = rig.spawn(async move {
            let (_held, _too) = (first, token);
            future::poll_fn(|cx| {
                polls += 1;
                cx.waker().wake_by_ref();
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
        let abort = handle.abort_handle();
        let queue = Arc::clone(&rig.queue);
        let running = thread::spawn(move || {
            queue.run(task);
            work(queue);
        });
        let aborting = thread::spawn(move || abort.abort());
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let early = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
        running.join().unwrap();
        aborting.join().unwrap();
        let result = match early {
            Poll::Ready(result) => result,
            Poll::Pending => {
                assert_eq!(bell.0.load(Ordering::SeqCst), 1, "the joiner was not woken");
                loom::future::block_on(&mut handle)
            }
        };
        assert!(result.is_ok() || result.unwrap_err().is_cancelled());
        drop(handle);
        assert_eq!((drops.count(), second.count()), (1, 1));
        rig.assert_empty();
    });
}

#[test]
fn loom_abort_against_going_idle() {
    model("loom_abort_against_going_idle", Some(3), || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, handle) = rig.spawn(until(drops.token(), |_| false));
        let (task, cell) = cell_of(task);
        let (waker, queue) = (waker_of(cell), Arc::clone(&rig.queue));
        let waking = thread::spawn(move || waker.wake());
        let running = thread::spawn(move || {
            queue.run(task);
            work(queue);
        });
        handle.abort();
        work(Arc::clone(&rig.queue));
        waking.join().unwrap();
        running.join().unwrap();
        work(Arc::clone(&rig.queue));
        assert_eq!(drops.count(), 1, "an abort was lost");
        drop(handle);
        rig.assert_empty();
    });
}

/// A thread that reads the header behind its waker, and drops it.
fn reader(waker: Waker, left: &Arc<AtomicUsize>) -> thread::JoinHandle<()> {
    let left = Arc::clone(left);
    thread::spawn(move || {
        let cell: NonNull<Header> = NonNull::new(waker.data().cast_mut().cast()).unwrap();
        // SAFETY: the waker holds the cell.
        let _ = unsafe { cell.as_ref() }.vtable();
        drop(waker);
        left.fetch_sub(1, Ordering::Relaxed);
    })
}

#[test]
fn loom_last_reader_against_completion() {
    model("loom_last_reader_against_completion", Some(3), || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, cell) = cell_of(rig.detached(until(drops.token(), |_| true)));
        let left = Arc::new(AtomicUsize::new(2));
        let readers = [waker_of(cell), waker_of(cell)].map(|w| reader(w, &left));
        // Relaxed, so that it orders nothing. It leads loom to schedules that it would leave out: it compares an access
        // with the last one to the same word only, and that is the reader's own load before its drop.
        while left.load(Ordering::Relaxed) == 2 {
            crate::sync::spin_loop();
        }
        if left.load(Ordering::Relaxed) == 1 {
            thread::yield_now();
        }
        assert!(matches!(run(task), AfterRun::Done));
        for reading in readers {
            reading.join().unwrap();
        }
        assert_eq!(drops.count(), 1);
        rig.assert_empty();
    });
}

#[test]
fn loom_last_reader_against_handle_drop() {
    model("loom_last_reader_against_handle_drop", Some(3), || {
        let rig = Rig::new();
        let (task, handle) = rig.spawn(async {});
        let (task, cell) = cell_of(task);
        let left = Arc::new(AtomicUsize::new(2));
        let readers = [waker_of(cell), waker_of(cell)].map(|w| reader(w, &left));
        assert!(matches!(run(task), AfterRun::Done));
        drop(handle);
        for reading in readers {
            reading.join().unwrap();
        }
        rig.assert_empty();
    });
}

#[test]
fn loom_stale_weak_wake_against_reuse() {
    model("loom_stale_weak_wake_against_reuse", None, || {
        let rig = Rig::new();
        // SAFETY: the guard goes before the slab.
        let entered = unsafe { rig.slab.enter() };
        let (task, handle) = rig.spawn(async {});
        let (task, cell) = cell_of(task);
        let id = handle.id();
        let owned = Arc::clone(&rig.owned);
        let waking = thread::spawn(move || owned.wake(id));
        drop(handle);
        assert!(matches!(run(task), AfterRun::Done));
        let (task, again) = cell_of(rig.detached(future::pending::<()>()));
        assert_eq!(cell, again, "the model is about one cell");
        assert!(matches!(run(task), AfterRun::Idle), "woken through another task's id");
        assert_ne!(waking.join().unwrap(), WakeResult::Queued, "the first task never idled");
        assert!(rig.queue.pop().is_none(), "woken through another task's id");
        rig.queue.drain(&rig.owned);
        rig.assert_empty();
        drop(entered);
    });
}

#[test]
fn loom_stale_weak_wake_against_trim() {
    model("loom_stale_weak_wake_against_trim", None, || {
        let rig = Rig::new();
        // SAFETY: the guard goes before the slab.
        let entered = unsafe { rig.slab.enter() };
        // Two chunks of two cells: the one that is met first stays, so the other is emptied first.
        let (tasks, handles): (Vec<_>, Vec<_>) = (0..4).map(|_| rig.spawn(async {})).unzip();
        let id = handles[0].id();
        let owned = Arc::clone(&rig.owned);
        let waking = thread::spawn(move || owned.wake(id));
        drop(handles);
        for task in tasks {
            assert!(matches!(run(task), AfterRun::Done));
        }
        assert_eq!(rig.slab.trim(), 1);
        let again: [_; 4] = core::array::from_fn(|_| cell_of(rig.detached(future::pending::<()>())));
        assert!(
            again.iter().any(|(_, cell)| id.cell(rig.owned.table()) == Some(*cell)),
            "not the model's cell"
        );
        for (task, _) in again {
            assert!(matches!(run(task), AfterRun::Idle), "woken through another task's id");
        }
        assert_ne!(waking.join().unwrap(), WakeResult::Queued, "the first task never idled");
        assert!(rig.queue.pop().is_none(), "woken through another task's id");
        rig.queue.drain(&rig.owned);
        rig.assert_empty();
        drop(entered);
    });
}

#[test]
fn loom_weak_id_against_sole_reference_free() {
    model("loom_weak_id_against_sole_reference_free", Some(2), || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, handle) = rig.spawn(until(drops.token(), |_| true));
        let id = handle.id();
        drop(handle);
        let threads = [Arc::clone(&rig.owned), Arc::clone(&rig.owned)].map(|owned| {
            thread::spawn(move || {
                let Some(held) = owned.upgrade(id) else { return };
                let cell = id.cell(owned.table()).unwrap();
                // SAFETY: `held` is a reference to what is in the cell.
                let header = unsafe { cell.as_ref() };
                let _ = header.vtable();
                assert!(!header.state.load(Ordering::Relaxed).is_free(), "freed under a reference");
                drop(held);
            })
        });
        assert!(matches!(run(task), AfterRun::Done));
        for asking in threads {
            asking.join().unwrap();
        }
        assert_eq!(drops.count(), 1);
        rig.assert_empty();
    });
}

#[test]
fn loom_weak_wake_against_completion() {
    model("loom_weak_wake_against_completion", None, || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let (task, cell, seen) = counted(&rig, &drops, 1);
        let id = super::TaskId::export(cell);
        let (owned, queue) = (Arc::clone(&rig.owned), Arc::clone(&rig.queue));
        let waking = thread::spawn(move || {
            seen.fetch_add(1, Ordering::Relaxed);
            let _ = owned.wake(id);
            work(queue);
        });
        rig.queue.run(task);
        work(Arc::clone(&rig.queue));
        waking.join().unwrap();
        work(Arc::clone(&rig.queue));
        assert_eq!(drops.count(), 1, "a wake was lost");
        rig.assert_empty();
    });
}

#[test]
fn loom_self_wake_against_a_scoped_waker() {
    model("loom_self_wake_against_a_scoped_waker", None, || {
        let (rig, drops) = (Rig::new(), Drops::default());
        let seen = Arc::new(AtomicUsize::new(0));
        let mut polls = 0;
        let task = rig.detached(until(drops.token(), move |cx| {
            polls += 1;
            if polls > 1 {
                return true;
            }
            // A scope: the other thread is joined before the poll returns.
            let waker = core::ptr::from_ref(cx.waker()) as usize;
            let inside = Arc::clone(&seen);
            let other = thread::spawn(move || {
                // SAFETY: the poll waits for this thread.
                let waker = unsafe { &*core::ptr::with_exposed_provenance::<Waker>(waker) };
                let kept = waker.clone();
                inside.fetch_add(1, Ordering::Relaxed);
                kept.wake_by_ref();
                drop(kept);
            });
            cx.waker().wake_by_ref();
            let by_value = cx.waker().clone();
            by_value.wake();
            other.join().unwrap();
            false
        }));
        let AfterRun::Yielded(task) = run(task) else { panic!("a self-wake was lost") };
        assert!(matches!(run(task), AfterRun::Done));
        assert_eq!(drops.count(), 1);
        rig.assert_empty();
    });
}
