//! Behaviour of one task at a time, on one thread.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{self, Future};
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::task::Wake;

use super::testing::{Drops, Rig, Token, cell_of, until, waker_of};
use super::{AfterRun, JoinHandle, cancel, run};
use crate::error::JoinError;
use crate::sync::{AtomicUsize, Ordering};

fn poll_once<T>(handle: &mut JoinHandle<T>) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(Waker::noop()))
}

fn now<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match poll_once(&mut handle) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task is not complete"),
    }
}

/// Counts its wakes.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_gives_its_output_to_its_handle() {
    let rig = Rig::new();
    let (task, handle) = rig.spawn(async { 7u32 });
    assert!(!handle.is_finished());
    assert!(matches!(run(task), AfterRun::Done));
    assert!(handle.is_finished());
    assert_eq!(now(handle).unwrap(), 7);
    rig.assert_empty();
}

#[test]
fn a_woken_task_is_queued_once_however_often_it_is_woken() {
    let rig = Rig::new();
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&wakers);
    let mut polls = 0;
    let (task, handle) = rig.spawn(future::poll_fn(move |cx| {
        polls += 1;
        seen.lock().unwrap().push(cx.waker().clone());
        if polls == 3 { Poll::Ready(polls) } else { Poll::Pending }
    }));
    rig.queue.run(task);
    assert_eq!(rig.queue.run_all(), 0, "idle");
    let waker = wakers.lock().unwrap().pop().unwrap();
    waker.wake_by_ref();
    waker.wake_by_ref();
    let by_value = waker.clone();
    by_value.wake();
    let task = rig.queue.pop().unwrap();
    assert!(rig.queue.pop().is_none());
    // Woken again while it was queued: those wakes are answered by one poll.
    rig.queue.run(task);
    assert_eq!(rig.queue.run_all(), 0);
    waker.wake();
    assert_eq!(rig.queue.run_all(), 1);
    assert_eq!(now(handle).unwrap(), 3);
    wakers.lock().unwrap().clear();
    rig.assert_empty();
}

#[test]
fn a_task_that_wakes_itself_yields_without_touching_its_word() {
    let rig = Rig::new();
    let mut polls = 0;
    let (task, handle) = rig.spawn(future::poll_fn(move |cx| {
        polls += 1;
        if polls == 3 {
            return Poll::Ready(());
        }
        if polls == 1 {
            cx.waker().wake_by_ref()
        } else {
            let by_value = cx.waker().clone();
            by_value.wake()
        }
        Poll::Pending
    }));
    let AfterRun::Yielded(task) = run(task) else { panic!("woke itself by reference") };
    let AfterRun::Yielded(task) = run(task) else { panic!("woke itself by value") };
    assert!(matches!(run(task), AfterRun::Done));
    now(handle).unwrap();
    rig.assert_empty();
}

#[test]
fn a_wake_of_another_thread_during_a_poll_is_no_self_wake() {
    let rig = Rig::new();
    let mut polls = 0;
    let task = rig.detached(future::poll_fn(move |cx| {
        polls += 1;
        let waker = cx.waker();
        std::thread::scope(|s| s.spawn(|| waker.wake_by_ref()).join()).unwrap();
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    let AfterRun::Again(task) = run(task) else { panic!("woken during its poll") };
    assert!(matches!(run(task), AfterRun::Done));
    rig.assert_empty();
}

#[test]
fn a_poll_inside_a_poll_keeps_the_two_apart() {
    let (outer, inner) = (Rig::new(), Rig::new());
    let (inside, handle) = inner.spawn(async {});
    let mut inside = Some(inside);
    let task = outer.detached(future::poll_fn(move |cx| match inside.take() {
        Some(task) => {
            cx.waker().wake_by_ref();
            assert!(matches!(run(task), AfterRun::Done));
            Poll::Pending
        }
        None => Poll::Ready(()),
    }));
    let AfterRun::Yielded(task) = run(task) else { panic!("the inner poll forgot the outer's wake") };
    assert!(matches!(run(task), AfterRun::Done));
    now(handle).unwrap();
    outer.assert_empty();
    inner.assert_empty();
}

#[test]
fn a_joiner_is_woken_by_the_last_waker_it_gave() {
    let rig = Rig::new();
    let (task, mut handle) = rig.spawn(async { 1 });
    let (first, last) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    for bell in [&first, &last, &last] {
        let waker = Waker::from(Arc::clone(bell));
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&first), 1, "the replaced waker was dropped");
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!((first.0.load(Ordering::SeqCst), last.0.load(Ordering::SeqCst)), (0, 1));
    assert_eq!(Arc::strong_count(&last), 1);
    assert_eq!(now(handle).unwrap(), 1);
    rig.assert_empty();
}

#[test]
fn a_dropped_handle_takes_its_waker_with_it_and_detaches() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let bell = Arc::new(Bell::default());
    let (task, mut handle) = rig.spawn(until(drops.token(), |_| true));
    let waker = Waker::from(Arc::clone(&bell));
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(handle);
    assert_eq!(Arc::strong_count(&bell), 1);
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!((drops.count(), bell.0.load(Ordering::SeqCst)), (1, 0));
    rig.assert_empty();
}

#[test]
fn an_output_that_nobody_takes_is_dropped_with_the_handle() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let (task, handle) = rig.spawn(until(drops.token(), |_| true));
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!(drops.count(), 0);
    drop(handle);
    assert_eq!(drops.count(), 1);
    rig.assert_empty();
}

