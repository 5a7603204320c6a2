//! How a runnable task lies in a queue: linked through its own header, so no queue allocates.
//!
//! `task` knows no queue and `queue` no task; here the two meet, for every executor.

use core::ptr::{self, NonNull};

use crate::queue::Linked;
use crate::queue::intake::Node;
use crate::task::{Header, Notified};

// SAFETY: the pointer is the task's own, whose cell stays put while N is out; a queued task's `link` belongs to
// whoever holds its N, which is the queue.
unsafe impl Linked for Notified {
    type Node = Header;

    #[inline(always)]
    fn into_raw(self) -> NonNull<Header> {
        Notified::into_raw(self)
    }

    #[inline(always)]
    unsafe fn from_raw(node: NonNull<Header>) -> Self {
        // SAFETY: the caller's promise is the same.
        unsafe { Notified::from_raw(node) }
    }

    #[inline(always)]
    unsafe fn next(node: NonNull<Header>) -> Option<NonNull<Header>> {
        // SAFETY: N, which the caller owns, keeps the cell, and the link is its holder's.
        NonNull::new(unsafe { Header::link(node) })
    }

    #[inline(always)]
    unsafe fn set_next(node: NonNull<Header>, next: Option<NonNull<Header>>) {
        // SAFETY: as for `next`.
        unsafe { Header::set_link(node, next.map_or(ptr::null_mut(), NonNull::as_ptr)) };
    }
}

// SAFETY: a task lies on a stack either as its N (static tasks), whose holder has the link, or by its remote
// word (a single-thread executor's, whose run queue holds pointers), and then the stack alone uses the link. The
// free list's link is elsewhere.
unsafe impl Node for Header {
    #[inline(always)]
    unsafe fn set_link(this: NonNull<Self>, next: *mut Self) {
        // SAFETY: alive, by the caller's promise.
        let link = unsafe { &this.as_ref().link };
        // SAFETY: the caller's alone, by its promise.
        link.with_mut(|p| unsafe { *p = next });
    }

    #[inline(always)]
    unsafe fn link(this: NonNull<Self>) -> *mut Self {
        // SAFETY: alive, by the caller's promise.
        let link = unsafe { &this.as_ref().link };
        // SAFETY: the caller's alone, by its promise.
        link.with(|p| unsafe { *p })
    }
}
