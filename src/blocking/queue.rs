//! First come, first served, with a ticket by which a job can be taken out again.
//!
//! Tickets grow, so the queue is sorted by them: removal is a binary search and leaves a gap. Gaps
//! at the front go at once, the others when they are more than the jobs.

use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub(super) struct Queue<T> {
    entries: VecDeque<(u64, Option<T>)>,
    live: usize,
    last_ticket: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { entries: VecDeque::new(), live: 0, last_ticket: 0 }
    }
}

impl<T> Queue<T> {
    /// Jobs in it.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Makes room for one more. False: there is no memory.
    pub(super) fn reserve(&mut self) -> bool {
        self.entries.try_reserve(1).is_ok()
    }

    /// Appends a job; its ticket is never zero and never used again.
    pub(super) fn push(&mut self, job: T) -> u64 {
        self.last_ticket += 1;
        self.entries.push_back((self.last_ticket, Some(job)));
        self.live += 1;
        self.last_ticket
    }

    /// Takes the oldest job.
    pub(super) fn pop(&mut self) -> Option<T> {
        while let Some((_, entry)) = self.entries.pop_front() {
            if entry.is_some() {
                self.live -= 1;
                return entry;
            }
        }
        None
    }

    /// Takes the job with that ticket, if it is still waiting.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<T> {
        let at = self.entries.binary_search_by_key(&ticket, |(t, _)| *t).ok()?;
        let job = self.entries[at].1.take()?;
        self.live -= 1;
        if self.entries.len() > 2 * self.live {
            self.entries.retain(|(_, entry)| entry.is_some());
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_out_in_order_and_removed_ones_not_at_all() {
        let mut queue = Queue::default();
        let tickets: Vec<u64> = (0..10).map(|n| queue.push(n)).collect();
        for n in [0, 3, 4, 9] {
            assert_eq!(queue.remove(tickets[n]), Some(n));
            assert_eq!(queue.remove(tickets[n]), None);
        }
        assert_eq!(queue.len(), 6);
        let rest: Vec<usize> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, [1, 2, 5, 6, 7, 8]);
        assert_eq!((queue.len(), queue.remove(tickets[5]), queue.remove(0)), (0, None, None));
    }

    #[test]
    fn gaps_never_outnumber_the_jobs() {
        let mut queue = Queue::default();
        queue.push(0);
        for n in 1..1000 {
            let ticket = queue.push(n);
            assert_eq!(queue.remove(ticket), Some(n));
            assert!(queue.entries.len() <= 2);
        }
    }
}
