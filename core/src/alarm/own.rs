//! The owner's side of alarms: wheel, nodes and free list. One thread uses all this, through `&self`: nothing is
//! borrowed while foreign code runs.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::task::Waker;
use core::time::Duration;

use super::node::{AlarmState, Node};
use crate::config::ALARM_CHUNK_NODES;
use crate::driver::{Deadline, Nanos};
use crate::memory;
use crate::queue::intake::Node as _;
use crate::sync::UnsafeCell;
use crate::timer::{TimerNode, TimerStore, Wheel};

/// See the module.
pub(super) struct Own {
    /// Made with the first node: few threads set an alarm, and it is nine tenths of all this.
    wheel: UnsafeCell<Option<Box<Wheel>>>,
    /// When it begins.
    since: Nanos,
    nodes: Nodes,
    free: Cell<*mut Node>,
    /// Nodes between `set` and `free`.
    out: Cell<usize>,
    closed: Cell<bool>,
}

/// Every node there is, by number.
struct Nodes {
    /// Nodes that have been initialised, over all chunks.
    used: Cell<u32>,
    chunks: UnsafeCell<Vec<NonNull<Node>>>,
}

fn chunk_layout() -> Layout {
    // A constant size well below the limit: the error cannot happen.
    Layout::array::<Node>(ALARM_CHUNK_NODES).unwrap_or(Layout::new::<Node>())
}

impl Own {
    pub(super) fn new(now: Nanos) -> Self {
        Own {
            wheel: UnsafeCell::new(None),
            since: now,
            nodes: Nodes { used: Cell::new(0), chunks: UnsafeCell::new(Vec::new()) },
            free: Cell::new(ptr::null_mut()),
            out: Cell::new(0),
            closed: Cell::new(false),
        }
    }

    /// What `f` makes of the wheel; none while there is none, and so no alarm either.
    #[inline(always)]
    fn wheel<R>(&self, f: impl FnOnce(&mut Wheel, &Nodes) -> R) -> Option<R> {
        // SAFETY: the owner's alone, and `f` is one of this file's: it runs nothing of others and does not nest.
        self.wheel.with_mut(|wheel| Some(f(unsafe { &mut *wheel }.as_deref_mut()?, &self.nodes)))
    }

    #[inline(always)]
    pub(super) fn set(&self, deadline: Deadline, waker: Waker) -> Result<NonNull<Node>, Waker> {
        let Some(ptr) = self.alloc() else { return Err(waker) };
        // SAFETY: a node of ours.
        let node = unsafe { ptr.as_ref() };
        self.wheel(|wheel, nodes| wheel.insert_node(nodes, &node.timer, deadline));
        // SAFETY: on the owner's thread.
        let none = unsafe { node.replace_waker(Some(waker)) };
        debug_assert!(none.is_none(), "a free node has no waker");
        core::mem::forget(none);
        Ok(ptr)
    }

    #[inline(always)]
    fn alloc(&self) -> Option<NonNull<Node>> {
        let node = match NonNull::new(self.free.get()) {
            Some(node) => {
                // SAFETY: a free node of ours, whose link we have written.
                self.free.set(unsafe { Node::link(node) });
                node
            }
            None => self.fresh()?,
        };
        self.out.set(self.out.get() + 1);
        Some(node)
    }

    #[cold]
    fn fresh(&self) -> Option<NonNull<Node>> {
        if self.closed.get() || !self.has_wheel() { None } else { self.nodes.grow() }
    }

    /// Makes the wheel if there is none. False: there is no memory for it.
    fn has_wheel(&self) -> bool {
        self.wheel.with_mut(|wheel| {
            // SAFETY: the owner's alone, and not borrowed now.
            let wheel = unsafe { &mut *wheel };
            if wheel.is_none() {
                *wheel = memory::boxed(Wheel::new(self.since));
            }
            wheel.is_some()
        })
    }

    #[inline]
    pub(super) fn state(&self, node: &Node, waker: &Waker) -> AlarmState {
        if !node.timer.is_set() {
            return AlarmState::Rung;
        }
        // SAFETY: one thread uses the cell; `will_wake` compares, it runs no code of the waker's.
        let same = node.waker.with(|p| unsafe { &*p }.as_ref().is_some_and(|w| w.will_wake(waker)));
        if same { AlarmState::Set } else { AlarmState::OtherWaker }
    }

    /// A node comes back from its holder. Returns its waker, if it has not rung.
    #[inline(always)]
    pub(super) fn end(&self, ptr: NonNull<Node>) -> Option<Waker> {
        // SAFETY: a node of ours.
        let node = unsafe { ptr.as_ref() };
        if node.timer.is_set() {
            self.wheel(|wheel, nodes| wheel.remove_node(nodes, &node.timer));
        }
        // SAFETY: it is free, so the link is ours.
        unsafe { Node::set_link(ptr, self.free.get()) };
        self.free.set(ptr.as_ptr());
        self.out.set(self.out.get() - 1);
        // SAFETY: on the owner's thread.
        unsafe { node.replace_waker(None) }
    }

