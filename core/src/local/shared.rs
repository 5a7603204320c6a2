//! The part of an executor that its tasks' wakers reach: run queue, remote stack, inbox, park word.
//!
//! It lives as long as the executor or any cell of its slab. The run queue and the counts belong to the
//! owner's thread and are plain; the rest is for everybody.
//!
//! A foreign wake by value, or drop, has given its reference away when it pushes; the owner may then take
//! the cell, end, and free this while the pusher is about to unpark. So such a pusher holds a counted
//! reference from before the push (the cell is QUEUED until then, which keeps both alive) to after the
//! unpark. A wake by reference needs none: its caller's reference keeps the cell.

use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use super::inbox::Inbox;
use super::newborn::Newborn;
use super::remote::{self, Foreign};
use crate::context;
use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::queue::GrowingRing;
use crate::queue::intake::Stack;
use crate::slab::{ChunkTable, Pages, SharedSlab, Slab, SlabMeta};
use crate::sync::CachePadded;
use crate::task::{Header, Notified, Schedule, TaskId};

/// Slots of the run queue at first.
const RING_SLOTS: usize = 64;

/// What another thread asks of the owner.
pub(super) enum Job {
    Spawn(Newborn),
    /// Somebody has its id already.
    SpawnNamed(Newborn),
    Abort(TaskId),
}

impl Job {
    /// The task of a refused spawn.
    pub(super) fn into_task(self) -> Newborn {
        match self {
            Job::Spawn(task) | Job::SpawnNamed(task) => task,
            Job::Abort(_) => unreachable!("a spawn gives back what it was given"),
        }
    }
}

/// What a spawn needs beside [`Shared`], and no other thread ever reaches.
pub(super) struct Home {
    pub(super) slab: Slab,
    /// Nothing is spawned any more.
    pub(super) closed: Cell<bool>,
    pub(super) spawned: Cell<u64>,
}

/// No thread's number: they are drawn from 1 on.
const NOBODY: u64 = u64::MAX;

/// See the module.
pub(crate) struct Shared {
    /// The owner's thread, `NOBODY` if it has no number: then every thread is a stranger.
    token: u64,
    /// On a cache line of its own, as `own` is: other threads write to it at each wake.
    pub(super) stack: CachePadded<Stack<Header>>,
    pub(super) inbox: Inbox<Job>,
    /// Cells for tasks that other threads spawn.
    pub(super) foreign: CachePadded<SharedSlab>,
    pub(super) park: Arc<ParkWord>,
    unpark: Arc<dyn Unpark>,
    /// Finds the cell of an id, and keeps it mapped.
    pub(super) table: Arc<ChunkTable>,
    pub(super) own: CachePadded<Own>,
}

/// What only the owner's thread touches.
pub(super) struct Own {
    /// Tasks to poll, oldest first. Pointers beside the cells and no list through them: the link belongs
    /// to the remote stack, where a cell may lie at the same time.
    ring: GrowingRing<Header>,
    /// Tasks that have completed.
    pub(super) completed: Cell<u64>,
    /// Wakes by foreign threads that were found here.
    pub(super) remote_wakes: Cell<u64>,
}

