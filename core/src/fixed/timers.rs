//! A fixed number of deadlines, and the driver that keeps them: the wheel of [`crate::timer`] with slots in a static.
//!
//! A [`Sleep`] takes a slot; it may be made, polled and dropped in any context, while the wheel belongs to
//! [`Timed`] alone. Between them is the slot's word and a stack of slots that the driver should look at.
//!
//! | from                | event                           | to               | what follows                        |
//! |---------------------|---------------------------------|------------------|-------------------------------------|
//! | 0                   | `sleep_until`                   | HELD QUEUED      | deadline written, push, unpark      |
//! | HELD QUEUED         | the driver pops it              | HELD             | into the wheel                      |
//! | HELD                | its time has come               | HELD FIRED       | wake                                |
//! | HELD, may be QUEUED | the sleep is dropped            | DROPPED QUEUED   | push, unpark, if QUEUED is new      |
//! | HELD FIRED          | the sleep is dropped            | 0                | nothing: the driver is done with it |
//! | DROPPED QUEUED      | the driver pops it              | 0                | out of the wheel, if it is there    |
//!
//! - Whoever sets QUEUED pushes the slot; the driver clears it when it has popped the slot.
//! - `deadline` is written by the winner of 0 -> HELD before the push, and read by the driver after the pop.
//! - A slot that FIRED is out of the wheel and on no stack. The driver still takes its waker then; should that be
//!   the next sleep's already, it is woken early and registers again.
//! - The waker is taken out before the slot is given back, so an unused slot keeps no task's storage in use.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::executor::Executor;
use crate::driver::{Deadline, Driver, Errno, Nanos};
use crate::queue::intake::{Node, Stack};
use crate::sync::{AtomicBool, AtomicU32, AtomicWaker, Ordering, UnsafeCell, array_of, const_fn};
use crate::timer::{TimerNode, TimerStore, Wheel};

/// A [`Sleep`] has the slot.
const HELD: u32 = 1;
/// On the stack, or about to be.
const QUEUED: u32 = 1 << 1;
/// The deadline has passed.
const FIRED: u32 = 1 << 2;
/// Its [`Sleep`] has gone; the driver gives the slot back.
const DROPPED: u32 = 1 << 3;

/// One deadline.
struct Slot {
    word: AtomicU32,
    link: UnsafeCell<*mut Slot>,
    deadline: UnsafeCell<Deadline>,
    waker: AtomicWaker,
    /// The driver's alone.
    node: TimerNode<u32>,
}

// SAFETY: the link is used by the stack alone.
unsafe impl Node for Slot {
    unsafe fn set_link(this: NonNull<Self>, next: *mut Self) {
        // SAFETY: slots are static.
        let slot = unsafe { this.as_ref() };
        // SAFETY: the caller's alone, by its promise.
        slot.link.with_mut(|p| unsafe { *p = next });
    }

    unsafe fn link(this: NonNull<Self>) -> *mut Self {
        // SAFETY: slots are static.
        let slot = unsafe { this.as_ref() };
        // SAFETY: the caller's alone, by its promise.
        slot.link.with(|p| unsafe { *p })
    }
}

/// What sleeps reach beside their slot.
struct Shared {
    /// Slots that the driver should look at.
    changed: Stack<Slot>,
    executor: &'static Executor,
}

/// Up to `N` deadlines at a time, for tasks of one executor. In a static. See the [example](super).
pub struct Timers<const N: usize> {
    slots: [Slot; N],
    shared: Shared,
    /// The driver was given out; it is not given back.
    taken: AtomicBool,
}

// SAFETY: a slot's word says who may use its deadline and link; its node is used by the one `Timed` alone.
unsafe impl<const N: usize> Sync for Timers<N> {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    const_fn! {
        fn new() -> Self {
            Slot {
                word: AtomicU32::new(0),
                link: UnsafeCell::new(core::ptr::null_mut()),
                deadline: UnsafeCell::new(Deadline(Nanos(0))),
                waker: AtomicWaker::new(),
                node: TimerNode::new(0),
            }
        }
    }

    /// Takes the slot if it is unused.
    fn claim(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of `give_up` and `look`, which made it unused: the last use of
        // its deadline comes before ours.
        self.word.compare_exchange(0, HELD | QUEUED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Its sleep goes. True: QUEUED was set now, push the slot.
    fn give_up(&self) -> bool {
        // ORDERING: Relaxed: the CAS decides.
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let next = if seen == HELD | FIRED { 0 } else { DROPPED | QUEUED };
            // ORDERING: Release pairs with the Acquire of `claim`: this sleep's use of the slot comes before the next
            // one's. Acquire pairs with `fire`: so does the driver's.
            match self.word.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return next != 0 && seen & QUEUED == 0,
                Err(now) => seen = now,
            }
        }
    }

