//! A singly linked FIFO list that borrows its links from the nodes themselves.
//!
//! It is what moves between queues: one chain is one batch, built without an allocation and appended
//! to an injection shard in constant time.

use core::fmt;
use core::mem;
use core::ptr::NonNull;

/// An owned handle to a node that can be turned into a pointer and back, and that has room for a link.
///
/// # Safety
/// - `from_raw(into_raw(h))` is `h` again, and the node stays where it is meanwhile.
/// - Between the two, `next` and `set_next` read and write one place in the node that nobody else
///   touches, and `next` gives back what `set_next` wrote last.
pub unsafe trait Linked: Sized + Send {
    /// What the handle points to.
    type Node;

    /// Gives the node up as a pointer.
    fn into_raw(self) -> NonNull<Self::Node>;

    /// Takes the node back.
    ///
    /// # Safety
    /// `node` came from [`Linked::into_raw`] and has not been taken back since.
    unsafe fn from_raw(node: NonNull<Self::Node>) -> Self;

    /// Reads the link.
    ///
    /// # Safety
    /// The caller owns `node` (it came from `into_raw`) and `set_next` was called on it.
    unsafe fn next(node: NonNull<Self::Node>) -> Option<NonNull<Self::Node>>;

    /// Writes the link.
    ///
    /// # Safety
    /// The caller owns `node` (it came from `into_raw`).
    unsafe fn set_next(node: NonNull<Self::Node>, next: Option<NonNull<Self::Node>>);
}

/// A list of owned nodes, first in first out. Dropping it drops them.
pub struct Chain<T: Linked> {
    ends: Option<Ends<T::Node>>,
    len: usize,
}

struct Ends<N> {
    first: NonNull<N>,
    last: NonNull<N>,
}

// SAFETY: a chain owns its nodes as a collection of `T` would, and `T: Send`.
unsafe impl<T: Linked> Send for Chain<T> {}

impl<T: Linked> Chain<T> {
    /// An empty chain.
    #[must_use]
    pub const fn new() -> Self {
        Chain { ends: None, len: 0 }
    }

    /// How many nodes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one node.
    #[inline]
    pub fn push_back(&mut self, task: T) {
        self.push_back_raw(task.into_raw());
    }

    #[inline]
    pub(super) fn push_back_raw(&mut self, node: NonNull<T::Node>) {
        // SAFETY: the node came out of `into_raw` and was given to this chain, so we own it.
        unsafe { T::set_next(node, None) };
        self.append_list(Ends { first: node, last: node }, 1);
    }

    /// Moves all of `other` behind what is here, in constant time.
    pub fn append(&mut self, mut other: Chain<T>) {
        let len = mem::take(&mut other.len);
        if let Some(list) = other.ends.take() {
            self.append_list(list, len);
        }
    }

    fn append_list(&mut self, list: Ends<T::Node>, len: usize) {
        match &mut self.ends {
            None => self.ends = Some(list),
            Some(ends) => {
                // SAFETY: `last` is in this chain, so we own it.
                unsafe { T::set_next(ends.last, Some(list.first)) };
                ends.last = list.last;
            }
        }
        self.len += len;
    }

    /// Takes the oldest node.
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        let node = self.pop_front_raw()?;
        // SAFETY: every node in a chain came from `into_raw`, and this one has just left it.
        Some(unsafe { T::from_raw(node) })
    }

    #[inline]
    pub(super) fn pop_front_raw(&mut self) -> Option<NonNull<T::Node>> {
        let ends = self.ends.as_mut()?;
        let node = ends.first;
        // SAFETY: the node is in this chain: owned by us, and its link was set when it entered.
        match unsafe { T::next(node) } {
            Some(next) => ends.first = next,
            None => self.ends = None,
        }
        self.len -= 1;
        Some(node)
    }

    /// Takes the `n` oldest nodes (all, if there are fewer). Walks `n` links unless it takes all.
    #[must_use]
    pub fn split_front(&mut self, n: usize) -> Chain<T> {
        if n >= self.len {
            return mem::take(self);
        }
        let mut front = Chain::new();
        for _ in 0..n {
            let node = self.pop_front_raw().expect("n is less than the length");
            front.push_back_raw(node);
        }
        front
    }
}

impl<T: Linked> Default for Chain<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Linked> Drop for Chain<T> {
    fn drop(&mut self) {
        while let Some(task) = self.pop_front() {
            drop(task);
        }
    }
}

impl<T: Linked> fmt::Debug for Chain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("len", &self.len).finish_non_exhaustive()
    }
}
