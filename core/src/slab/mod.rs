//! Where task cells live: allocated and freed by their owner without an atomic, freed from elsewhere by one CAS.
//!
//! ```text
//!  ChunkTable  regions of 2 MiB -> chunks of 64 KiB, numbered, mapped until the table goes
//!     ^  ^
//!     |  +---- SharedSlab: one behind a lock, for threads that have none
//!   Slab       one per worker; per size class a free list and a chunk it has not used up
//!     free --> local list            on the owner's thread: plain
//!     free --> remote stack ------>  from other threads; the owner takes all of it when a list is empty
//! ```
//!
//! The slab is also the *owned list*: each chunk is in its table before its first cell is handed out, every state
//! word in it is valid, and a walk over the table (`owned`) meets every task there is. Hence no list, lock
//! or counter per spawn.
//!
//! - A cell's chunk is its address with the low 16 bits cleared; the chunk's head names slab, scheduler and class.
//! - A free cell keeps its state word (the generation) and its `remote` word; the lists link through the place of
//!   the join waker. Cells stay cells until the table goes, so a stale id always reads a state word.
//! - The remote stack is taken as a whole, by one swap: no ABA.
//! - A slab that is *closed* with cells out goes when the last of them comes back: the stack's head becomes
//!   CLOSED, and a signed counter that starts at 0 gets the cells out added by the closer and 1 taken off by each
//!   free that meets CLOSED. Whoever makes it 0 frees the slab, and drops its hold on the scheduler and the table.
//! - Chunks that hold no task go back to the system when a trim is asked for (`trim`); until then memory stays at the
//!   peak. Their addresses stay taken until the runtime goes.
//!
//! Prior work: per-thread lists with a remote list each, as in mimalloc (Leijen, Zorn, de Moura 2019).

mod shared;
mod table;
mod trim;

use alloc::alloc::handle_alloc_error;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::ptr::{self, NonNull};

pub use crate::pages::Pages;
pub(crate) use shared::SharedSlab;
pub use table::ChunkTable;

use crate::context;
use crate::memory;
use crate::sync::{AtomicI64, AtomicPtr, CachePadded, Ordering, UnsafeCell};
use crate::task::chunk::{CLASS_BYTES, CLASSES, Chunk, ChunkHead, chunk_of, head_of};
use crate::task::header::{Header, Stage};
use crate::task::schedule::Schedule;
use crate::task::state::{EXPORTED, Kept};
use table::Reserved;

/// What the cells of a slab have in common.
#[derive(Clone)]
pub(crate) struct SlabMeta {
    sched: Arc<dyn Schedule>,
    table: Arc<ChunkTable>,
}

impl SlabMeta {
    /// Tasks for `sched`, in chunks of `table`. Both live until the slab is closed and every cell is back.
    pub(crate) fn new(sched: Arc<dyn Schedule>, table: Arc<ChunkTable>) -> Self {
        SlabMeta { sched, table }
    }
}

/// See the module. Dropping it closes it.
pub(crate) struct Slab(NonNull<Inner>);

// SAFETY: the owner's part moves with the slab; the rest is atomic, `Send` and `Sync`.
unsafe impl Send for Slab {}

/// A slab's own memory, which outlives [`Slab`] if cells are out.
struct Inner {
    classes: [Class; CLASSES],
    /// Cells that are not in one of the classes' lists (they may be on the remote stack).
    out: Cell<usize>,
    /// Trims so far.
    trims: Cell<u32>,
    meta: SlabMeta,
    remote: CachePadded<Remote>,
    /// Tells loom who uses this and who frees it.
    alive: UnsafeCell<()>,
}

/// Cells never used that are put in the list together: a spawn finds one there and takes the short way.
const FRESH: u32 = 16;

#[derive(Default)]
struct Class {
    free: Cell<*mut Header>,
    /// Cells of the newest chunk that were never used: next, and how many.
    fresh: Cell<*mut Header>,
    left: Cell<u32>,
    /// What their words begin with.
    kept: Cell<Kept>,
}

struct Remote {
    head: AtomicPtr<Header>,
    /// Once closed: cells that are still to come back, less those that came before the closer had counted.
    missing: AtomicI64,
}

/// The head of a closed slab's remote stack. Never a cell: those are aligned.
fn closed() -> *mut Header {
    ptr::without_provenance_mut(1)
}