// SAFETY: `own` is touched by the owner's thread alone (`is_owner`, or a type that is not `Send`), and in
// the end, when nobody else is left; the rest is `Send` and `Sync`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn new(park: Arc<ParkWord>, unpark: Arc<dyn Unpark>, pages: Pages) -> Arc<Shared> {
        Arc::new(Shared {
            token: match context::token() {
                0 => NOBODY,
                token => token,
            },
            stack: CachePadded(Stack::new()),
            inbox: Inbox::new(),
            foreign: CachePadded(SharedSlab::new()),
            park,
            unpark,
            table: Arc::new(ChunkTable::new(pages)),
            own: CachePadded(Own {
                ring: GrowingRing::new(RING_SLOTS, pages),
                completed: Cell::new(0),
                remote_wakes: Cell::new(0),
            }),
        })
    }

    /// What a slab of this executor's tasks is made with.
    pub(super) fn slab_meta(self: &Arc<Self>) -> SlabMeta {
        SlabMeta::new(Arc::clone(self) as Arc<dyn Schedule>, Arc::clone(&self.table))
    }

    /// Whether the caller runs on the owner's thread, as far as it can tell: a thread without a number
    /// (no thread-locals, or none any more) is a stranger, which is always right.
    #[inline(always)]
    pub(super) fn is_owner(&self) -> bool {
        self.is_owned_by(context::drawn_token())
    }

    /// Whether the owner's thread is the one that has drawn this number.
    #[inline(always)]
    pub(super) fn is_owned_by(&self, token: u64) -> bool {
        self.token == token
    }

    /// Ends the owner's sleep, or its next one.
    pub(super) fn unpark(&self) {
        self.park.unpark(&*self.unpark);
    }

    /// Hands a spawn to the owner; gives it back once the executor is closed, or without memory for it.
    pub(super) fn submit(&self, job: Job) -> Result<(), Job> {
        self.inbox.try_push(job)?;
        self.unpark();
        Ok(())
    }

    /// Asks the owner to abort a task. False: the executor is closed. It is not refused memory: who cancels has no use for that.
    pub(super) fn submit_abort(&self, id: TaskId) -> bool {
        let submitted = self.inbox.push(Job::Abort(id)).is_ok();
        if submitted {
            self.unpark();
        }
        submitted
    }
}

// SAFETY: nothing is refused. No thread is entered as a worker of this object, so the second rule is void.
unsafe impl Schedule for Shared {
    /// Not reached: the wakers of these tasks push to `own`, or to the remote stack.
    fn schedule(&self, task: Notified) {
        debug_assert!(self.is_owner(), "a transition of the shared flavour, on another thread");
        self.own.push(task.into_raw());
    }
}

impl Own {
    /// Puts a task at the end of the run queue.
    #[inline(always)]
    pub(super) fn push(&self, task: NonNull<Header>) {
        self.ring.push(task);
    }

    /// Tasks put on the run queue, ever.
    pub(super) fn scheduled(&self) -> u64 {
        self.ring.pushed() as u64
    }

    /// Lets so many tasks be taken, from now on; how many ever were.
    pub(super) fn allow(&self, tasks: usize) -> usize {
        self.ring.allow(tasks);
        self.ring.popped()
    }

    /// Tasks taken from the run queue, ever.
    pub(super) fn taken(&self) -> usize {
        self.ring.popped()
    }

    /// Takes the first task of the run queue, if it is allowed.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<NonNull<Header>> {
        self.ring.pop()
    }

    /// Gives back the room that the run queue does not need now.
    pub(super) fn shrink(&self) {
        self.ring.shrink(RING_SLOTS);
    }

    /// Tasks in the run queue.
    #[inline]
    pub(super) fn ready(&self) -> usize {
        self.ring.len()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("token", &self.token).field("park", &self.park).finish_non_exhaustive()
    }
}

/// How a transition on another thread is carried out by one who keeps a reference meanwhile. True: free.
///
/// # Safety
/// `after` is what a transition of this cell's word has just returned, and `shared` outlives the call.
#[must_use]
pub(super) unsafe fn finish_held(shared: &Shared, cell: NonNull<Header>, after: Foreign) -> bool {
    // SAFETY: the caller's promise.
    unsafe { remote::finish(after, cell, &shared.stack, || shared.unpark()) }
}

/// The same for one who has given its reference away with the transition. True: free the cell.
///
/// # Safety
/// `after` is what a transition of this cell's word has just returned, and `shared` is what the cell's
/// chunk names: an `Arc`, alive as long as the cell.
#[must_use]
pub(super) unsafe fn finish_unheld(shared: *const Shared, cell: NonNull<Header>, after: Foreign) -> bool {
    match after {
        Foreign::Nothing => false,
        Foreign::Free => true,
        Foreign::Push => {
            // SAFETY: this thread set QUEUED and has not pushed, so the cell is alive, and with it the `Arc`.
            unsafe { Arc::increment_strong_count(shared) };
            // SAFETY: the count raised on the line above is this one.
            let guard = unsafe { Arc::from_raw(shared) };
            // SAFETY: the caller's promise; `guard` outlives the call.
            unsafe { finish_held(&guard, cell, after) }
        }
    }
}
