//! The tasks that the checks spawn.

use core::cell::RefCell;
use core::future::{self, poll_fn};
use core::task::{Poll, Waker};

use cortex_m::interrupt::{Mutex, free};
use cortex_m::peripheral::NVIC;
use heapless::Vec;
use ouzel_core::driver::{Deadline, Nanos};
use portable_atomic::{AtomicU32, Ordering};

use crate::TIMERS;
use crate::interrupts::{EVENT, Signal, TIMER};

/// Tokens dropped so far.
pub(crate) static DROPS: AtomicU32 = AtomicU32::new(0);
/// Polls of the task that an interrupt spawns.
pub(crate) static RAN: AtomicU32 = AtomicU32::new(0);
/// Who woke up, in order.
pub(crate) static LOG: Log = Log(Mutex::new(RefCell::new(Vec::new())));

/// Counts its drops.
pub(crate) struct Token;

impl Drop for Token {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct Log(Mutex<RefCell<Vec<u32, 8>>>);

impl Log {
    fn push(&self, ms: u32) {
        free(|cs| self.0.borrow(cs).borrow_mut().push(ms)).expect("room for eight");
    }

    pub(crate) fn take(&self) -> Vec<u32, 8> {
        free(|cs| core::mem::take(&mut *self.0.borrow(cs).borrow_mut()))
    }
}

pub(crate) async fn add(a: u32, b: u32) -> u32 {
    a + b
}

/// Wakes itself so many times.
pub(crate) async fn yields(times: u32) {
    let mut left = times;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until `signal` has come `n` times; returns how often it had by then.
async fn reaches(signal: &'static Signal, n: u32) -> u32 {
    let reached = poll_fn(|cx| {
        signal.waker.register(cx.waker());
        let count = signal.count();
        if count >= n { Poll::Ready(count) } else { Poll::Pending }
    })
    .await;
    // Or it would keep this task's storage.
    drop(signal.waker.take());
    reached
}

/// Asks for an interrupt and waits for it, so many times; returns how many came.
pub(crate) async fn pends_and_waits(times: u32) -> u32 {
    let first = EVENT.count();
    for i in 1..=times {
        let mut asked = false;
        poll_fn(|cx| {
            EVENT.waker.register(cx.waker());
            if !asked {
                asked = true;
                NVIC::pend(EVENT.number);
                // Taken here, at the latest.
                cortex_m::asm::isb();
                return Poll::Pending;
            }
            if EVENT.count() - first >= i { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    drop(EVENT.waker.take());
    EVENT.count() - first
}

pub(crate) async fn counts_interrupts(until: u32) -> u32 {
    reaches(&TIMER, until).await
}

/// What the storm's interrupt spawns.
pub(crate) async fn runs_once() {
    RAN.fetch_add(1, Ordering::Relaxed);
}

pub(crate) async fn sleeps(until: Deadline, ms: u32) {
    TIMERS.sleep_until(until).expect("four at a time").await;
    LOG.push(ms);
}

pub(crate) async fn sleeps_for_ever(token: Token) {
    let _held = token;
    TIMERS.sleep_until(Deadline(Nanos::MAX)).expect("four at a time").await;
}

pub(crate) async fn gives_back(token: Token) -> Token {
    token
}

pub(crate) async fn lends_its_waker() -> Waker {
    future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}