    fn ring(&self, index: u32) -> Option<Waker> {
        // SAFETY: on the owner's thread.
        self.nodes.get(index).and_then(|node| unsafe { node.replace_waker(None) })
    }

    pub(super) fn pop_expired(&self, now: Nanos) -> Option<Waker> {
        let index = self.wheel(|wheel, nodes| wheel.pop_expired(nodes, now))??;
        self.ring(index)
    }

    /// Takes the first alarm that there is out of the wheel.
    pub(super) fn pop_any(&self) -> Option<Waker> {
        let index = self.wheel(Wheel::pop_first)??;
        self.ring(index)
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        // SAFETY: the owner's alone, and not borrowed now.
        self.wheel.with(|wheel| unsafe { &*wheel }.as_ref().map_or(0, |wheel| wheel.len()))
    }

    pub(super) fn next_wait(&self, slack: Duration) -> Option<Deadline> {
        // SAFETY: as above.
        self.wheel.with(|wheel| unsafe { &*wheel }.as_ref()?.next_wait(&self.nodes, slack))
    }

    /// Nodes whose alarms have not ended.
    pub(super) fn out(&self) -> usize {
        self.out.get()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// No node is given out any more.
    pub(super) fn close(&self) {
        self.closed.set(true);
        // They stay in their chunks.
        self.free.set(ptr::null_mut());
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// No alarm is left, and nobody else uses this.
    pub(super) unsafe fn destroy(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.nodes.destroy() };
    }
}

impl Nodes {
    /// The node with this number.
    #[inline(always)]
    fn get(&self, index: u32) -> Option<&Node> {
        // SAFETY: below `used`, so it is initialised, and nodes stay.
        (index < self.used.get()).then(|| unsafe { self.place(index).as_ref() })
    }

    #[inline(always)]
    fn place(&self, index: u32) -> NonNull<Node> {
        let index = index as usize;
        // SAFETY: the owner is the only user of the list.
        let chunk = self.chunks.with(|p| unsafe { &*p }[index / ALARM_CHUNK_NODES]);
        // SAFETY: within the chunk.
        unsafe { chunk.add(index % ALARM_CHUNK_NODES) }
    }

    /// A node that was never used.
    fn grow(&self) -> Option<NonNull<Node>> {
        let index = self.used.get();
        let next = index.checked_add(1)?;
        if (index as usize).is_multiple_of(ALARM_CHUNK_NODES) {
            // SAFETY: the owner is the only user of the list.
            self.chunks.with_mut(|p| unsafe { &mut *p }.try_reserve(1)).ok()?;
            // SAFETY: a node is not of size zero.
            let chunk = NonNull::new(unsafe { alloc::alloc::alloc(chunk_layout()) })?.cast::<Node>();
            // SAFETY: as above; there is room.
            self.chunks.with_mut(|p| unsafe { &mut *p }.push(chunk));
        }
        let place = self.place(index);
        // SAFETY: within a chunk, and not initialised yet.
        unsafe { place.write(Node::new(index)) };
        self.used.set(next);
        Some(place)
    }

    /// # Safety
    /// Nobody knows a node any more.
    unsafe fn destroy(&self) {
        let mut left = self.used.get() as usize;
        // SAFETY: the caller is the only one left.
        let chunks = self.chunks.with_mut(|p| core::mem::take(unsafe { &mut *p }));
        for chunk in chunks {
            for i in 0..left.min(ALARM_CHUNK_NODES) {
                // SAFETY: within the chunk.
                let place = unsafe { chunk.add(i) };
                // SAFETY: initialised, and dropped below.
                let node = unsafe { place.as_ref() };
                // Shows loom the free: whoever still used these would be reported.
                node.link.with_mut(|_| ());
                node.waker.with_mut(|_| ());
                // SAFETY: initialised, and nobody else knows it.
                unsafe { place.drop_in_place() };
            }
            left = left.saturating_sub(ALARM_CHUNK_NODES);
            // SAFETY: allocated by `grow` with this layout.
            unsafe { alloc::alloc::dealloc(chunk.as_ptr().cast(), chunk_layout()) };
        }
    }
}

impl TimerStore for Nodes {
    type Key = u32;

    #[inline(always)]
    fn index(key: u32) -> u32 {
        key
    }

    #[inline(always)]
    fn node(&self, index: u32) -> Option<&TimerNode<u32>> {
        self.get(index).map(|node| &node.timer)
    }
}