#[test]
fn abort_drops_the_future_whether_queued_or_idle() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let (task, queued) = rig.spawn(until(drops.token(), |_| panic!("polled after an abort")));
    queued.abort();
    queued.abort();
    rig.queue.run(task);
    assert!(now(queued).err().unwrap().is_cancelled());
    assert_eq!(drops.count(), 1);

    let (task, idle) = rig.spawn(until(drops.token(), |_| false));
    let abort = idle.abort_handle();
    rig.queue.run(task);
    abort.clone().abort();
    assert_eq!(drops.count(), 1, "an abort does not run destructors in place");
    assert_eq!(rig.queue.run_all(), 1);
    assert_eq!(drops.count(), 2);
    assert!(abort.is_finished());
    abort.abort();
    assert!(now(idle).err().unwrap().is_cancelled());
    drop(abort);
    rig.assert_empty();
}

#[test]
fn abort_during_the_poll_is_seen_at_its_end() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let slot = Arc::new(Mutex::new(None::<super::AbortHandle>));
    let mine = Arc::clone(&slot);
    let (task, handle) = rig.spawn(until(drops.token(), move |_| {
        mine.lock().unwrap().take().unwrap().abort();
        false
    }));
    *slot.lock().unwrap() = Some(handle.abort_handle());
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!(drops.count(), 1);
    assert!(now(handle).err().unwrap().is_cancelled());
    rig.assert_empty();
}

#[test]
fn a_panic_in_poll_ends_in_the_handle() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let (task, handle) = rig.spawn(until(drops.token(), |cx| {
        cx.waker().wake_by_ref();
        panic!("as planned")
    }));
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!(drops.count(), 1, "the future was dropped by the worker");
    let error = now(handle).err().unwrap();
    assert!(error.is_panic());
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "as planned");
    assert!(crate::context::polling().is_null());
    let (task, handle) = rig.spawn(future::pending::<()>());
    assert!(matches!(run(task), AfterRun::Idle), "the flag of the panicked poll is gone");
    handle.abort();
    rig.queue.run_all();
    drop(handle);
    rig.assert_empty();
}

/// Panics when dropped, the first time and every time.
struct Bomb(Drops);

impl Drop for Bomb {
    fn drop(&mut self) {
        drop(self.0.token());
        panic!("a bomb");
    }
}

#[test]
fn a_panic_in_a_drop_is_neither_lost_nor_repeated() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let bomb = || Bomb(drops.clone());
    // In the drop of the finished future.
    let held = bomb();
    let (task, handle) = rig.spawn(future::poll_fn(move |_| {
        let _held = &held;
        Poll::Ready(5)
    }));
    assert!(matches!(run(task), AfterRun::Done));
    assert!(now(handle).unwrap_err().is_panic());
    assert_eq!(drops.count(), 1);
    // In the drop of a cancelled future.
    let held = bomb();
    let (task, handle) = rig.spawn(future::poll_fn(move |_| {
        let _held = &held;
        Poll::<()>::Pending
    }));
    cancel(task);
    assert!(now(handle).unwrap_err().is_panic());
    assert_eq!(drops.count(), 2);
    // In the drop of an output nobody wants.
    let held = bomb();
    let (task, handle) = rig.spawn(async move { held });
    drop(handle);
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!(drops.count(), 3);
    // In the drop of an output by its handle.
    let held = bomb();
    let (task, handle) = rig.spawn(async move { held });
    assert!(matches!(run(task), AfterRun::Done));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(handle))).is_err());
    assert_eq!(drops.count(), 4);
    // In the drop of a panic's payload.
    let held = bomb();
    let (task, handle) = rig.spawn(future::poll_fn(move |_| -> Poll<()> {
        std::panic::panic_any(Bomb(held.0.clone()));
    }));
    assert!(matches!(run(task), AfterRun::Done));
    let during = drops.count();
    drop(handle);
    assert_eq!(drops.count(), during + 1);
    rig.assert_empty();
}

