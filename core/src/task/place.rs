//! Tasks in storage that the caller gives, for ever: no allocator, no slab, no chunk.
//!
//! ```text
//!  Place            64-bit   32-bit
//!  before  scheduler   0        0     what a chunk's head is to a slab's cell
//!  header             16        8     the cell begins here
//!  payload            64       40     future, then output
//! ```
//!
//! The storage is a task's from [`Place::claim`] until nobody holds a reference: not until its task completes,
//! since wakers may still hold it. References 0 in the state word is all there is to "free": giving the cell
//! back writes nothing, and whoever claims next has acquired, with the word, what the holders before it did.
//!
//! Everything outside the claim reaches the cell through N, J or W, which the claim's winner hands out when
//! the cell is filled. A failed claim reads the word and nothing else.

use core::cell;
use core::future::Future;
use core::mem::{ManuallyDrop, MaybeUninit, offset_of};
use core::ptr::{self, NonNull};
use core::task::RawWakerVTable;

use super::abort::AbortHandle;
use super::cell::fill;
use super::header::{Header, PAYLOAD, Stage};
use super::home::Home;
use super::join::JoinHandle;
use super::raw::{self, AfterRun};
use super::schedule::{Here, Notified, Schedule};
use super::unwind::Caught;
use super::waker;
use crate::error::JoinError;
use crate::sync::{UnsafeCell, const_fn};

/// Tasks that lie in a [`Place`].
#[derive(Debug)]
pub enum InPlace {}

static WAKERS: RawWakerVTable = waker::table::<InPlace>();

/// What a task of type `F` needs behind its header.
#[repr(C)]
pub(crate) union Payload<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
    panic: ManuallyDrop<Caught>,
}

/// What lies before the header. Written by the claim's winner, read by who submits N.
#[repr(C)]
struct Before {
    sched: UnsafeCell<Option<&'static dyn Schedule>>,
}

/// Room for a task whose payload fits a `P`. See the module.
#[repr(C)]
pub(crate) struct Place<P> {
    before: Before,
    header: Header,
    payload: cell::UnsafeCell<MaybeUninit<P>>,
}

/// Distance from a place's beginning to its cell.
const CELL: usize = offset_of!(Place<()>, header);

impl<P> Place<P> {
    const_fn! {
        pub(crate) fn new() -> Self {
            const {
                assert!(align_of::<P>() <= align_of::<Header>(), "a task may not ask for more alignment than its header");
                assert!(offset_of!(Self, header) == CELL);
                assert!(offset_of!(Self, payload) == CELL + PAYLOAD);
            };
            Place {
                before: Before { sched: UnsafeCell::new(None) },
                header: Header::vacant(),
                payload: cell::UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    /// Makes a task of `future` here. Its N is the caller's, and with `joined` so is J ([`handle`]).
    ///
    /// # Errors
    /// The future back if the storage is in use.
    pub(crate) fn claim<F>(
        &'static self,
        sched: &'static dyn Schedule,
        future: F,
        joined: bool,
    ) -> Result<Notified, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        const {
            assert!(size_of::<Payload<F>>() <= size_of::<P>(), "the storage is too small for this task");
            assert!(align_of::<Payload<F>>() <= align_of::<P>(), "the storage is not aligned for this task");
        };
        if !self.header.state.claim(joined) {
            return Err(future);
        }
        // SAFETY: the claim was won, so the storage is the caller's alone until N or J is handed out.
        self.before.sched.with_mut(|s| unsafe { *s = Some(sched) });
        // With leave to access all of the place, not the header alone.
        let cell = NonNull::from(self).cast::<u8>();
        // SAFETY: the header lies inside the place.
        let cell = unsafe { cell.add(CELL) }.cast::<Header>();
        // SAFETY: as above; the last task's payload went before its last reference, and this one fits (asserted).
        unsafe { fill::<F, InPlace>(cell, &mut Some(future)) };
        self.header.set_stage(Stage::Future);
        // SAFETY: the claim set SCHED, and this is its N.
        Ok(unsafe { Notified::from_raw(cell) })
    }
}

/// The handle of a task that was claimed as joined.
///
/// # Safety
/// The claim made J for this call, and `T` is the type of the task's output.
pub(crate) unsafe fn handle<T>(task: &Notified) -> JoinHandle<T, InPlace> {
    // SAFETY: it lies in a place, and the rest is the caller's promise.
    unsafe { JoinHandle::from_reference(task.cell()) }
}

/// See [`raw::run`]; for a task in a place.
#[inline]
pub(crate) fn run(task: Notified) -> AfterRun {
    raw::run::<InPlace>(task)
}

// SAFETY: the table is made for this home; the scheduler is static; a `T` lies in the payload, as by default.
#[expect(private_interfaces, reason = "as in the trait")]
unsafe impl Home for InPlace {
    #[inline(always)]
    fn wakers() -> &'static RawWakerVTable {
        &WAKERS
    }

    #[inline(always)]
    unsafe fn scheduler<'a>(cell: NonNull<Header>) -> &'a dyn Schedule {
        // SAFETY: the cell is a place's, which begins that much before it, and its pointer may access all of it.
        let before = unsafe { cell.cast::<u8>().sub(CELL) }.cast::<Before>();
        // SAFETY: it lives for ever.
        let before = unsafe { before.as_ref() };
        // SAFETY: written before the task was published, and not again while it is one.
        let sched = before.sched.with(|s| unsafe { *s });
        // SAFETY: a task has one.
        unsafe { sched.unwrap_unchecked() }
    }

    /// It lives for ever, whoever calls.
    #[inline(always)]
    unsafe fn here_kept(_: NonNull<Header>) -> Option<Here> {
        Some(Here { core: ptr::null(), to_tail: false })
    }

    /// The word says it all: from here on the storage may be another task's.
    #[inline(always)]
    unsafe fn free(_: NonNull<Header>) {}
}

#[cfg(not(any(ouzel_loom, ouzel_shuttle)))]
const _: () = {
    let pointers = 2 * size_of::<usize>();
    assert!(CELL == pointers, "two words before the header");
    assert!(size_of::<Place<[usize; 4]>>() == CELL + PAYLOAD + 2 * pointers);
};

const _: () = {
    const fn is_send_sync<T: Send + Sync>() {}
    is_send_sync::<JoinHandle<u32, InPlace>>();
    is_send_sync::<AbortHandle<InPlace>>();
    is_send_sync::<JoinError>();
};

impl<P> core::fmt::Debug for Place<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Place").field("header", &self.header).finish_non_exhaustive()
    }
}
