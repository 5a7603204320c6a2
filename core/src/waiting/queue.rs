//! Who waits, in order of arrival: a list through the places of a vector, so that leaving takes no search.
//!
//! | place   | event          | then    |
//! |---------|----------------|---------|
//! | free    | `push`         | waiting |
//! | waiting | `serve_front`  | served: off the list, kept for its ticket |
//! | waiting | `remove`       | free    |
//! | served  | `remove`       | free    |

use alloc::vec::Vec;
use core::mem;
use core::task::Waker;

/// No place.
const NONE: u32 = u32::MAX;

/// A place in a [`WaitQueue`], its holder's until it is given back. Not to be lost: the place would stay taken.
#[derive(Debug)]
#[must_use = "a ticket is given back, or its place stays taken"]
pub struct Ticket(u32);

/// See the module. `T` is what a waiter wants.
#[derive(Debug)]
pub struct WaitQueue<T> {
    places: Vec<Place<T>>,
    first: u32,
    last: u32,
    free: u32,
    waiting: usize,
}

#[derive(Debug)]
struct Place<T> {
    /// None: free, and `next` is the next free one.
    want: Option<T>,
    /// Of one who waits.
    waker: Option<Waker>,
    before: u32,
    next: u32,
}

impl<T> Default for WaitQueue<T> {
    fn default() -> Self {
        WaitQueue { places: Vec::new(), first: NONE, last: NONE, free: NONE, waiting: 0 }
    }
}

impl<T> WaitQueue<T> {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Takes a place at the end.
    ///
    /// # Errors
    /// The waker, to be dropped outside of locks: there is no memory for another place.
    pub fn push(&mut self, want: T, waker: Waker) -> Result<Ticket, Waker> {
        let new = u32::try_from(self.places.len()).ok().filter(|new| *new != NONE);
        if self.free == NONE && (new.is_none() || self.places.try_reserve(1).is_err()) {
            return Err(waker);
        }
        let place = Place { want: Some(want), waker: Some(waker), before: self.last, next: NONE };
        let at = if let (NONE, Some(new)) = (self.free, new) {
            self.places.push(place);
            new
        } else {
            let at = self.free;
            let old = mem::replace(self.at(at), place);
            self.free = old.next;
            at
        };
        match self.last {
            NONE => self.first = at,
            last => self.at(last).next = at,
        }
        self.last = at;
        self.waiting += 1;
        Ok(Ticket(at))
    }

    /// What the first who waits wants.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.places.get(self.first as usize)?.want.as_ref()
    }

    /// The first who waits is served, and to be woken.
    #[must_use]
    pub fn serve_front(&mut self) -> Option<Waker> {
        if self.first == NONE {
            return None;
        }
        self.serve_at(self.first)
    }

    /// Serves the first of those who want what `wanted` says.
    #[must_use]
    pub fn serve_first(&mut self, wanted: impl Fn(&T) -> bool) -> Option<Waker> {
        let mut at = self.first;
        while at != NONE {
            let place = self.at(at);
            let next = place.next;
            if place.want.as_ref().is_some_and(&wanted) {
                return self.serve_at(at);
            }
            at = next;
        }
        None
    }

    fn serve_at(&mut self, at: u32) -> Option<Waker> {
        let waker = self.at(at).waker.take();
        self.unlink(at);
        waker
    }

    /// The waker of one who waits, from the place `from` on, which moves behind it. Who had it keeps its place, but is not woken
    /// again until it has polled.
    pub fn take_waker(&mut self, from: &mut usize) -> Option<Waker> {
        let mut places = self.places.iter_mut().skip(*from);
        places.find_map(|place| {
            *from += 1;
            place.waker.take()
        })
    }

    /// Whether the ticket's holder has been served.
    #[must_use]
    pub fn is_served(&self, ticket: &Ticket) -> bool {
        let place = &self.places[ticket.0 as usize];
        place.next == ticket.0
    }

    /// What the ticket's holder wants.
    #[must_use]
    pub fn want(&self, ticket: &Ticket) -> Option<&T> {
        self.places[ticket.0 as usize].want.as_ref()
    }

    /// Whether the ticket's holder is woken through a waker like this one.
    #[must_use]
    pub fn is_woken_by(&self, ticket: &Ticket, waker: &Waker) -> bool {
        self.places[ticket.0 as usize].waker.as_ref().is_some_and(|known| known.will_wake(waker))
    }

    /// Gives one who waits another waker; the old one comes back, to be dropped outside of locks.
    #[must_use]
    pub fn set_waker(&mut self, ticket: &Ticket, waker: Waker) -> Option<Waker> {
        self.at(ticket.0).waker.replace(waker)
    }

    /// Gives the place back. The waker is to be dropped outside of locks.
    pub fn remove(&mut self, ticket: Ticket) -> Removed<T> {
        let at = ticket.0;
        let served = self.is_served(&ticket);
        if !served {
            self.unlink(at);
        }
        let free = self.free;
        let place = self.at(at);
        let (want, waker) = (place.want.take(), place.waker.take());
        place.next = free;
        self.free = at;
        Removed { want: want.expect("a ticket names a place that is taken"), served, waker }
    }

    /// Takes a place off the list: it is its own successor then, which no place on a list is.
    fn unlink(&mut self, at: u32) {
        let place = self.at(at);
        let (before, next) = (place.before, place.next);
        place.next = at;
        match before {
            NONE => self.first = next,
            before => self.at(before).next = next,
        }
        match next {
            NONE => self.last = before,
            next => self.at(next).before = before,
        }
        self.waiting -= 1;
    }

    fn at(&mut self, at: u32) -> &mut Place<T> {
        &mut self.places[at as usize]
    }
}

/// What [`WaitQueue::remove`] gives back.
#[derive(Debug)]
pub struct Removed<T> {
    /// What was wanted.
    pub want: T,
    /// Whether it was handed out before.
    pub served: bool,
    /// The waker, to be dropped outside of locks.
    pub waker: Option<Waker>,
}
