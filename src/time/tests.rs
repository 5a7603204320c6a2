//! Timers and the wakers they hold.

use super::{Sleep, now, sleep};
use crate::LocalRuntime;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

/// A sleep that waits, and the waker it holds.
fn begun(ms: u64) -> (Sleep, Arc<Counted>) {
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    let mut sleep = sleep(Duration::from_millis(ms));
    assert_eq!(Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)), Poll::Pending);
    (sleep, counted)
}

#[test]
fn a_timer_dropped_anywhere_lets_its_waker_go_and_ends_no_other_one() {
    let (a, b) = (LocalRuntime::new().unwrap(), LocalRuntime::new().unwrap());
    let (at_home, elsewhere, in_another_runtime) = a.block_on(async { (begun(1), begun(1), begun(1)) });
    std::thread::spawn(move || drop(elsewhere.0)).join().unwrap();
    b.block_on(async move { drop(in_another_runtime.0) });
    a.block_on(async move {
        drop(at_home.0);
        // Whose timer went elsewhere is told by this thread, at its next turn.
        sleep(Duration::from_millis(3)).await;
        for (i, waker) in [at_home.1, elsewhere.1, in_another_runtime.1].iter().enumerate() {
            assert_eq!(Arc::strong_count(waker), 1, "timer {i}");
        }
        for _ in 0..20 {
            let (early, waker) = begun(1);
            drop(early);
            assert_eq!(Arc::strong_count(&waker), 1);
            // It has the slot of the one before.
            let due = now() + Duration::from_millis(3);
            sleep(Duration::from_millis(3)).await;
            assert!(now() >= due, "another timer's end was taken for this one's");
        }
    });
}
