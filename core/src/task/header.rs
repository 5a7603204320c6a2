//! What every cell begins with. What their chunks begin with is `chunk`.
//!
//! ```text
//!  cell (64-byte aligned)                       chunk (64 KiB aligned)
//!  0  state    u64                              0  scheduler, slab, table index, cell size, ...
//!  8  vtable                                    64 or more: cells, all of one size
//! 16  link     run queue, remote stack
//! 24  join waker; in a free cell: free list     cell & !0xffff is its chunk
//! 40  remote   u32, a single-thread executor's
//! 44  stage    u8, what is in the payload
//! 48  payload: future, output or panic
//! ```
//!
//! A 16-byte future fits one cache line with its header, and a task of 128 bytes three.
//!
//! - `vtable`, `stage` and the payload belong to the holder of N; after COMPLETE the payload and `stage` belong
//!   to the join handle (`state`, "Who owns what").
//! - `link` belongs to whoever holds N, or to a remote stack. The free list does not use it: a weak id may put
//!   a free cell of a single-thread executor on that executor's remote stack.
//! - `state` and `remote` of a free cell stay as they are: generation and late wakes live there. When its chunk is
//!   given back (`slab::trim`) it becomes all zero, which is a cell that was never used.
//!
//! Each access to the payload goes through [`Header::stage`], the cell that loom checks in its place.

use core::fmt;
use core::mem::{self, ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};
use core::task::{Context, Waker};

use super::state::State;
#[cfg(feature = "alloc")]
use crate::sync::Ordering;
use crate::sync::{AtomicU32, UnsafeCell, const_fn};

/// The part of a task's cell that does not depend on its future. Its alignment is what a payload may ask for
/// in storage of its own; a slab's cells are aligned to more.
#[cfg_attr(target_pointer_width = "64", repr(C, align(16)))]
#[cfg_attr(not(target_pointer_width = "64"), repr(C, align(8)))]
pub(crate) struct Header {
    pub(crate) state: State,
    /// Null in a cell that was never used.
    pub(crate) vtable: UnsafeCell<*const VTable>,
    pub(crate) link: UnsafeCell<*mut Header>,
    pub(crate) tail: UnsafeCell<Tail>,
    pub(crate) remote: AtomicU32,
    pub(crate) stage: UnsafeCell<Stage>,
}

/// The join waker of a task, or the next cell of a free list. Both begin where it begins.
#[repr(C)]
pub(crate) union Tail {
    pub(crate) waker: ManuallyDrop<MaybeUninit<Waker>>,
    pub(crate) next: *mut Header,
}

/// What is in a cell's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The future. In a free cell nothing: so neither a spawn nor the end of a task that nobody joins writes it. Zero, so
    /// that it is what a cell that was never used says.
    Future = 0,
    /// Nothing: it has been taken, or is being dropped. A drop that panics is not repeated.
    Gone,
    /// The output.
    Output,
    /// An output that needs no drop: most tasks have none to speak of, and their end should cost nothing.
    Plain,
    /// Nothing: the future was dropped before it was done.
    Cancelled,
    /// What the future panicked with.
    #[cfg(feature = "std")]
    Panicked,
}

/// What a poll left in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// The future.
    Pending,
    /// What the stage says.
    Done,
    /// An output that needs no drop, and its stage is not written yet: if nobody is to see it, it need not be.
    Plain,
}

/// What depends on the future's type.
pub(crate) struct VTable {
    /// Polls the future; if it is ready, drops it and stores the output, or what that drop panicked with.
    /// Unwinds only out of the future's poll. After `Plain` the stage is still `Future`.
    ///
    /// # Safety
    /// The caller holds N, and the stage is `Future`.
    pub(crate) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    /// Marks the payload as gone, then drops it: the future, or the output. May unwind.
    ///
    /// # Safety
    /// The payload is the caller's, and the stage is `Future` or `Output`.
    pub(crate) drop_payload: unsafe fn(NonNull<Header>),
}