    /// Driver, the slot popped: what to do with it. `None`: its sleep has gone, and now it is unused.
    fn look(&self, unlink: impl FnOnce()) -> Option<Deadline> {
        // ORDERING: Relaxed: the CAS below decides what became of the sleep.
        if self.word.load(Ordering::Relaxed) & DROPPED == 0 {
            // SAFETY: written before the push, and until QUEUED is cleared nobody gives the slot away.
            let deadline = self.deadline.with(|d| unsafe { *d });
            // ORDERING: Release pairs with the Acquire of `give_up`'s and later of `claim`: our reading of the
            // deadline comes before the next writing; Relaxed on failure, as nothing depends on it.
            let held = self.word.compare_exchange(HELD | QUEUED, HELD, Ordering::Release, Ordering::Relaxed);
            if held.is_ok() {
                return Some(deadline);
            }
        }
        unlink();
        // ORDERING: Release pairs with the Acquire of `claim`: our use of the slot comes before the next one's;
        // Acquire pairs with `give_up`: so does the sleep's.
        self.word.swap(0, Ordering::AcqRel);
        None
    }

    /// Driver, the slot out of the wheel: its time has come, unless its sleep has gone.
    fn fire(&self) {
        // ORDERING: Release pairs with the Acquire of `is_fired` and `give_up`: the driver is done with the slot.
        // Acquire: the waker below is as `register` left it, should the sleep have looked before this.
        self.word.fetch_or(FIRED, Ordering::AcqRel);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn is_fired(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of `fire`.
        self.word.load(Ordering::Acquire) & FIRED != 0
    }
}

impl Shared {
    /// The caller has just set QUEUED.
    fn push(&self, slot: &'static Slot) {
        // SAFETY: QUEUED, set by this caller, keeps others from pushing it; it is static.
        unsafe { self.changed.push(NonNull::from(slot)) };
        self.executor.unpark();
    }
}

impl<const N: usize> Timers<N> {
    const_fn! {
        /// Timers without any deadline; their driver runs under a runner of `executor`.
        #[must_use]
        pub fn new(executor: &'static Executor) -> Self {
            Timers {
                slots: array_of!(Slot::new(); N),
                shared: Shared { changed: Stack::new(), executor },
                taken: AtomicBool::new(false),
            }
        }
    }

    /// Puts these timers before `driver`: the result sleeps no longer than to the next deadline. Once only.
    pub fn driver<D: Driver>(&'static self, mut driver: D) -> Option<Timed<D>> {
        // ORDERING: Relaxed: one caller wins, and nothing is handed over.
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        let wheel = Wheel::new(driver.now());
        Some(Timed { driver, wheel, slots: &self.slots, shared: &self.shared })
    }

    /// Ready when the driver's clock has reached `deadline`. Any context. None while `N` sleeps are about, or
    /// were dropped since the driver last looked.
    pub fn sleep_until(&'static self, deadline: Deadline) -> Option<Sleep> {
        let slot = self.slots.iter().find(|slot| slot.claim())?;
        // SAFETY: claimed just now, and not pushed yet.
        slot.deadline.with_mut(|d| unsafe { *d = deadline });
        self.shared.push(slot);
        Some(Sleep { slot, shared: &self.shared })
    }
}

/// Waits for a deadline. Dropping it gives its slot back.
#[must_use = "a sleep that is not awaited ends at once"]
pub struct Sleep {
    slot: &'static Slot,
    shared: &'static Shared,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.slot.is_fired() {
            return Poll::Ready(());
        }
        self.slot.waker.register(cx.waker());
        // Again: it may have fired before it was registered.
        if self.slot.is_fired() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        drop(self.slot.waker.take());
        if self.slot.give_up() {
            self.shared.push(self.slot);
        }
    }
}

/// A driver with timers before it.
pub struct Timed<D> {
    driver: D,
    wheel: Wheel,
    slots: &'static [Slot],
    shared: &'static Shared,
}

/// The nodes of a wheel. Not the timers themselves: anyone may reach those.
struct Nodes(&'static [Slot]);

impl TimerStore for Nodes {
    type Key = u32;

    fn index(key: u32) -> u32 {
        key
    }

    fn node(&self, index: u32) -> Option<&TimerNode<u32>> {
        Some(&self.0.get(index as usize)?.node)
    }
}

impl<D: Driver> Timed<D> {
    /// The driver behind.
    pub fn inner(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Takes in what sleeps have asked for and fires what is due. Returns how many fired.
    fn turn(&mut self) -> usize {
        let nodes = Nodes(self.slots);
        for slot in self.shared.changed.take_all() {
            let index = (slot.addr().get() - self.slots.as_ptr().addr()) / size_of::<Slot>();
            // SAFETY: slots are static.
            let slot = unsafe { slot.as_ref() };
            let wheel = &mut self.wheel;
            let unlink = || {
                wheel.remove(&nodes, index as u32);
            };
            if let Some(deadline) = slot.look(unlink) {
                self.wheel.insert(&nodes, index as u32, deadline);
            }
        }
        let now = self.driver.now();
        self.wheel.expire(&nodes, now, |index| self.slots[index as usize].fire())
    }
}

impl<D: Driver> Driver for Timed<D> {
    fn now(&mut self) -> Nanos {
        self.driver.now()
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        if self.turn() > 0 {
            return Ok(());
        }
        let next = self.wheel.next_deadline(&Nodes(self.slots));
        let until = match (deadline, next) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.driver.park(until)?;
        self.turn();
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(self.turn() + self.driver.poll()?)
    }
}

impl<const N: usize> fmt::Debug for Timers<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("slots", &N).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("fired", &self.slot.is_fired()).finish_non_exhaustive()
    }
}

impl<D> fmt::Debug for Timed<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("timers", &self.wheel.len()).finish_non_exhaustive()
    }
}
