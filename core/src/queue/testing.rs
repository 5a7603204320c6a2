//! A task stand-in for the queues' tests: a number in a heap cell whose content loom watches.

use crate::queue::{Chain, Linked};
use crate::sync::UnsafeCell;
use core::ptr::NonNull;
use std::boxed::Box;
use std::vec::Vec;

pub(crate) struct Node {
    id: UnsafeCell<u32>,
    link: UnsafeCell<Option<NonNull<Node>>>,
}

/// Owns one [`Node`].
pub(crate) struct Item(NonNull<Node>);

// SAFETY: an item owns its node; nothing in it is tied to a thread.
unsafe impl Send for Item {}

impl Item {
    pub(crate) fn new(id: u32) -> Self {
        let node = Box::new(Node { id: UnsafeCell::new(id), link: UnsafeCell::new(None) });
        Item(NonNull::from(Box::leak(node)))
    }

    /// Takes the number out and frees the node. Under loom this fails if the push does not happen before it.
    pub(crate) fn id(self) -> u32 {
        // SAFETY: the node lives while the item does.
        let node = unsafe { self.0.as_ref() };
        node.id.with_mut(|p| {
            // SAFETY: the item owns the node, so this is the only access.
            unsafe { *p }
        })
    }
}

/// The numbers in `chain`, in order.
pub(crate) fn ids(mut chain: Chain<Item>) -> Vec<u32> {
    core::iter::from_fn(|| chain.pop_front()).map(Item::id).collect()
}

/// Items with these numbers, in order.
#[cfg(not(ouzel_loom))]
pub(crate) fn chain(ids: core::ops::Range<u32>) -> Chain<Item> {
    let mut chain = Chain::new();
    ids.for_each(|id| chain.push_back(Item::new(id)));
    chain
}

impl core::fmt::Debug for Item {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Item")
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        // SAFETY: the node came from `Box::leak` in `new`, and its only owner goes now.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

// SAFETY: the pointer is the handle; the link is a field of its own that nothing else uses.
unsafe impl Linked for Item {
    type Node = Node;

    fn into_raw(self) -> NonNull<Node> {
        let node = self.0;
        core::mem::forget(self);
        node
    }

    unsafe fn from_raw(node: NonNull<Node>) -> Self {
        Item(node)
    }

    unsafe fn next(node: NonNull<Node>) -> Option<NonNull<Node>> {
        // SAFETY: the caller owns the node.
        let node = unsafe { node.as_ref() };
        node.link.with(|p| {
            // SAFETY: the caller owns the node, so nobody writes.
            unsafe { *p }
        })
    }

    unsafe fn set_next(node: NonNull<Node>, next: Option<NonNull<Node>>) {
        // SAFETY: the caller owns the node.
        let node = unsafe { node.as_ref() };
        node.link.with_mut(|p| {
            // SAFETY: the caller owns the node, so this is the only access.
            unsafe { *p = next }
        });
    }
}
