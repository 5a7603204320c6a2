//! Memory that is refused: what asked for it says so, and nothing is lost.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ouzel::op::raw::{Deadline, Request, SubmitReason, reserve, submit};
use ouzel::sync::{Semaphore, SendError, channel};
use ouzel::time::{now, sleep};
use ouzel::{LocalRuntime, yield_now};

/// Refuses one request of a thread.
struct Refusing;

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

thread_local! {
    /// Requests until the one that is refused; none is: `None`.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

fn is_refused() -> bool {
    let left = LEFT.get();
    LEFT.set(left.and_then(|n| n.checked_sub(1)));
    left == Some(0)
}

// SAFETY: the system's allocator, or null.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused() {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if is_refused() {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(at, layout, bytes) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(at, layout) };
    }
}

/// Runs `f`, which is refused its request number `request`, and says whether it made so many.
fn refusing<R>(request: usize, f: impl FnOnce() -> R) -> (R, bool) {
    LEFT.set(Some(request));
    let result = f();
    (result, LEFT.replace(None).is_none())
}

/// Whether a sleep whose first poll is refused its request number `request` says so. It sleeps all the same when polled again.
async fn is_refused_a_timer(request: usize) -> bool {
    let time = Duration::from_millis(2);
    let begin = now();
    let mut sleep = pin!(sleep(time));
    let polled = poll_fn(|cx| {
        Poll::Ready(refusing(request, || catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx)))).0)
    });
    let refused = match polled.await {
        Ok(polled) => {
            assert!(polled.is_pending());
            false
        }
        Err(panic) => {
            let why = panic.downcast::<String>().unwrap();
            assert!(why.contains("out of memory for a timer"), "{why}");
            true
        }
    };
    sleep.await;
    assert!(now() >= begin + time);
    refused
}

#[test]
fn a_sleep_without_memory_says_so_and_sleeps_when_there_is_some() {
    let on_a_new_thread = |request| {
        std::thread::spawn(move || LocalRuntime::new().unwrap().block_on(is_refused_a_timer(request)))
    };
    let refused = (0..).take_while(|request| on_a_new_thread(*request).join().unwrap()).count();
    // The wheel, the list of chunks and the first of them.
    assert_eq!(refused, 3);
}

/// A future that has to wait, whose first poll is refused its request number `request`: it says so, and waits when polled again.
fn waits_or_says_so<F: Future>(mut future: Pin<&mut F>, request: usize, cx: &mut Context<'_>) -> bool {
    let (polled, _) = refusing(request, || catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))));
    let refused = match polled {
        Ok(polled) => {
            assert!(polled.is_pending());
            false
        }
        Err(panic) => {
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"out of memory to wait in"));
            true
        }
    };
    assert!(future.poll(cx).is_pending());
    refused
}

#[test]
fn who_cannot_wait_for_lack_of_memory_says_so_and_may_try_again() {
    let cx = &mut Context::from_waker(Waker::noop());
    for (request, refused) in [(0, true), (1, false)] {
        let semaphore = Semaphore::new(0);
        let mut permit = pin!(semaphore.acquire(1));
        assert_eq!(waits_or_says_so(permit.as_mut(), request, cx), refused);
        semaphore.add(1);
        assert!(permit.poll(cx).is_ready());

        let (sender, receiver) = channel(1);
        let mut first = pin!(receiver.recv());
        assert_eq!(waits_or_says_so(first.as_mut(), request, cx), refused);
        assert_eq!(pin!(sender.send(1)).poll(cx), Poll::Ready(Ok(())));
        assert_eq!(first.poll(cx), Poll::Ready(Ok(1)));
        assert_eq!(pin!(sender.send(2)).poll(cx), Poll::Ready(Ok(())));
        let mut second = pin!(sender.send(3));
        assert_eq!(waits_or_says_so(second.as_mut(), request, cx), refused);
        // That needs none.
        refusing(0, || sender.close());
        assert_eq!(second.poll(cx), Poll::Ready(Err(SendError(3))));
        assert_eq!(receiver.try_recv(), Ok(2));
    }
}

/// A timer that is an operation, whose submission is refused its request number `request`: none begins, it completes with
/// `ENOMEM`, or it ends in its time.
fn timer_operation(request: usize) -> bool {
    let runtime = LocalRuntime::new().unwrap();
    let _entered = runtime.enter();
    let deadline = Deadline(now() + Duration::from_millis(2));
    // SAFETY: nothing is lent.
    let submit = || unsafe { submit((), |_, _| Request::Timeout { deadline }) };
    let (submitted, was_refused) = refusing(request, submit);
    let told = match submitted {
        Err(error) => error.reason() == SubmitReason::OutOfMemory,
        Ok(mut op) => {
            let (completion, ()) = runtime.block_on(poll_fn(|cx| op.poll(cx)));
            assert!(completion.res == -libc::ENOMEM || now() >= deadline.0, "{}", completion.res);
            completion.res == -libc::ENOMEM
        }
    };
    assert_eq!(told, was_refused);
    told
}

#[test]
fn a_timer_operation_without_memory_says_so() {
    // The slab's list and chunk, the wheel, the list of what is late.
    assert!((0..).take_while(|request| timer_operation(*request)).count() >= 3);
}

#[test]
fn room_for_operations_is_refused_and_made_later() {
    let runtime = LocalRuntime::new().unwrap();
    let _entered = runtime.enter();
    let wanted = 10_000;
    let refused = (0..).take_while(|request| {
        let (result, was_refused) = refusing(*request, || reserve(wanted));
        assert_eq!(result, if was_refused { Err(SubmitReason::OutOfMemory) } else { Ok(()) });
        was_refused
    });
    // Chunks that were made before a refusal stay: each time one more is, or the list of them grows.
    assert!(refused.count() >= 2);
    runtime.block_on(sleep(Duration::from_millis(1)));
}

#[test]
fn memory_is_given_back_without_any() {
    for request in 0.. {
        let runtime = LocalRuntime::new().unwrap();
        let tasks: Vec<_> = (0..20_000).map(|n| runtime.spawn(async move { n })).collect();
        runtime.block_on(async {
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n);
            }
        });
        let before = runtime.metrics().task_bytes;
        let ((), was_refused) = refusing(request, || runtime.trim());
        assert!(runtime.metrics().task_bytes < before / 4, "{before}");
        if !was_refused {
            break;
        }
    }
}

#[test]
fn a_task_without_memory_is_refused_and_another_one_runs() {
    let mut refused = 0;
    for request in 0.. {
        let runtime = LocalRuntime::new().unwrap();
        let _entered = runtime.enter();
        let future = Arc::new(());
        let held = Arc::clone(&future);
        let spawn = || {
            runtime.spawn(async move {
                yield_now().await;
                drop(held);
            })
        };
        let (task, was_refused) = refusing(request, spawn);
        let is_refused = task.is_refused();
        assert!(was_refused || !is_refused);
        assert_eq!(Arc::strong_count(&future), if is_refused { 1 } else { 2 });
        let result = runtime.block_on(task);
        assert_eq!(result.is_err_and(|e| e.is_cancelled()), is_refused);
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
        refused += usize::from(is_refused);
        if !was_refused {
            break;
        }
    }
    assert!(refused > 0);
}
