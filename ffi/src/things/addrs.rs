//! Tasks that wait at an address of the host's.
//!
//! ```text
//!   waiter:  lock ── *addr == expected? ── join the queue ── unlock        waker:  *addr = new ── lock ── serve ── unlock
//! ```
//! The word is looked at under the lock that a waker takes after it has changed it. So either the waiter sees the new
//! value, or the waker finds the waiter.

use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ouzel::sync::raw::{Ticket, WaitQueue};

/// Queues; addresses are spread over them.
const QUEUES: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Addrs([Mutex<WaitQueue<usize>>; QUEUES]);

/// How a wait went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Woken, or the word has another value: the ticket is gone.
    Over,
    Waits,
}

impl Addrs {
    fn queue(&self, addr: usize) -> MutexGuard<'_, WaitQueue<usize>> {
        // Words of 4 bytes, and neighbours apart.
        let spread = (addr >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize) >> (usize::BITS - 4);
        self.0[spread % QUEUES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is woken, if `word` is `expected`, or has begun to before (then `ticket` is some). If that is none then, there
    /// is no memory to wait in.
    pub(crate) fn poll(
        &self,
        ticket: &mut Option<Ticket>,
        word: &AtomicU32,
        expected: u32,
        waker: &Waker,
    ) -> Wait {
        let addr = core::ptr::from_ref(word) as usize;
        let new = waker.clone();
        let mut queue = self.queue(addr);
        let served = ticket.as_ref().is_some_and(|held| queue.is_served(held));
        // ORDERING: Acquire pairs with whatever the host stored the word with: what came before that.
        let over = served || word.load(Ordering::Acquire) != expected;
        // Wakers are dropped after the lock.
        let unused = if over {
            let removed = ticket.take().map(|held| queue.remove(held));
            (removed.and_then(|removed| removed.waker), Some(new))
        } else if let Some(held) = ticket {
            let same = queue.is_woken_by(held, waker);
            if same { (Some(new), None) } else { (queue.set_waker(held, new), None) }
        } else {
            match queue.push(addr, new) {
                Ok(place) => {
                    *ticket = Some(place);
                    (None, None)
                }
                Err(unused) => (Some(unused), None),
            }
        };
        drop(queue);
        drop(unused);
        if over { Wait::Over } else { Wait::Waits }
    }

    /// Wakes up to `most` of those that wait at `addr`; how many.
    pub(crate) fn wake(&self, addr: usize, most: u32) -> u32 {
        for woken in 0..most {
            let waker = self.queue(addr).serve_first(|waits_at| *waits_at == addr);
            let Some(waker) = waker else { return woken };
            waker.wake();
        }
        most
    }

    /// Gives up waiting at `addr`; a wake that has come meanwhile goes to the next.
    pub(crate) fn leave(&self, addr: usize, ticket: Ticket) {
        let removed = self.queue(addr).remove(ticket);
        if removed.served {
            self.wake(addr, 1);
        }
        drop(removed);
    }
}
