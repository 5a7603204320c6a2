//! A storage of limited size between tasks that put in and tasks that take out.

use core::task::{Poll, Waker};

use super::permits::{Permits, Take};
use super::queue::Ticket;
use super::semaphore::wake_all;
use crate::sync::{Lock, LockGuard};

/// Nothing is put in any more; for who takes out: and nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Lets so many elements into `Q` as there is room, and out again in the order `Q` keeps. Both sides wait in order
/// of arrival. The closures run under the lock: they move one element and call nothing.
///
/// ```
/// use ouzel_core::waiting::{Closed, Gate};
/// use std::collections::VecDeque;
/// use std::task::{Poll, Waker};
/// let gate = Gate::new(VecDeque::new(), 1);
/// let (mut sender, mut receiver) = (None, None);
/// let put = |q: &mut VecDeque<u8>| q.push_back(7);
/// let take = |q: &mut VecDeque<u8>| q.pop_front();
/// assert_eq!(gate.poll_put(&mut sender, Waker::noop(), put), Poll::Ready(Ok(())));
/// assert_eq!(gate.poll_put(&mut sender, Waker::noop(), put), Poll::Pending);
/// assert_eq!(gate.poll_take(&mut receiver, Waker::noop(), take), Poll::Ready(Ok(Some(7))));
/// ```
#[derive(Debug)]
pub struct Gate<Q>(Lock<State<Q>>);

#[derive(Debug)]
struct State<Q> {
    elements: Q,
    room: Permits,
    filled: Permits,
    closed: bool,
}

/// Which of the two counts of a gate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Room,
    Filled,
}

impl Side {
    /// Where an element of this one goes when it is used up.
    fn other(self) -> Side {
        if self == Side::Room { Side::Filled } else { Side::Room }
    }
}

impl<Q> State<Q> {
    fn permits(&mut self, side: Side) -> &mut Permits {
        if side == Side::Room { &mut self.room } else { &mut self.filled }
    }

    /// Whether there is nothing to be had any more: no room behind a closed gate, and no element when all are out.
    /// One that has been handed an element takes it.
    fn is_over(&mut self, side: Side, ticket: Option<&Ticket>) -> bool {
        let used_up = side == Side::Room || self.filled.free() == 0;
        let handed = side == Side::Filled && ticket.is_some_and(|held| self.filled.has_served(held));
        self.closed && used_up && !handed
    }
}

impl<Q> Gate<Q> {
    /// An open gate around an empty `elements`, for up to `capacity` of them.
    #[must_use]
    pub fn new(elements: Q, capacity: usize) -> Self {
        let (room, filled) = (Permits::new(capacity), Permits::new(0));
        Gate(Lock::new(State { elements, room, filled, closed: false }))
    }

    /// Elements that nobody has been promised yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().filled.free()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tasks wait, on either side.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.0.lock();
        state.room.waiting() + state.filled.waiting()
    }

    /// Puts an element in, or makes `waker` be woken when it is this waiter's turn. While `ticket` is some it waits:
    /// poll with the same one again, or [`leave_put`](Self::leave_put). If it is none and the element is not in, there is no
    /// memory to wait in.
    ///
    /// # Errors
    /// Closed; `ticket` is none then.
    pub fn poll_put<R>(
        &self,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
        put: impl FnOnce(&mut Q) -> R,
    ) -> Poll<Result<R, Closed>> {
        self.poll(Side::Room, ticket, waker, put)
    }

    /// Takes an element out, or makes `waker` be woken when it is this waiter's turn; as `poll_put`.
    ///
    /// # Errors
    /// Closed, and nothing is left; `ticket` is none then.
    pub fn poll_take<R>(
        &self,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
        take: impl FnOnce(&mut Q) -> R,
    ) -> Poll<Result<R, Closed>> {
        self.poll(Side::Filled, ticket, waker, take)
    }

    fn poll<R>(
        &self,
        side: Side,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
        change: impl FnOnce(&mut Q) -> R,
    ) -> Poll<Result<R, Closed>> {
        let mut keep = None;
        loop {
            let mut state = self.0.lock();
            if state.is_over(side, ticket.as_ref()) {
                let old = ticket.take().and_then(|held| state.permits(side).leave(held));
                drop(state);
                drop(old);
                return Poll::Ready(Err(Closed));
            }
            match state.permits(side).take(ticket, 1, waker, &mut keep) {
                Take::Taken(old) => {
                    let changed = self.change(side, state, change);
                    drop(old);
                    return Poll::Ready(Ok(changed));
                }
                Take::Waits => return Poll::Pending,
                Take::Refused(unused) => {
                    drop(state);
                    drop(unused);
                    return Poll::Pending;
                }
                Take::NeedsWaker => {}
            }
            drop(state);
            keep = Some(waker.clone());
        }
    }

    /// Puts an element in if there is room and nobody waits for it.
    ///
    /// # Errors
    /// Closed. `Ok(None)`: no room.
    pub fn try_put<R>(&self, put: impl FnOnce(&mut Q) -> R) -> Result<Option<R>, Closed> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(Closed);
        }
        Ok(state.room.try_take(1).then(|| self.change(Side::Room, state, put)))
    }

    /// Takes an element out if there is one and nobody waits for it.
    ///
    /// # Errors
    /// Closed, and nothing is left. `Ok(None)`: nothing there.
    pub fn try_take<R>(&self, take: impl FnOnce(&mut Q) -> R) -> Result<Option<R>, Closed> {
        let mut state = self.0.lock();
        if state.is_over(Side::Filled, None) {
            return Err(Closed);
        }
        Ok(state.filled.try_take(1).then(|| self.change(Side::Filled, state, take)))
    }

    /// Moves an element for one that has taken a permit of `side`, and hands it to who waits on the other.
    fn change<R>(
        &self,
        side: Side,
        mut state: LockGuard<'_, State<Q>>,
        change: impl FnOnce(&mut Q) -> R,
    ) -> R {
        let changed = change(&mut state.elements);
        let added = state.permits(side.other()).add(1);
        debug_assert!(added, "room and elements add up to the capacity");
        self.serve(state, side.other());
        changed
    }

    /// A putter gives up waiting. Room that it was handed goes to the next.
    pub fn leave_put(&self, ticket: Ticket) {
        self.leave(ticket, Side::Room);
    }

    /// A taker gives up waiting. An element that it was handed goes to the next.
    pub fn leave_take(&self, ticket: Ticket) {
        self.leave(ticket, Side::Filled);
    }

    fn leave(&self, ticket: Ticket, side: Side) {
        let mut state = self.0.lock();
        let old = state.permits(side).leave(ticket);
        self.serve(state, side);
        drop(old);
    }

    fn serve(&self, mut state: LockGuard<'_, State<Q>>, side: Side) {
        let first = state.permits(side).serve();
        drop(state);
        wake_all(first, || self.0.lock().permits(side).serve());
    }

    /// Refuses what would be put in from now on and wakes everybody who waits. False: it was closed before.
    pub fn close(&self) -> bool {
        let mut state = self.0.lock();
        let first = !core::mem::replace(&mut state.closed, true);
        drop(state);
        // Nobody begins to wait from here on: one pass finds all, a lock for each.
        for side in [Side::Room, Side::Filled] {
            let mut from = 0;
            let mut next = || self.0.lock().permits(side).take_waker(&mut from);
            wake_all(next(), next);
        }
        first
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}
