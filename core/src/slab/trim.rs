//! Giving back the chunks of a slab that hold no task. On the owner's thread, when it is asked for.
//!
//! ```text
//!   remote stack ──▶ local lists ──▶ count per chunk ──▶ all there? ──▶ seal each cell ──▶ out of the list
//!                                                                         │ queued: stays      │
//!                                                                                       table: entry null, discard
//! ```
//!
//! Nothing is counted when cells are allocated or freed: a trim counts. It takes time in proportion to the free
//! cells, and no lock but the table's, one chunk at a time.
//!
//! - A chunk goes only with every cell in the local list: the last use of each by another thread came before the
//!   remote free that brought it here.
//! - A weak id needs no reference. Through the state word it does nothing to a free cell. But that of a single-thread
//!   executor may put a free cell on the remote stack, and a cell there must keep its link: so each
//!   is sealed first ([`Header::seal`]), and a chunk of which one cell is queued stays.
//! - A chunk of which ids were made starts with its newest generation next time. Once that has passed half of
//!   what there is, such a chunk is not given back any more: its cells would all retire together.
//! - One empty chunk of each class stays (or the newest, if it is not used up): a spawn and a join at the border of a
//!   chunk, with a trim in between each time, take and give back nothing.

use core::ptr::{self, NonNull};

use super::{Inner, next_of, set_next};
use crate::sync::Ordering;
use crate::task::chunk::{CLASSES, Chunk, ChunkHead, chunk_of, head_of};
use crate::task::header::Header;
use crate::task::state::Kept;

/// `ChunkHead::idle` of a chunk that is about to be given back.
const GOING: u32 = u32::MAX;

impl Inner {
    /// See the module. Returns how many chunks went.
    pub(super) fn trim(&self) -> usize {
        self.take_remote();
        let round = self.trims.get().wrapping_add(1).max(1);
        self.trims.set(round);
        (0..CLASSES).map(|class| self.trim_class(class, round)).sum()
    }

    fn trim_class(&self, class: usize, round: u32) -> usize {
        let mine = &self.classes[class];
        count(mine.free.get(), round);
        // The newest chunk cannot be empty as long as it has cells that were never in the list: it is the reserve.
        let mut spare = mine.left.get() == 0;
        let mut going = ptr::null_mut();
        let (mut first, mut last) = (ptr::null_mut(), None::<NonNull<Header>>);
        let mut next = mine.free.get();
        while let Some(cell) = NonNull::new(next) {
            next = next_of(cell);
            // SAFETY: the cell is in this slab's list.
            let head = unsafe { head_of(cell) };
            let chunk = Chunk { at: chunk_of(cell).cast(), class };
            if head.idle.get() == chunk.cells() {
                if core::mem::take(&mut spare) || !seal(chunk) {
                    head.idle.set(0);
                } else {
                    head.idle.set(GOING);
                    head.next.set(going);
                    going = chunk.head().as_ptr();
                }
            }
            if head.idle.get() == GOING {
                continue;
            }
            match last {
                None => first = cell.as_ptr(),
                Some(last) if next_of(last) == cell.as_ptr() => {}
                Some(last) => set_next(last, cell.as_ptr()),
            }
            last = Some(cell);
        }
        if let Some(last) = last {
            set_next(last, ptr::null_mut());
        }
        mine.free.set(first);
        self.give_back(going, class)
    }

    fn give_back(&self, mut going: *mut ChunkHead, class: usize) -> usize {
        let mut given = 0;
        while let Some(at) = NonNull::new(going) {
            // SAFETY: it is the head of a chunk that only this trim knows.
            let head = unsafe { at.as_ref() };
            let (index, chunk) = (head.index, Chunk { at: at.cast(), class });
            going = head.next.get();
            self.meta.table.give_back(chunk, index, kept(chunk));
            given += 1;
        }
        given
    }
}

/// Counts the cells of a list in their chunks' heads.
fn count(mut list: *mut Header, round: u32) {
    while let Some(cell) = NonNull::new(list) {
        list = next_of(cell);
        // SAFETY: the cell is in the caller's list.
        let head = unsafe { head_of(cell) };
        let counted = if head.round.replace(round) == round { head.idle.get() } else { 0 };
        head.idle.set(counted + 1);
    }
}

/// What the generations of a chunk's cells come to.
fn kept(chunk: Chunk) -> Kept {
    let words = chunk.all().map(|cell| {
        // SAFETY: cells in a table stay mapped.
        let state = &unsafe { cell.as_ref() }.state;
        // ORDERING: Relaxed: words of free cells, which nobody writes.
        state.load(Ordering::Relaxed)
    });
    words.fold(Kept::default(), Kept::with)
}

/// Seals every cell, or none.
fn seal(chunk: Chunk) -> bool {
    if !kept(chunk).may_start_again() {
        return false;
    }
    // SAFETY: cells in a table stay mapped.
    let sealed = chunk.all().take_while(|cell| unsafe { cell.as_ref() }.seal()).count();
    let whole = sealed == chunk.cells() as usize;
    if !whole {
        chunk.all().take(sealed).for_each(|cell| {
            // SAFETY: as above.
            unsafe { cell.as_ref() }.unseal();
        });
    }
    whole
}
