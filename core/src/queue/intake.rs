//! A stack that anyone pushes to and one owner empties: one CAS in, one swap for all that is there.
//!
//! It never locks, so an interrupt or a signal handler may push whatever it stopped, and it takes only as a
//! whole, so no address can come back between a load and a CAS (no ABA). The order that pushes came in is
//! restored when they are taken.
//!
//! A stack that is *closed* refuses what comes later, for good.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use crate::sync::{AtomicPtr, Ordering, const_fn};

/// A node with room for a link.
///
/// # Safety
/// `link` loads what `set_link` stored last, in a place that nothing else uses while the node is on a stack.
pub(crate) unsafe trait Node {
    /// Writes the link.
    ///
    /// # Safety
    /// `this` is alive, and the caller is about to push it, or has taken it.
    unsafe fn set_link(this: NonNull<Self>, next: *mut Self);
    /// Reads the link.
    ///
    /// # Safety
    /// As for `set_link`, and the link has been written.
    unsafe fn link(this: NonNull<Self>) -> *mut Self;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Stack<N> {
    head: AtomicPtr<N>,
}

impl<N> Stack<N> {
    const_fn! {
        pub(crate) fn new() -> Self {
            Stack { head: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    fn closed() -> *mut N {
        ptr::without_provenance_mut(1)
    }

    /// Whether there is nothing to take. A push that has been unparked for is seen.
    #[cfg_attr(not(feature = "alloc"), expect(dead_code, reason = "asked by the local executor alone"))]
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: a hint. Whoever must not miss a push has consumed the token its pusher
        // left in the park word, and with it what the pusher did before.
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == Self::closed()
    }
}

impl<N: Node> Stack<N> {
    /// Adds `node`; false if the stack is closed.
    ///
    /// # Safety
    /// `node` is on no stack, nobody else pushes it, and it stays alive until it has been taken.
    #[inline]
    pub(crate) unsafe fn push(&self, node: NonNull<N>) -> bool {
        // ORDERING: Relaxed: the CAS below decides.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == Self::closed() {
                return false;
            }
            // SAFETY: nobody else pushes it, so the link is the caller's until the CAS.
            unsafe { N::set_link(node, head) };
            // ORDERING: Release pairs with the Acquire in `take_all`: the link, and what the pusher did before.
            match self.head.compare_exchange(head, node.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => head = now,
            }
        }
    }

    /// Owner: takes everything, oldest first. Not after `close`: it would open the stack again.
    pub(crate) fn take_all(&self) -> Taken<N> {
        // ORDERING: Acquire pairs with the Release in `push`.
        Self::oldest_first(self.head.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// Owner: takes everything and refuses what comes later. Idempotent.
    #[cfg_attr(not(feature = "alloc"), expect(dead_code, reason = "what is static never ends"))]
    pub(crate) fn close(&self) -> Taken<N> {
        // ORDERING: Acquire as in `take_all`; Release: a refused pusher goes on with what the owner left.
        let head = self.head.swap(Self::closed(), Ordering::AcqRel);
        Self::oldest_first(if head == Self::closed() { ptr::null_mut() } else { head })
    }

    fn oldest_first(mut newest: *mut N) -> Taken<N> {
        let mut list = ptr::null_mut();
        while let Some(node) = NonNull::new(newest) {
            // SAFETY: a node taken from the stack is alive, and its link is ours.
            newest = unsafe { N::link(node) };
            // SAFETY: as above.
            unsafe { N::set_link(node, list) };
            list = node.as_ptr();
        }
        Taken { next: list, _nodes: PhantomData }
    }
}

/// Nodes that were taken, oldest first. Each may be pushed again once the iterator has handed it out, since
/// its link has been read by then; dropping the rest would lose them.
#[derive(Debug)]
#[must_use]
pub(crate) struct Taken<N> {
    next: *mut N,
    _nodes: PhantomData<*mut N>,
}

impl<N: Node> Iterator for Taken<N> {
    type Item = NonNull<N>;

    fn next(&mut self) -> Option<NonNull<N>> {
        let node = NonNull::new(self.next)?;
        // SAFETY: not yet handed out: alive, and its link is ours.
        self.next = unsafe { N::link(node) };
        Some(node)
    }
}
