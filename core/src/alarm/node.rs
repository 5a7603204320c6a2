//! An alarm's place in memory.

use core::ptr::{self, NonNull};
use core::task::Waker;

use crate::queue::intake;
use crate::sync::UnsafeCell;
use crate::timer::TimerNode;

/// Where one alarm lives. Never given back to the allocator, nor made anything else, while its owner or an alarm is about.
///
/// Timer and waker are the owner's. The link is the holder's until it pushes the node, then the owner's.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) timer: TimerNode<u32>,
    pub(super) waker: UnsafeCell<Option<Waker>>,
    pub(super) link: UnsafeCell<*mut Node>,
}

#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
const _: () = assert!(size_of::<Node>() <= 6 * size_of::<u64>(), "docs/io.md says what a sleep costs");

/// How an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum AlarmState {
    /// In the wheel, and the waker that was asked about is the one it will wake.
    Set,
    /// In the wheel, with another waker: end it, and set one with the right waker.
    OtherWaker,
    /// It has woken its waker: it was due, or all were ended.
    Rung,
}

impl Node {
    pub(super) fn new(index: u32) -> Self {
        Node {
            timer: TimerNode::new(index),
            waker: UnsafeCell::new(None),
            link: UnsafeCell::new(ptr::null_mut()),
        }
    }

    /// Puts a waker there, or takes it away; returns the one that was there.
    ///
    /// # Safety
    /// On the owner's thread.
    #[inline(always)]
    pub(super) unsafe fn replace_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        // SAFETY: one thread uses the cell, and nothing of the waker's runs inside.
        self.waker.with_mut(|p| unsafe { p.replace(waker) })
    }
}

// SAFETY: the link is used by whoever pushes the node, and by the owner once it has taken or freed it.
unsafe impl intake::Node for Node {
    unsafe fn set_link(this: NonNull<Self>, next: *mut Self) {
        // SAFETY: alive, by the caller's promise.
        let link = unsafe { &this.as_ref().link };
        // SAFETY: the caller's alone, by its promise.
        link.with_mut(|p| unsafe { *p = next });
    }

    unsafe fn link(this: NonNull<Self>) -> *mut Self {
        // SAFETY: alive, by the caller's promise.
        let link = unsafe { &this.as_ref().link };
        // SAFETY: the caller's alone, by its promise.
        link.with(|p| unsafe { *p })
    }
}