impl Slab {
    pub(crate) fn new(meta: SlabMeta) -> Self {
        Slab::try_new(meta).unwrap_or_else(|| handle_alloc_error(Layout::new::<Inner>()))
    }

    /// None: there is no memory for it.
    pub(crate) fn try_new(meta: SlabMeta) -> Option<Self> {
        let inner = memory::boxed(Inner {
            classes: Default::default(),
            out: Cell::new(0),
            trims: Cell::new(0),
            meta,
            remote: CachePadded(Remote { head: AtomicPtr::new(ptr::null_mut()), missing: AtomicI64::new(0) }),
            alive: UnsafeCell::new(()),
        })?;
        Some(Slab(NonNull::from(Box::leak(inner))))
    }

    #[inline(always)]
    fn inner(&self) -> &Inner {
        // SAFETY: freed by or after `drop`.
        unsafe { self.0.as_ref() }
    }

    /// A cell of size class `class`, or none if memory has run out. Its state word is that of a free cell.
    #[inline(always)]
    pub(crate) fn alloc(&self, class: usize) -> Option<NonNull<Header>> {
        let inner = self.inner();
        let list = &inner.classes[class].free;
        let cell = match NonNull::new(list.get()) {
            Some(cell) => {
                list.set(next_of(cell));
                cell
            }
            None => inner.refill(class)?,
        };
        inner.out.set(inner.out.get() + 1);
        Some(cell)
    }

    /// As `alloc`, but also none if the list of free cells is empty: the caller then takes a longer way, with `alloc`.
    #[inline(always)]
    pub(crate) fn alloc_listed(&self, class: usize) -> Option<NonNull<Header>> {
        let inner = self.inner();
        let list = &inner.classes[class].free;
        let cell = NonNull::new(list.get())?;
        list.set(next_of(cell));
        inner.out.set(inner.out.get() + 1);
        Some(cell)
    }

    /// Makes this thread the slab's owner, whose frees are local, until the guard is dropped.
    ///
    /// # Safety
    /// Until then the slab is not dropped and not moved to another thread, and the guard stays here too.
    pub(crate) unsafe fn enter(&self) -> context::EnteredSlab {
        context::enter_slab(self.0.as_ptr().cast())
    }

    /// Owner: gives the chunks without a task back, but for one of each class. Returns how many. See `trim`.
    pub(crate) fn trim(&self) -> usize {
        self.inner().trim()
    }

    /// Cells that have not come back, as far as the owner knows.
    pub(crate) fn out(&self) -> usize {
        self.inner().out.get()
    }
}

impl Drop for Slab {
    /// Closes the slab; cells that are out stay good.
    fn drop(&mut self) {
        let inner = self.inner();
        debug_assert!(context::slab() != self.0.as_ptr().cast_const().cast(), "dropped while entered");
        // ORDERING: Acquire pairs with the Release in `free_remote`: the links. Release: who meets CLOSED finds
        // the slab as its owner left it.
        inner.take_back(inner.remote.head.swap(closed(), Ordering::AcqRel));
        let out = inner.out.get().cast_signed() as i64;
        // ORDERING: AcqRel: everybody's last use of the slab comes before the one who makes it 0 frees it.
        if inner.remote.missing.fetch_add(out, Ordering::AcqRel) + out == 0 {
            // SAFETY: every cell is back, and nobody else will make the counter 0.
            unsafe { destroy(self.0) };
        }
    }
}

/// # Safety
/// Nobody uses the slab any more.
#[cold]
unsafe fn destroy(inner: NonNull<Inner>) {
    // SAFETY: made by `Box::leak` in `new`, and this is its end.
    let inner = unsafe { Box::from_raw(inner.as_ptr()) };
    inner.alive.with_mut(|_| {});
}

#[inline(always)]
fn next_of(cell: NonNull<Header>) -> *mut Header {
    // SAFETY: the cell is in a list of the caller's, so it is alive and its link was written.
    unsafe { cell.as_ref() }.tail.with(|t| unsafe { t.cast::<*mut Header>().read() })
}

#[inline(always)]
fn set_next(cell: NonNull<Header>, next: *mut Header) {
    // SAFETY: the cell is free and the caller's: no join waker is in its place.
    unsafe { cell.as_ref() }.tail.with_mut(|t| unsafe { t.cast::<*mut Header>().write(next) });
}

