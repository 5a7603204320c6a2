//! Join handles, those who wait in them, and cells that others still hold when their task ends.

use core::cell::{Cell, RefCell};
use core::future::{Future, pending, poll_fn};
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;
use std::thread;

use super::{Guard, Local, executor};
use crate::sync::{AtomicUsize, Ordering};
use crate::task::TaskState;

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Counts its wakes.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_handle_keeps_one_waker_and_wakes_the_last_it_was_given() {
    let ex = executor();
    let (first, last) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let wakers = [Waker::from(Arc::clone(&first)), Waker::from(Arc::clone(&last))];
    let mut task = ex.spawn(async { 5 });
    for waker in [&wakers[0], &wakers[0], &wakers[1], &wakers[1]] {
        assert!(poll(&mut task, waker).is_pending());
    }
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&last)), (2, 3));
    ex.run_nowait(10).unwrap();
    assert_eq!((first.0.load(Ordering::Relaxed), last.0.load(Ordering::Relaxed)), (0, 1));
    assert_eq!(Arc::strong_count(&last), 2);
    assert!(matches!(poll(&mut task, &wakers[0]), Poll::Ready(Ok(5))));
}

#[test]
fn a_dropped_handle_takes_its_waker_with_it() {
    let ex = executor();
    let bell = Arc::new(Bell::default());
    let mut task = ex.spawn(async {});
    assert!(poll(&mut task, &Waker::from(Arc::clone(&bell))).is_pending());
    assert_eq!(Arc::strong_count(&bell), 2);
    drop(task);
    assert_eq!(Arc::strong_count(&bell), 1);
    assert_eq!(ex.run_nowait(10).unwrap().completed, 1);
    assert_eq!(bell.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_joiner_that_panics_when_woken_does_not_stop_the_executor() {
    struct Angry;
    impl Wake for Angry {
        fn wake(self: Arc<Self>) {
            panic!("do not wake me");
        }
    }
    let ex = executor();
    let mut task = ex.spawn(async { 3 });
    assert!(poll(&mut task, &Waker::from(Arc::new(Angry))).is_pending());
    assert_eq!(ex.run_nowait(10).unwrap().completed, 1);
    assert_eq!(ex.block_on(task).unwrap(), 3);
}

#[test]
fn a_spawn_on_an_executor_that_is_shut_down_says_cancelled() {
    let ex = executor();
    ex.shutdown().unwrap();
    let drops = Rc::new(Cell::new(0));
    let guard = Guard(Rc::clone(&drops));
    let mut task = ex.spawn(async move { drop(guard) });
    assert_eq!((drops.get(), task.id()), (1, None));
    task.abort();
    assert!(matches!(poll(&mut task, Waker::noop()), Poll::Ready(Err(e)) if e.is_cancelled()));
}

#[test]
fn a_panic_after_a_panic_is_dropped_and_the_first_is_told() {
    struct Bomb(Rc<Cell<usize>>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            panic!("in a drop");
        }
    }
    let ex = executor();
    let drops = Rc::new(Cell::new(0));
    // In the drop of a future whose poll has panicked. (Not a local of it: the unwinding would drop that.)
    let bomb = Bomb(Rc::clone(&drops));
    let task = ex.spawn(poll_fn(move |_| -> Poll<()> {
        let _held = &bomb;
        panic!("in a poll");
    }));
    let error = ex.block_on(task).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "in a poll");
    assert_eq!(drops.get(), 1);
    // In an output that is dropped by the unwinding of another panic: a second one out of it would abort.
    let bomb = Bomb(Rc::clone(&drops));
    let task = ex.spawn(async { bomb });
    ex.run_nowait(10).unwrap();
    let caught = catch_unwind(AssertUnwindSafe(move || {
        let _task = task;
        panic!("the first");
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "the first");
    assert_eq!((drops.get(), ex.live_tasks()), (2, 0));
}

#[test]
fn an_id_gives_a_waker_until_its_task_is_over() {
    let ex = executor();
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let task = ex.spawn(poll_fn(move |_| {
        counted.set(counted.get() + 1);
        if counted.get() == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    let id = task.id().unwrap();
    ex.run_nowait(10).unwrap();
    ex.local().waker(id).unwrap().wake();
    let kept = ex.local().waker(id).unwrap();
    ex.run_nowait(10).unwrap();
    assert_eq!(polls.get(), 2);
    assert!(ex.local().waker(id).is_none(), "it is over");
    kept.wake();
    drop(task);
    assert_eq!(ex.live_tasks(), 0);
}

#[test]
fn an_id_aborts_its_task_until_that_is_over() {
    let ex = executor();
    let mut task = ex.spawn(pending::<()>());
    let id = task.id().unwrap();
    ex.run_nowait(10).unwrap();
    assert!(ex.local().abort(id));
    assert!(ex.block_on(&mut task).unwrap_err().is_cancelled());
    assert!(!ex.local().abort(id), "it is over");
}

#[test]
fn a_task_that_ends_while_it_is_queued_from_elsewhere_gives_its_cell_back_at_the_next_look() {
    let ex = executor();
    let spawner = ex.spawner();
    let id = Rc::new(Cell::new(None));
    let mine = Rc::clone(&id);
    let task = poll_fn(move |_| {
        let (spawner, id) = (spawner.clone(), mine.get().unwrap());
        // It is queued by the time this poll ends, and it has no reference but its own.
        thread::spawn(move || spawner.wake(id)).join().unwrap();
        Poll::Ready(())
    });
    let handle = ex.spawn(task);
    id.set(handle.id());
    handle.detach();
    let out = ex.local().home.slab.out();
    assert_eq!(ex.run_nowait(1).unwrap().completed, 1);
    assert_eq!(ex.local().home.slab.out(), out, "freed, yet on the stack of those woken from elsewhere");
    let tick = ex.run_nowait(10).unwrap();
    assert_eq!((tick.polled, ex.local().home.slab.out()), (0, out - 1));
    assert_eq!(ex.spawner().state(id.get().unwrap()), TaskState::Stale);
}

#[test]
fn a_task_that_ends_while_others_hold_it_gives_its_cell_back_when_they_let_go() {
    let ex = executor();
    let slot = Rc::new(Cell::new(None));
    let mine = Rc::clone(&slot);
    let task = ex.spawn(poll_fn(move |cx| {
        let waker = cx.waker().clone();
        let (waker, clone) = thread::spawn(move || (waker.clone(), waker)).join().unwrap();
        // The one that was made here goes here: the other is counted elsewhere.
        drop(waker);
        mine.set(Some(clone));
        Poll::Ready(())
    }));
    task.detach();
    assert_eq!(ex.run_nowait(10).unwrap().completed, 1);
    let out = ex.local().home.slab.out();
    let waker = slot.take().unwrap();
    let ex = &ex;
    ex.block_on(async move {
        // Counted elsewhere for good, whoever clones and drops it.
        let clone = waker.clone();
        drop(waker);
        clone.wake_by_ref();
        assert_eq!(ex.local().home.slab.out(), out + 1, "the cell of this task came in addition");
        drop(clone);
        assert_eq!(ex.local().home.slab.out(), out);
    });
    assert_eq!(ex.metrics().polls, 2, "what is over was polled");
}

#[test]
fn a_waker_is_cloned_and_dropped_here_if_it_is_of_a_task_of_this_executor() {
    let (ex, other) = (executor(), executor());
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let keeper = Rc::clone(&kept);
    let task = ex.spawn(poll_fn(move |cx| {
        if keeper.take().is_some() {
            return Poll::Ready(());
        }
        let clone = Local::with_current(|l| l.and_then(|l| l.clone_waker(cx.waker())));
        keeper.replace(Some(clone.expect("its own")));
        Poll::Pending
    }));
    ex.run_nowait(1).unwrap();
    let waker = kept.borrow().clone().expect("it waits");
    assert!(other.local().clone_waker(&waker).is_none(), "another executor's");
    assert!(ex.local().clone_waker(Waker::noop()).is_none(), "nobody's");
    let waker = other.local().drop_waker(waker).expect("comes back from a stranger");
    assert!(ex.local().drop_waker(waker).is_none());
    assert!(!task.is_finished());
    kept.borrow().as_ref().unwrap().wake_by_ref();
    ex.run_nowait(1).unwrap();
    assert!(task.is_finished(), "what was cloned wakes it");
}
