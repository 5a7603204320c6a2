//! What a task has beside its function: made when it is first needed, since most tasks need none of it.
//!
//! | part      | from                         | its end                                                    |
//! |-----------|------------------------------|------------------------------------------------------------|
//! | membership| `opts.group`                 | leaves the group                                           |
//! | deadline  | `opts.deadline_ns`           | its timer goes                                             |
//! | name      | `opts.name`                  | is not listed any more                                     |
//! | newborn   | `ouzel_spawn_from`           | at the first poll                                          |
//! | locals    | `ouzel_local_set`            | their `drop`, the newest first                             |
//! | waits     | semaphores, channels, addresses | leaves the queue; what was handed over goes to the next |

use core::ffi::c_void;
use core::task::{Context, Poll};
use std::sync::Arc;

use ouzel::op::Timer;
use ouzel::op::raw::Nanos;
use ouzel::sync::raw::{Semaphore, Ticket};
use ouzel::time::now;

use crate::error::Result;
use crate::guard::callback;
use crate::memory;
use crate::options::{Ud, UdFn};
use crate::place::ouzel_runtime;
use crate::things::channel::Channel;
use crate::things::groups::Group;
use crate::things::table::Key;

/// See the module.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) group: Option<(Arc<Group>, Key)>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) named: Option<Key>,
    pub(crate) newborn: Option<u32>,
    locals: Vec<Local>,
    waits: Vec<Wait>,
}

/// When a task is cancelled, or waits no longer.
pub(crate) struct Deadline {
    at: Nanos,
    /// Set by the first poll: its thread's.
    timer: Option<Timer>,
}

impl Deadline {
    pub(crate) fn new(at: Nanos) -> Self {
        Deadline { at, timer: None }
    }

    pub(crate) fn at(&self) -> Nanos {
        self.at
    }

    /// Whether its time has come; if not, the task is woken for it.
    pub(crate) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if self.timer.is_none() {
            if now() >= self.at {
                return true;
            }
            self.timer = Timer::set(self.at).ok();
        }
        let Some(timer) = &mut self.timer else {
            // Without memory for a timer the task itself looks again and again.
            cx.waker().wake_by_ref();
            return false;
        };
        timer.poll(cx) == Poll::Ready(())
    }
}

/// A task-local value.
pub(crate) struct Local {
    key: u32,
    value: Ud,
    drop: Option<UdFn>,
}

impl Local {
    pub(crate) fn end(self) {
        if let Some(drop) = self.drop {
            callback(|| drop(self.value.0));
        }
    }
}

/// Where a task waits: at most once at each place.
pub(crate) enum Wait {
    Permits { semaphore: Arc<Semaphore>, n: u32, ticket: Ticket },
    Room { channel: Arc<Channel>, ticket: Ticket },
    Element { channel: Arc<Channel>, ticket: Ticket },
    Addr { place: &'static ouzel_runtime, addr: usize, ticket: Ticket, until: Option<Deadline> },
}

impl Wait {
    /// Gives it up.
    pub(crate) fn leave(self) {
        match self {
            Wait::Permits { semaphore, ticket, .. } => semaphore.leave(ticket),
            Wait::Room { channel, ticket } => channel.leave_put(ticket),
            Wait::Element { channel, ticket } => channel.leave_take(ticket),
            Wait::Addr { place, addr, ticket, .. } => {
                // Without a body its queues are gone, and with them who could be woken.
                if let Ok(body) = place.body() {
                    body.things.addrs.leave(addr, ticket);
                }
            }
        }
    }
}

impl Extra {
    /// Whether the deadline is over; if not, the task is woken for it.
    pub(crate) fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.is_over(cx))
    }

    /// Takes a wait out that fits.
    pub(crate) fn take_wait(&mut self, fits: impl Fn(&Wait) -> bool) -> Option<Wait> {
        let at = self.waits.iter().position(fits)?;
        Some(self.waits.swap_remove(at))
    }

    /// Takes a wait over, if there is memory for it.
    pub(crate) fn keep_wait(&mut self, wait: &mut Option<Wait>) -> Result<()> {
        memory::room(&mut self.waits)?;
        self.waits.extend(wait.take());
        Ok(())
    }

    /// All waits, to be left.
    pub(crate) fn take_waits(&mut self) -> Vec<Wait> {
        core::mem::take(&mut self.waits)
    }

    /// Sets a task-local value, none if it is null; the one before comes back, to be ended.
    pub(crate) fn set_local(
        &mut self,
        key: u32,
        value: *mut c_void,
        drop: Option<UdFn>,
    ) -> Result<Option<Local>> {
        memory::room(&mut self.locals)?;
        let at = self.locals.iter().position(|local| local.key == key);
        let old = at.map(|at| self.locals.remove(at));
        if !value.is_null() {
            self.locals.push(Local { key, value: Ud(value), drop });
        }
        Ok(old)
    }

    pub(crate) fn local(&self, key: u32) -> Option<*mut c_void> {
        self.locals.iter().find(|local| local.key == key).map(|local| local.value.0)
    }

    /// The task has ended and its `drop` has run.
    pub(crate) fn end(mut self, place: &'static ouzel_runtime) {
        self.take_waits().into_iter().for_each(Wait::leave);
        while let Some(local) = self.locals.pop() {
            local.end();
        }
        drop(self.deadline.take());
        if let Ok(body) = place.body() {
            if let Some(number) = self.newborn.take() {
                body.things.newborns.end(number);
            }
            if let Some(key) = self.named.take() {
                let _its_own = body.things.named.remove(key, |_| Ok(()));
            }
        }
        if let Some((group, number)) = self.group.take() {
            group.leave(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_wait_that_is_left_passes_its_permit_on() {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut ticket = None;
        assert!(semaphore.poll_acquire(&mut ticket, 2, Waker::noop()).is_pending());
        let mut extra = Extra::default();
        let wait = Wait::Permits { semaphore: Arc::clone(&semaphore), n: 2, ticket: ticket.unwrap() };
        extra.keep_wait(&mut Some(wait)).unwrap();
        assert!(semaphore.release(2));
        let waits = extra.take_waits();
        assert_eq!((semaphore.available(), waits.len(), extra.take_waits().len()), (0, 1, 0));
        waits.into_iter().for_each(Wait::leave);
        assert_eq!(semaphore.available(), 2);
    }
}
