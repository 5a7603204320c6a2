//! What a reactor does for its operations besides the driver's work, before and after each look at the driver.

use ouzel_core::op::{Completion, Request};

use super::ReactorCell;
use super::limits::Rung;
use crate::platform::{self, ECANCELED};

impl ReactorCell {
    /// Hands cancellations to whoever has the operation.
    pub(super) fn take_cancels(&self) {
        self.slab.take_cancels(|key| {
            if self.limits.end_timer(&self.slab, key) {
                return self.complete(key, Completion::done(-ECANCELED));
            }
            let mut deferred = self.deferred.borrow_mut();
            if let Some(i) = deferred.iter().position(|(k, ..)| *k == key) {
                deferred.remove(i);
                drop(deferred);
                return self.complete(key, Completion::done(-ECANCELED));
            }
            drop(deferred);
            self.driver.borrow_mut().cancel(key);
        });
    }

    /// Everything that does not need the driver to look: mail, expired timers, cancellations, litter.
    /// Returns how many completions were delivered.
    #[inline]
    pub(super) fn turn(&self) -> usize {
        if self.has_chores() { self.do_chores() } else { 0 }
    }

    /// Whether there is any of that: mostly there is none.
    #[inline]
    pub(super) fn has_chores(&self) -> bool {
        !(self.mailbox.is_empty()
            && self.alarms.is_idle()
            && self.limits.is_empty()
            && self.deferred.borrow().is_empty())
            || self.provided.get().is_some_and(|provided| provided.has_returned())
            || self.has_litter()
    }

    pub(super) fn has_litter(&self) -> bool {
        self.slab.has_chores() || !self.litter.borrow().is_empty()
    }

    #[inline(never)]
    pub(super) fn do_chores(&self) -> usize {
        let mut count = 0;
        for (key, c) in self.mailbox.take() {
            self.complete(key, c);
            count += 1;
        }
        if let Some(provided) = self.provided.get() {
            provided.take_returned().into_iter().for_each(|id| self.recycle(id));
        }
        self.alarms.take_back();
        count += self.expire();
        self.take_cancels();
        self.start_deferred();
        self.clear_litter();
        count
    }

    fn expire(&self) -> usize {
        if self.alarms.is_empty() && self.limits.is_empty() {
            return 0;
        }
        let now = platform::now();
        let mut count = self.alarms.expire(now);
        loop {
            match self.limits.pop_expired(&self.slab, now) {
                Some(Rung::Timer(key)) => {
                    self.complete(key, Completion::done(0));
                    count += 1;
                }
                // Its completion comes from the driver.
                Some(Rung::Limit(key)) => self.driver.borrow_mut().cancel(key),
                None => return count,
            }
        }
    }

    fn start_deferred(&self) {
        loop {
            // Not borrowed in the body: starting one may defer another.
            let Some((key, request, limit, pool)) = self.deferred.borrow_mut().pop() else { return };
            self.start(key, request, limit, || pool);
        }
    }

    pub(super) fn clear_litter(&self) {
        self.slab.take_unclaimed(|request, c| self.litter.borrow_mut().push((*request, c)));
        loop {
            let Some((request, c)) = self.litter.borrow_mut().pop() else { return };
            if let Some(id) = c.buffer() {
                self.driver.borrow_mut().recycle(id);
            }
            if let (Request::Accept { .. } | Request::AcceptMulti { .. } | Request::OpenAt { .. }, 0..) =
                (request, c.res)
            {
                // SAFETY: the kernel made this descriptor for an operation nobody holds any more.
                unsafe { platform::close(c.res) };
            }
        }
    }
}
