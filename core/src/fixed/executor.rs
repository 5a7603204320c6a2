//! What wakers reach: a stack of runnable tasks, a park word, and the way to end a sleep.
//!
//! It is in a static, or leaked: so a waker may call it with no reference of its own, and a push needs no care
//! for what may end meanwhile. One [`Runner`](super::Runner) at a time takes from it.

use core::fmt;
use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};

use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::queue::intake::Stack;
use crate::sync::{AtomicBool, Ordering, const_fn};
use crate::task::{Header, Notified, Schedule};

/// Whether an interrupt may change a state word whatever it has stopped. Not where the word comes out of a lock: there
/// only the final program can choose another way.
#[cfg(all(
    feature = "alloc",
    not(feature = "std"),
    target_has_atomic = "ptr",
    not(target_has_atomic = "64")
))]
const INTERRUPT_SAFE: bool = crate::sync::AtomicU64::is_always_lock_free();
#[cfg(not(all(
    feature = "alloc",
    not(feature = "std"),
    target_has_atomic = "ptr",
    not(target_has_atomic = "64")
)))]
const INTERRUPT_SAFE: bool = true;

/// See the [module](super).
pub struct Executor {
    /// Tasks that became runnable since the runner last looked.
    pub(super) ready: Stack<Header>,
    pub(super) park: ParkWord,
    unpark: &'static dyn Unpark,
    /// A runner exists.
    taken: AtomicBool,
    /// The future that the runner polls beside the tasks was woken.
    root_woken: AtomicBool,
}

impl Executor {
    const_fn! {
        /// An executor whose runner's driver `unpark` wakes, from any context that may wake a task.
        #[must_use]
        pub fn new(unpark: &'static dyn Unpark) -> Self {
            // In a static this is asked by the compiler.
            if !INTERRUPT_SAFE {
                panic!(
                    "with `alloc` this processor's atomics are locks, on which an interrupt hangs: give \
                     portable-atomic the feature `unsafe-assume-single-core`"
                );
            }
            Executor {
                ready: Stack::new(),
                park: ParkWord::new(),
                unpark,
                taken: AtomicBool::new(false),
                root_woken: AtomicBool::new(false),
            }
        }
    }

    /// Whether the caller may poll: nobody else does, until `give_back`.
    pub(super) fn take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `give_back`: what the last runner did comes before.
        !self.taken.swap(true, Ordering::Acquire)
    }

    pub(super) fn give_back(&self) {
        // ORDERING: Release pairs with the Acquire in `take`. A swap: loom lets a plain store slip between
        // another thread's read-modify-write and what that one read.
        self.taken.swap(false, Ordering::Release);
    }

    /// The word on which the runner sleeps, for its driver: before it stops the processor it disables
    /// interrupts and asks [`ParkWord::is_parked`]; a wake after that leaves an interrupt pending, which ends
    /// the stop, or calls [`Unpark::unpark`].
    pub fn park_word(&self) -> &ParkWord {
        &self.park
    }

    /// Makes the runner look around: its sleep, or the next one, ends at once. Any context.
    pub fn unpark(&self) {
        self.park.unpark(self.unpark);
    }

    /// A waker for the future that the runner polls beside the tasks. It holds nothing.
    pub(super) fn root_waker(&'static self) -> Waker {
        // SAFETY: the functions of the table are safe in any context, and their data is static.
        unsafe { Waker::new(ptr::from_ref(self).cast(), &ROOT) }
    }

    /// Whether the root was woken since the last call, or never polled.
    pub(super) fn take_root_woken(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `wake_root`: what the waker wrote.
        self.root_woken.swap(false, Ordering::Acquire)
    }

    pub(super) fn wake_root(&self) {
        // ORDERING: Release pairs with the Acquire in `take_root_woken`. The flag comes before the token, so a
        // runner that consumes the token sees it.
        self.root_woken.swap(true, Ordering::Release);
        self.unpark();
    }
}

// SAFETY: `schedule` takes every task; whoever runs them is entered for nobody, so wakes by value ask
// `Home::keeps_scheduler`, and that is true because executors are static.
unsafe impl Schedule for Executor {
    fn schedule(&self, task: Notified) {
        // SAFETY: an N is in one place only, and keeps its cell: the stack owns it until the runner takes it.
        let pushed = unsafe { self.ready.push(task.into_raw()) };
        debug_assert!(pushed, "nobody closes this stack");
        // The push comes before the token, so a runner that consumes the token finds the task.
        self.unpark();
    }
}

static ROOT: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &ROOT), wake, wake, |_| {});

unsafe fn wake(data: *const ()) {
    // SAFETY: `root_waker` made it of a static executor.
    let executor: &'static Executor = unsafe { &*data.cast() };
    executor.wake_root();
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("ready", &self.ready)
            .field("park", &self.park)
            .finish_non_exhaustive()
    }
}
