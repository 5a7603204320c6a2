//! The descriptors and words by which sleepers hear of news: the driver's owner, or a host that polls.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use io_uring::IoUring;
use rustix::event::{EventfdFlags, epoll, eventfd};

use crate::eventfd::EventUnpark;
use crate::futex::FutexUnpark;
use crate::sys;

/// How a parked owner is woken.
#[derive(Debug)]
pub(super) enum Wake {
    /// The ring waits on the park word.
    Futex(Arc<FutexUnpark>),
    /// The ring reads an eventfd, into a place that does not move.
    Event(Arc<EventUnpark>, Box<u64>),
}

impl Wake {
    pub(super) fn calls(&self) -> u64 {
        match self {
            Wake::Futex(wake) => wake.calls(),
            Wake::Event(wake, _) => wake.calls(),
        }
    }
}

/// What a host polls.
#[derive(Debug)]
pub(super) struct Notify {
    /// Signalled by the ring.
    pub(super) event: OwnedFd,
    /// An epoll of that and of the eventfd of unparks, if there is one.
    pub(super) both: Option<OwnedFd>,
}

impl Notify {
    pub(super) fn new(ring: &IoUring, wake: &Wake) -> Option<Notify> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
        ring.submitter().register_eventfd(event.as_raw_fd()).ok()?;
        let Wake::Event(unpark, _) = wake else { return Some(Notify { event, both: None }) };
        let both = epoll::create(epoll::CreateFlags::CLOEXEC).ok()?;
        for fd in [event.as_raw_fd(), unpark.fd()] {
            if sys::epoll_ctl(both.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN as u32, 0) < 0 {
                return None;
            }
        }
        Some(Notify { event, both: Some(both) })
    }
}