/// In [`Header::remote`]: no weak id queues the cell any more. The task is over, or the cell is free and about to be
/// given back.
#[cfg(feature = "alloc")]
pub(crate) const SEALED: u32 = 1;

/// Where the payload begins.
pub(crate) const PAYLOAD: usize = mem::size_of::<Header>();
const _: () = assert!(PAYLOAD.is_multiple_of(16), "in a slab a payload is aligned to 16");

// One line each, so that a look at a parked task tells its cost.
#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
#[cfg(target_pointer_width = "64")]
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Header, state) == 0, "debugger scripts and ouzel.h read the state at offset 0");
    assert!(offset_of!(Header, vtable) == 8);
    assert!(offset_of!(Header, link) == 16);
    assert!(offset_of!(Header, tail) == 24);
    assert!(offset_of!(Header, remote) == 40);
    assert!(offset_of!(Header, stage) == 44);
    assert!(PAYLOAD == 48, "16 bytes of the future share the header's line");
};

impl Header {
    const_fn! {
        /// The header of a cell that was never used: all zero.
        pub(crate) fn vacant() -> Self {
            Header {
                state: State::vacant(),
                vtable: UnsafeCell::new(ptr::null()),
                link: UnsafeCell::new(ptr::null_mut()),
                tail: UnsafeCell::new(Tail { next: ptr::null_mut() }),
                remote: AtomicU32::new(0),
                stage: UnsafeCell::new(Stage::Future),
            }
        }

        /// Owner of the slab, the cell free: keeps weak ids from queueing it. False: one has, so it must stay.
        #[cfg(feature = "alloc")]
    pub(crate) fn seal(&self) -> bool {
            // ORDERING: Relaxed: whoever queued the cell before was popped by the owner, and all else that was done to it came
            // with its free. One CAS: between a look and a store a weak wake could come and be overwritten.
            self.remote.compare_exchange(0, SEALED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        }

        /// Takes a seal back.
        #[cfg(feature = "alloc")]
    pub(crate) fn unseal(&self) {
            // ORDERING: Relaxed: nobody writes a sealed word, and nothing is published. A swap for loom's sake (`sync`).
            self.remote.swap(0, Ordering::Relaxed);
        }

        /// Makes a free, sealed cell one that was never used, as far as others look at it.
        #[cfg(feature = "alloc")]
    pub(crate) fn forget(&self) {
            // Nothing is written; loom learns that the system could.
            self.vtable.with_mut(|_| {});
            self.link.with_mut(|_| {});
            self.tail.with_mut(|_| {});
            self.stage.with_mut(|_| {});
            // ORDERING: Relaxed: a weak id that reads either value of a free cell does nothing. Swaps for loom's sake (`sync`).
            self.state.0.swap(0, Ordering::Relaxed);
            // ORDERING: Release pairs with the Acquire of the weak wake that queues the cell from here on: its link is written
            // after what is lost.
            self.remote.swap(0, Ordering::Release);
        }
    }

    /// What the holder of N calls.
    #[inline(always)]
    pub(crate) fn vtable(&self) -> &'static VTable {
        // SAFETY: the field is not written while the cell is a task.
        let vtable = self.vtable.with(|v| unsafe { *v });
        // SAFETY: written before the task was published, with one of the constants in `cell`.
        unsafe { &*vtable }
    }

    #[inline(always)]
    pub(crate) fn stage(&self) -> Stage {
        // SAFETY: the caller owns the payload (see the module), and with it the stage.
        self.stage.with(|s| unsafe { *s })
    }

    #[inline(always)]
    pub(crate) fn set_stage(&self, stage: Stage) {
        // SAFETY: the caller owns the payload (see the module), and with it the stage.
        self.stage.with_mut(|s| unsafe { *s = stage });
    }
}

/// The payload of `cell`, seen as a `T`.
#[inline(always)]
pub(crate) fn payload<T>(cell: NonNull<Header>) -> *mut T {
    cell.as_ptr().cast::<u8>().wrapping_add(PAYLOAD).cast()
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("state", &self.state).finish_non_exhaustive()
    }
}
