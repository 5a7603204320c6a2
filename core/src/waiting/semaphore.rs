//! Permits for any thread.

use core::task::{Poll, Waker};

use super::permits::{Permits, Take};
use super::queue::Ticket;
use crate::sync::Lock;

/// A count that tasks take from and give back to, fair: who came first is served first, also if it wants more than
/// those behind it.
///
/// ```
/// use ouzel_core::waiting::Semaphore;
/// use std::task::{Poll, Waker};
/// let semaphore = Semaphore::new(1);
/// let (mut first, mut second) = (None, None);
/// assert_eq!(semaphore.poll_acquire(&mut first, 1, Waker::noop()), Poll::Ready(()));
/// assert_eq!(semaphore.poll_acquire(&mut second, 1, Waker::noop()), Poll::Pending);
/// assert!(semaphore.release(1)); // wakes the second
/// assert_eq!(semaphore.poll_acquire(&mut second, 1, Waker::noop()), Poll::Ready(()));
/// ```
#[derive(Debug)]
pub struct Semaphore(Lock<Permits>);

impl Semaphore {
    /// A semaphore with so many permits.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Semaphore(Lock::new(Permits::new(permits)))
    }

    /// Permits that are free.
    #[must_use]
    pub fn available(&self) -> usize {
        self.0.lock().free()
    }

    /// How many tasks wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting()
    }

    /// Takes `n` permits if they are free and nobody waits.
    #[must_use]
    pub fn try_acquire(&self, n: usize) -> bool {
        self.0.lock().try_take(n)
    }

    /// Takes `n` permits, or makes `waker` be woken when it is this waiter's turn. While `ticket` is some it waits:
    /// poll with the same one again, or [`leave`](Self::leave). If it is none and they are not taken, there is no memory to wait in.
    pub fn poll_acquire(&self, ticket: &mut Option<Ticket>, n: usize, waker: &Waker) -> Poll<()> {
        let mut keep = None;
        loop {
            let taken = self.0.lock().take(ticket, n, waker, &mut keep);
            match taken {
                Take::Taken(_) => return Poll::Ready(()),
                Take::Waits | Take::Refused(_) => return Poll::Pending,
                Take::NeedsWaker => keep = Some(waker.clone()),
            }
        }
    }

    /// Gives `n` permits, taken before or new, and wakes those whose turn it is. False: too many to count.
    #[must_use = "false: they were not added"]
    pub fn release(&self, n: usize) -> bool {
        let mut permits = self.0.lock();
        let added = permits.add(n);
        let first = permits.serve();
        drop(permits);
        wake_all(first, || self.0.lock().serve());
        added
    }

    /// Gives up waiting. A permit that was handed over meanwhile goes to the next.
    pub fn leave(&self, ticket: Ticket) {
        let mut permits = self.0.lock();
        let waker = permits.leave(ticket);
        let first = permits.serve();
        drop(permits);
        drop(waker);
        wake_all(first, || self.0.lock().serve());
    }
}

/// Wakes `first`, and then whom `next` names, until it names nobody.
pub(super) fn wake_all(first: Option<Waker>, mut next: impl FnMut() -> Option<Waker>) {
    let mut woken = first;
    while let Some(waker) = woken {
        waker.wake();
        woken = next();
    }
}
