//! What alarms and their owner share: the stack of those that were let go of elsewhere, and the count that ends it all.
//!
//! An alarm may outlive the reactor it was set on, so the memory does too: the count starts at [`OWNER`]; closing
//! adds the nodes still out minus `OWNER`; a node that meets the closed stack is one less. Whoever pushes a node
//! holds one as well (*pin*) until it has called `unpark`. Whoever makes the count zero frees the memory.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use super::node::Node;
use super::own::Own;
use crate::driver::{Nanos, Unpark};
use crate::park::ParkWord;
use crate::queue::intake::{Stack, Taken};
use crate::sync::{AtomicI64, CachePadded, Ordering};

/// The owner's part of the count: more than there can be nodes and pins.
const OWNER: i64 = 1 << 48;

/// See the module.
pub(super) struct Shared {
    let_go: Stack<Node>,
    count: AtomicI64,
    park: Arc<ParkWord>,
    unpark: Arc<dyn Unpark>,
    pub(super) own: CachePadded<Own>,
}

impl Shared {
    pub(super) fn new(now: Nanos, park: Arc<ParkWord>, unpark: Arc<dyn Unpark>) -> Self {
        let own = CachePadded(Own::new(now));
        Shared { let_go: Stack::new(), count: AtomicI64::new(OWNER), park, unpark, own }
    }

    /// Whether others have let go of something.
    #[inline]
    pub(super) fn has_returned(&self) -> bool {
        !self.let_go.is_empty()
    }

    /// Owner: ends what others have let go of.
    #[inline]
    pub(super) fn take_back(&self) {
        if self.has_returned() {
            self.end_taken(self.let_go.take_all());
        }
    }

    fn end_taken(&self, taken: Taken<Node>) {
        for node in taken {
            // A destructor runs here, which may end other alarms: the list is ours, and all else is at rest.
            drop(self.own.end(node));
        }
    }

    /// Gives back a pin, or a node after closing.
    ///
    /// # Safety
    /// The caller owns one of the count and does not use `this` afterwards.
    unsafe fn release(this: NonNull<Shared>) {
        // SAFETY: alive, as the caller owns one of the count.
        let count = unsafe { &this.as_ref().count };
        // ORDERING: Release so that whoever frees sees us gone; Acquire if that is us.
        if count.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: the count is zero: no owner, no node out, no pin.
            unsafe { Self::destroy(this) };
        }
    }

    /// Owner: the last step. Alarms that are left are freed by their holders, and the memory by the last of them.
    ///
    /// # Safety
    /// The caller is the owner, which ends with this call.
    pub(super) unsafe fn close(this: NonNull<Shared>) {
        // SAFETY: the owner's part of the count keeps it alive.
        let shared = unsafe { this.as_ref() };
        shared.end_taken(shared.let_go.close());
        let change = shared.own.out() as i64 - OWNER;
        // ORDERING: as in `release`.
        if shared.count.fetch_add(change, Ordering::AcqRel) + change == 0 {
            // SAFETY: the count is zero.
            unsafe { Self::destroy(this) };
        }
    }

    /// # Safety
    /// The count is zero, and `this` came from a box.
    unsafe fn destroy(this: NonNull<Shared>) {
        // SAFETY: nobody else knows it any more.
        let shared = unsafe { Box::from_raw(this.as_ptr()) };
        // SAFETY: as above, so its nodes are nobody's either.
        unsafe { shared.own.destroy() };
    }
}

/// An alarm that was set. Ended where it was set by [`Alarms::end`](super::Alarms::end); dropping it
/// ends it from any thread, at its owner's next turn, whom that wakes.
///
/// The size of two pointers.
pub struct Alarm {
    node: NonNull<Node>,
    /// Alive while the node is out.
    shared: NonNull<Shared>,
}

// SAFETY: off the owner's thread an alarm is pushed on a stack, nothing else; the waker in its node is `Send`.
unsafe impl Send for Alarm {}
// SAFETY: a shared alarm gives access to its address.
unsafe impl Sync for Alarm {}

impl Alarm {
    /// # Safety
    /// The node is one of `shared`'s, and was taken for this alarm.
    #[inline(always)]
    pub(super) unsafe fn new(node: NonNull<Node>, shared: NonNull<Shared>) -> Self {
        Alarm { node, shared }
    }

    #[inline(always)]
    pub(super) fn is_of(&self, shared: NonNull<Shared>) -> bool {
        self.shared == shared
    }

    #[inline(always)]
    pub(super) fn node(&self) -> &Node {
        // SAFETY: nodes stay while their alarm does. On other threads than the owner's nothing but the link is
        // used, and the owner's methods ask whose alarm it is.
        unsafe { self.node.as_ref() }
    }

    #[inline(always)]
    pub(super) fn into_node(self) -> NonNull<Node> {
        ManuallyDrop::new(self).node
    }
}

impl Drop for Alarm {
    #[cold]
    fn drop(&mut self) {
        let this = self.shared;
        // SAFETY: the node is out, which keeps it alive; from here to the end the pin does.
        let shared = unsafe { this.as_ref() };
        shared.count.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the alarm ends here, so nobody else pushes its node.
        if unsafe { shared.let_go.push(self.node) } {
            shared.park.unpark(&*shared.unpark);
        } else {
            // SAFETY: closed: the node is one of the count, and the pin another.
            unsafe { Shared::release(this) };
        }
        // SAFETY: the pin is ours, and `this` is not used afterwards.
        unsafe { Shared::release(this) };
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}
