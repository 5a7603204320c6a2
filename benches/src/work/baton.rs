//! One task's word to another that it is its turn.
//!
//! | state  | the waker's place            | `give`               | `poll_take`                                 |
//! |--------|------------------------------|----------------------|---------------------------------------------|
//! | AWAY   | empty, the taker's           | HERE                 | waker there, WAITED: pending                |
//! | WAITED | filled, whoever's CAS has it | GIVING               | back to AWAY, as from there with a new waker |
//! | GIVING | the giver's, who empties it  | (one giver)          | pending, wakes itself: it is here in no time |
//! | HERE   | empty, the taker's           | stays                | AWAY: ready                                 |
//!
//! A flag beside an `AtomicWaker` does the same with twice as many locked instructions. The model is core's
//! (`core/src/baton_tests.rs`).

use core::fmt;
use core::future::Future;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::sync::{AtomicU32, Ordering, UnsafeCell, spin_loop};

const AWAY: u32 = 0;
const WAITED: u32 = 1;
const GIVING: u32 = 2;
const HERE: u32 = 3;

/// One giver, one taker.
pub struct Baton {
    state: AtomicU32,
    taker: UnsafeCell<MaybeUninit<Waker>>,
}

// SAFETY: the state says whose the waker's place is; a waker is `Send` and `Sync`.
unsafe impl Send for Baton {}
// SAFETY: as above.
unsafe impl Sync for Baton {}

impl Default for Baton {
    fn default() -> Self {
        Baton { state: AtomicU32::new(AWAY), taker: UnsafeCell::new(MaybeUninit::uninit()) }
    }
}

impl Baton {
    /// Gives it, which wakes the taker.
    #[inline(always)]
    pub fn give(&self) {
        // ORDERING: Acquire pairs with the Release of `wait`: the waker. Relaxed on failure: nothing is read then.
        while self.state.compare_exchange(WAITED, GIVING, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // ORDERING: Release pairs with the Acquire loads in `poll_take` and `wait`: the taker sees what the giver wrote.
            let given = self.state.compare_exchange(AWAY, HERE, Ordering::Release, Ordering::Relaxed);
            if given != Err(WAITED) {
                return;
            }
        }
        // SAFETY: filled before WAITED, and the CAS made it ours.
        let taker = self.taker.with_mut(|t| unsafe { t.cast::<Waker>().read() });
        // ORDERING: Release, as above; and the taker fills the place anew after the waker was read.
        self.state.store(HERE, Ordering::Release);
        taker.wake();
    }

    /// Waits for it and takes it.
    pub fn take(&self) -> Take<'_> {
        Take(self)
    }

    /// As a poll of [`Baton::take`]'s future.
    #[inline(always)]
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<()> {
        // ORDERING: Acquire pairs with the Release of `give`.
        match self.state.load(Ordering::Acquire) {
            HERE => {
                self.took();
                Poll::Ready(())
            }
            AWAY => self.wait(cx),
            state => self.wait_again(cx, state),
        }
    }

    fn took(&self) {
        // ORDERING: Relaxed: publishes nothing; what the taker answers with goes another way.
        self.state.store(AWAY, Ordering::Relaxed);
    }

    /// The taker, who has seen AWAY.
    #[inline(always)]
    fn wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        // SAFETY: empty, and the taker's.
        self.taker.with_mut(|t| unsafe { t.cast::<Waker>().write(waker) });
        // ORDERING: Release pairs with the Acquire CAS of `give`: the waker. Acquire on failure: the baton has come.
        match self.state.compare_exchange(AWAY, WAITED, Ordering::Release, Ordering::Acquire) {
            Ok(_) => Poll::Pending,
            Err(_) => {
                self.forget_waker();
                self.took();
                Poll::Ready(())
            }
        }
    }

    /// The taker was polled before the baton came.
    #[cold]
    #[inline(never)]
    fn wait_again(&self, cx: &mut Context<'_>, state: u32) -> Poll<()> {
        if state == GIVING {
            spin_loop();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // ORDERING: Acquire on failure: as in `poll_take`, which looks again. Relaxed: takes back what this thread, or one
        // that handed the taker on to it, has put there.
        if self.state.compare_exchange(WAITED, AWAY, Ordering::Relaxed, Ordering::Acquire).is_err() {
            return self.poll_take(cx);
        }
        self.forget_waker();
        self.wait(cx)
    }

    fn forget_waker(&self) {
        // SAFETY: filled by the taker, who has it again.
        self.taker.with_mut(|t| unsafe { t.cast::<Waker>().drop_in_place() });
    }
}

impl Drop for Baton {
    fn drop(&mut self) {
        // ORDERING: Relaxed: nobody else is left.
        if self.state.load(Ordering::Relaxed) == WAITED {
            self.forget_waker();
        }
    }
}

impl fmt::Debug for Baton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Baton").field("state", &self.state).finish_non_exhaustive()
    }
}

/// See [`Baton::take`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Take<'a>(&'a Baton);

impl Future for Take<'_> {
    type Output = ();

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_take(cx)
    }
}