#[test]
fn a_panic_in_a_drop_after_a_panic_is_dropped_and_the_first_is_told() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let bomb = || Bomb(drops.clone());
    // In the drop of an output, which nobody gets after the drop of the finished future has panicked.
    let (held, mut output) = (bomb(), Some(bomb()));
    let (task, handle) = rig.spawn(future::poll_fn(move |_| {
        let _held = &held;
        Poll::Ready(output.take())
    }));
    assert!(matches!(run(task), AfterRun::Done));
    let Err(error) = now(handle) else { panic!("an output whose future is broken") };
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "a bomb");
    assert_eq!(drops.count(), 2);
    // In the drop of an output by a handle that goes with an unwinding: one more panic out of it would abort.
    let held = bomb();
    let (task, handle) = rig.spawn(async move { held });
    assert!(matches!(run(task), AfterRun::Done));
    let caught = catch_unwind(AssertUnwindSafe(move || {
        let _handle = handle;
        panic!("the first");
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "the first");
    assert_eq!(drops.count(), 3);
    rig.assert_empty();
}

#[test]
fn a_joiner_that_panics_when_woken_does_not_stop_the_worker() {
    struct Angry;
    impl Wake for Angry {
        fn wake(self: Arc<Self>) {
            panic!("do not wake me");
        }
    }
    let rig = Rig::new();
    let (task, mut handle) = rig.spawn(async { 3 });
    let waker = Waker::from(Arc::new(Angry));
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!(now(handle).unwrap(), 3);
    assert!(!crate::context::to_tail());
    rig.assert_empty();
}

#[test]
fn large_and_strictly_aligned_futures_and_outputs_are_boxed() {
    #[repr(align(64))]
    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Aligned(u8);
    let rig = Rig::new();
    let drops = Drops::default();
    let (held, big) = (drops.token(), [3u8; 5000]);
    let (task, large) = rig.spawn(async move {
        let _held = held;
        future::ready(()).await;
        big
    });
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!(drops.count(), 1);
    assert!(now(large).unwrap().iter().all(|b| *b == 3));
    let (task, aligned) = rig.spawn(async { Aligned(9) });
    assert!(matches!(run(task), AfterRun::Done));
    assert_eq!(now(aligned).unwrap(), Aligned(9));
    let held = drops.token();
    let (task, cancelled) = rig.spawn(async move {
        let (_held, _big) = (held, big);
        future::pending::<()>().await;
    });
    cancel(task);
    assert_eq!(drops.count(), 2);
    assert!(now(cancelled).unwrap_err().is_cancelled());
    let (task, unread) = rig.spawn(async move { Box::new(big) });
    assert!(matches!(run(task), AfterRun::Done));
    drop(unread);
    rig.assert_empty();
}

#[test]
fn a_handle_polled_after_its_end_says_so() {
    let rig = Rig::new();
    let (task, mut handle) = rig.spawn(async {});
    assert!(matches!(run(task), AfterRun::Done));
    assert!(poll_once(&mut handle).is_ready());
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut handle))).is_err());
    drop(handle);
    rig.assert_empty();
}

#[test]
fn a_hundred_thousand_tasks_are_each_dropped_once() {
    const N: usize = 100_000;
    let (rig, drops) = (Rig::new(), Drops::default());
    // SAFETY: the guard goes before the slab, at the end of this function.
    let entered = unsafe { rig.slab.enter() };
    let mut handles = Vec::new();
    for i in 0..N {
        let mut polls = 0;
        let future = until(drops.token(), move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            i % 3 != 0 || polls == 2
        });
        let task = match i % 4 {
            0 => rig.detached(future),
            1 => {
                let (task, handle) = rig.spawn(future);
                handles.push(handle);
                task
            }
            2 => rig.spawn(future).0,
            _ => {
                let (task, handle) = rig.spawn(future);
                handle.abort();
                task
            }
        };
        super::Schedule::schedule(&*rig.queue, task);
        if i % 1000 == 0 {
            rig.queue.run_all();
        }
    }
    rig.queue.run_all();
    assert_eq!(drops.count(), N - handles.len());
    for handle in handles {
        let _: Token = now(handle).unwrap();
    }
    assert_eq!(drops.count(), N);
    assert_eq!(rig.slab.out(), 0);
    rig.assert_empty();
    drop(entered);
}

#[test]
fn shutdown_cancels_idle_and_queued_tasks_in_place() {
    let (rig, drops) = (Rig::new(), Drops::default());
    let mut wakers = Vec::new();
    for i in 0..10 {
        let task = rig.detached(until(drops.token(), |_| false));
        let (task, cell) = cell_of(task);
        if i % 2 == 0 {
            wakers.push(waker_of(cell));
        }
        rig.queue.run(task);
    }
    let (queued, handle) = rig.spawn(until(drops.token(), |_| false));
    super::Schedule::schedule(&*rig.queue, queued);
    assert_eq!(rig.owned.live(), 11);
    rig.owned.close();
    assert!(rig.owned.is_closed());
    rig.queue.drain(&rig.owned);
    assert_eq!((drops.count(), rig.owned.live()), (11, 0));
    assert!(now(handle).err().unwrap().is_cancelled());
    // Wakers may outlive everything but their cells.
    let Rig { queue, owned, slab } = rig;
    drop(slab);
    drop((queue, owned));
    for waker in wakers {
        waker.wake();
    }
}

#[test]
fn handles_are_futures() {
    let rig = Rig::new();
    let (task, handle) = rig.spawn(async { 4 });
    let (outer, sum) = rig.spawn(async { handle.await.unwrap() + 1 });
    rig.queue.run(outer);
    rig.queue.run(task);
    assert_eq!(rig.queue.run_all(), 1, "the joiner was woken");
    let sum = pin!(sum);
    assert!(matches!(sum.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(5))));
}
