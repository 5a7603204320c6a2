//! A count, and those who want a part of it: served in order of arrival, so that many small wants do not starve
//! a large one.

use core::task::Waker;

use super::queue::{Ticket, WaitQueue};

/// See the module. Not behind a lock: its owner has one.
#[derive(Debug, Default)]
pub struct Permits {
    free: usize,
    queue: WaitQueue<usize>,
}

/// How a try to take permits ended.
#[derive(Debug)]
#[must_use]
pub(super) enum Take {
    /// They are the caller's; a waker to be dropped outside of locks.
    Taken(Option<Waker>),
    /// It waits, and is woken.
    Waits,
    /// It has to wait: to be called again with a waker to keep.
    NeedsWaker,
    /// It has to wait and there is no memory for that; a waker to be dropped outside of locks.
    Refused(Waker),
}

impl Permits {
    /// So many, and nobody waits.
    #[must_use]
    pub fn new(free: usize) -> Self {
        Permits { free, queue: WaitQueue::default() }
    }

    /// How many are free. Some of them may be waited for by one who wants more.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes `n` if they are there and nobody waits.
    #[must_use]
    pub fn try_take(&mut self, n: usize) -> bool {
        let there = self.queue.is_empty() && self.free >= n;
        if there {
            self.free -= n;
        }
        there
    }

    /// Takes `n`, or waits for them: `ticket` is some while it does. `keep`: the waker to wait with, already
    /// cloned; it comes back here if it is not needed.
    pub(super) fn take(
        &mut self,
        ticket: &mut Option<Ticket>,
        n: usize,
        waker: &Waker,
        keep: &mut Option<Waker>,
    ) -> Take {
        let Some(held) = ticket else {
            if self.try_take(n) {
                return Take::Taken(None);
            }
            let Some(keep) = keep.take() else { return Take::NeedsWaker };
            return match self.queue.push(n, keep) {
                Ok(place) => {
                    *ticket = Some(place);
                    Take::Waits
                }
                Err(waker) => Take::Refused(waker),
            };
        };
        if self.queue.is_served(held) {
            let removed = ticket.take().map(|held| self.queue.remove(held));
            return Take::Taken(removed.and_then(|removed| removed.waker));
        }
        if !self.queue.is_woken_by(held, waker) {
            let Some(new) = keep.take() else { return Take::NeedsWaker };
            *keep = self.queue.set_waker(held, new);
        }
        Take::Waits
    }

    /// Adds `n`. False, and nothing is added, if that were too many to count.
    #[must_use]
    pub fn add(&mut self, n: usize) -> bool {
        let sum = self.free.checked_add(n);
        self.free = sum.unwrap_or(self.free);
        sum.is_some()
    }

    /// Hands the first who waits what it wants, if that is free. To be repeated, and each waker woken outside of
    /// locks, until there is none.
    #[must_use]
    pub fn serve(&mut self) -> Option<Waker> {
        let n = *self.queue.front()?;
        self.free = self.free.checked_sub(n)?;
        self.queue.serve_front()
    }

    /// Who holds the ticket does not wait any more; what it was handed is free again. [`Permits::serve`] comes next.
    /// The waker is to be dropped outside of locks.
    pub fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let removed = self.queue.remove(ticket);
        if removed.served {
            self.free += removed.want;
        }
        removed.waker
    }

    /// Whether the ticket's holder has been handed what it wants.
    pub(super) fn has_served(&self, ticket: &Ticket) -> bool {
        self.queue.is_served(ticket)
    }

    /// See [`WaitQueue::take_waker`].
    pub(super) fn take_waker(&mut self, from: &mut usize) -> Option<Waker> {
        self.queue.take_waker(from)
    }
}