/// Gives a cell back, from any thread. Runs no user code.
///
/// # Safety
/// References are 0, the caller made them so, and the payload is gone.
#[inline(always)]
pub(crate) unsafe fn free(cell: NonNull<Header>) {
    // SAFETY: the cell is out: mapped, and it is the caller's.
    let header = unsafe { cell.as_ref() };
    header.set_stage(Stage::Future);
    let state = &header.state;
    // ORDERING: Relaxed: the word of a free cell, which nobody writes.
    let word = state.load(Ordering::Relaxed);
    state.rest(word);
    if word.has(EXPORTED) {
        // SAFETY: the caller's promise.
        unsafe { free_further(cell) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { free_unexported(cell) };
    }
}

/// The same for a cell of which there are no weak ids: its generations may begin anew. Its word and its
/// stage are those of a free cell already.
///
/// # Safety
/// As for `free`.
// Whatever is rare is one call that needs nothing but the cell: so the rest needs no stack frame.
#[inline(always)]
pub(crate) unsafe fn free_unexported(cell: NonNull<Header>) {
    // SAFETY: the cell is out, which keeps its chunk.
    let head = unsafe { head_of(cell) };
    // SAFETY: a field of the head. Volatile, so that it is read beside the other, and its address not made twice.
    let free = unsafe { (&raw const head.free).read_volatile() };
    if context::slab() == head.slab {
        told(cell);
        // SAFETY: a slab lives while one of its cells is out.
        let inner = unsafe { &*head.slab.cast::<Inner>() };
        // SAFETY: the list is in the slab, and this thread is its owner.
        inner.free_local(cell, unsafe { &*free });
    } else {
        // SAFETY: the caller's promise.
        unsafe { free_further(cell) };
    }
}

/// Nothing is written; loom learns that we could.
#[inline(always)]
fn told(cell: NonNull<Header>) {
    // SAFETY: the callers' cells are out.
    let header = unsafe { cell.as_ref() };
    header.vtable.with_mut(|_| {});
    header.stage.with_mut(|_| {});
}

/// As `free`: on another thread than the slab's owner's, or a cell of which there are weak ids.
///
/// # Safety
/// As for `free`.
#[cold]
#[inline(never)]
unsafe fn free_further(cell: NonNull<Header>) {
    told(cell);
    // SAFETY: the cell is out, which keeps its chunk.
    let head = unsafe { head_of(cell) };
    // SAFETY: a slab lives while one of its cells is out.
    let inner = unsafe { &*head.slab.cast::<Inner>() };
    if context::slab() == head.slab {
        // SAFETY: the list is in the slab, and this thread is its owner.
        inner.free_or_retire(cell, unsafe { &*head.free });
    } else {
        // SAFETY: the cell is out and free.
        unsafe { free_remote(NonNull::from(inner), cell) };
    }
}

/// # Safety
/// `cell` belongs to the slab at `inner`, is out, and is the caller's to give back.
unsafe fn free_remote(inner: NonNull<Inner>, cell: NonNull<Header>) {
    // SAFETY: the slab lives while the cell is out: until the push or the subtraction below.
    let remote = unsafe { &(*inner.as_ptr()).remote };
    // SAFETY: as above.
    unsafe { &(*inner.as_ptr()).alive }.with(|_| {});
    // ORDERING: Acquire: CLOSED pairs with the swap in `drop`, before this thread may free the slab.
    let mut head = remote.head.load(Ordering::Acquire);
    while head != closed() {
        set_next(cell, head);
        // ORDERING: Release pairs with the Acquire of `refill` and of the swap in `drop`: the link, and this thread's
        // last use of the cell. On failure Acquire, as above.
        match remote.head.compare_exchange(head, cell.as_ptr(), Ordering::Release, Ordering::Acquire) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
    // ORDERING: AcqRel: as in `drop`.
    if remote.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
        // SAFETY: every cell is back and the closer has counted; nobody else makes the counter 0.
        unsafe { destroy(inner) };
    }
}

impl Class {
    /// A cell that was never used.
    fn take_fresh(&self, class: usize) -> Option<NonNull<Header>> {
        let left = self.left.get().checked_sub(1)?;
        let cell = NonNull::new(self.fresh.get())?;
        self.left.set(left);
        self.fresh.set(cell.as_ptr().wrapping_byte_add(CLASS_BYTES[class]));
        // SAFETY: the cell lies in a chunk of the caller's slab.
        unsafe { cell.as_ref() }.state.start_with(self.kept.get());
        Some(cell)
    }
}

impl Inner {
    #[inline(always)]
    fn free_local(&self, cell: NonNull<Header>, list: &Cell<*mut Header>) {
        self.out.set(self.out.get() - 1);
        set_next(cell, list.get());
        list.set(cell.as_ptr());
    }

    /// The same for any cell: one whose generations are used up is not used again.
    fn free_or_retire(&self, cell: NonNull<Header>, list: &Cell<*mut Header>) {
        // SAFETY: the cell is alive and the owner's.
        let state = &unsafe { cell.as_ref() }.state;
        // ORDERING: Relaxed: the word of a free cell, which nobody writes.
        if state.load(Ordering::Relaxed).is_retired() {
            self.out.set(self.out.get() - 1);
        } else {
            self.free_local(cell, list);
        }
    }

    /// The local list is empty: the remote stack, the newest chunk, a new chunk.
    #[cold]
    #[inline(never)]
    fn refill(&self, class: usize) -> Option<NonNull<Header>> {
        let mine = &self.classes[class];
        self.take_remote();
        if let Some(cell) = NonNull::new(mine.free.get()) {
            mine.free.set(next_of(cell));
            return Some(cell);
        }
        if mine.left.get() == 0 {
            self.grow(class)?;
        }
        let cell = mine.take_fresh(class)?;
        // In the order in which they lie: the last one in the list is the last one taken.
        let mut last = None;
        for _ in 1..FRESH.min(mine.left.get() + 1) {
            let Some(next) = mine.take_fresh(class) else { break };
            set_next(next, ptr::null_mut());
            match last.replace(next) {
                None => mine.free.set(next.as_ptr()),
                Some(last) => set_next(last, next.as_ptr()),
            }
        }
        // SAFETY: the slab is here, and with it its chunks.
        let index = unsafe { head_of(cell) }.index;
        let chunk = Chunk { at: chunk_of(cell).cast(), class };
        self.meta.table.publish(index, chunk, chunk.cells() - mine.left.get());
        Some(cell)
    }

    /// Takes what is on the remote stack into the local lists.
    fn take_remote(&self) {
        // ORDERING: Relaxed: a hint; the swap decides.
        if !self.remote.head.load(Ordering::Relaxed).is_null() {
            // ORDERING: Acquire pairs with the Release in `free_remote`: the links, and all that the freeing threads
            // did with the cells. Only the owner closes, so this does not open a closed stack.
            self.take_back(self.remote.head.swap(ptr::null_mut(), Ordering::Acquire));
        }
    }

    /// Puts the cells of a chain taken from the remote stack into the local lists.
    fn take_back(&self, mut chain: *mut Header) {
        while let Some(cell) = NonNull::new(chain) {
            chain = next_of(cell);
            // SAFETY: the slab is here, and with it its chunks.
            let list = unsafe { head_of(cell) }.free;
            // SAFETY: in this slab.
            self.free_or_retire(cell, unsafe { &*list });
        }
    }

    /// Takes a chunk from the table, whose cells were never used, and puts it in the table.
    #[cold]
    fn grow(&self, class: usize) -> Option<()> {
        let Reserved { chunk, index, kept } = self.meta.table.reserve(class)?;
        let (sched, slab) = (Arc::as_ptr(&self.meta.sched), ptr::from_ref(self).cast());
        let head = ChunkHead::new(sched, slab, &raw const self.classes[class].free, index, class);
        // SAFETY: a chunk is larger than a head, aligned, and ours; whoever finds it in the table, or found it there
        // in an earlier life, does not look at the head.
        unsafe { chunk.head().write(head) };
        self.meta.table.publish(index, chunk, 0);
        let mine = &self.classes[class];
        // SAFETY: every chunk has a cell 0.
        mine.fresh.set(unsafe { chunk.cell(0) }.as_ptr());
        mine.left.set(chunk.cells());
        mine.kept.set(kept);
        Some(())
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab").field("out", &self.out()).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod model_tests;
#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod tests;

#[cfg(all(test, feature = "std", ouzel_loom))]
mod loom_tests;
