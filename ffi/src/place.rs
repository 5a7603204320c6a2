//! Where a runtime of C lives: a place that is never freed, and in it, while it lives, the body.
//!
//! ```text
//!   ouzel_runtime*  ──▶ place (leaked, used again)   state: FREE ──▶ LIVE ──▶ FREE
//!   id.slot >> 32   ──▶ anchor ──▶ place               body: engine, operations, joins, counters
//! ```
//!
//! A pointer to a freed runtime finds a FREE place (`OUZEL_ESTALE`) until the place is used again; the
//! places that were freed longest ago come first. An id finds it through its anchor, which tells
//! generations apart for good and keeps the body from being freed while it is pinned.
//!
//! **Loop thread.** Of a host-driven runtime the thread that made it; the parts of the body that are not
//! `Sync` are touched there only, after [`Body::on_loop`]. Of one with workers any thread that is inside
//! one of its callbacks: [`Inside`] marks those.

use core::cell::{Cell, UnsafeCell};
use core::ptr::null;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use ouzel::anchor::{AnchorId, RUNTIMES};
use ouzel::{EnterGuard, Handle, LocalHandle, LocalRuntime, Origin, Runtime, TaskId};

use crate::bell::Bell;
use crate::buffers::Buffers;
use crate::error::{Error, Result};
use crate::guard::callback;
use crate::id::{Kind, ouzel_rtid, unpack};
use crate::lent::{After, Home, Jobs, Release, Released};
use crate::lock::lock_unless_lost;
use crate::memory;
use crate::record::Joins;
use crate::table::OpTable;
use crate::things::Things;

/// The runtime behind the handle; opaque to C.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Debug)]
pub struct ouzel_runtime {
    state: AtomicU32,
    body: UnsafeCell<Option<Body>>,
    /// Of a host-driven runtime: what the poll function that runs was lent.
    polled: Cell<*const ()>,
}

// SAFETY: the body is reached through `get` only, which hands it out while the place is LIVE; what in it
// is not `Sync` is touched on the loop thread only.
unsafe impl Sync for ouzel_runtime {}

const FREE: u32 = 0;
const LIVE: u32 = 1;

/// Who runs the tasks.
#[derive(Debug)]
pub(crate) enum Engine {
    /// The host's thread, through `ouzel_run` and its relatives.
    Local { runtime: LocalRuntime, handle: LocalHandle },
    /// Worker threads.
    Shared { runtime: Runtime, handle: Handle },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Body {
    /// The process that made it.
    pub(crate) origin: Origin,
    pub(crate) engine: Engine,
    pub(crate) anchor: AnchorId,
    pub(crate) driver: u32,
    pub(crate) description: String,
    /// Identity of the loop thread; 0 with workers.
    pub(crate) thread: usize,
    /// Host-driven: inside `ouzel_run` or a relative.
    pub(crate) running: Cell<bool>,
    pub(crate) stop: AtomicBool,
    pub(crate) closing: AtomicBool,
    pub(crate) closed: AtomicBool,
    /// Tasks of the host that have not ended.
    pub(crate) tasks: AtomicUsize,
    /// Those, and operations that deliver to a callback.
    pub(crate) work: AtomicUsize,
    pub(crate) spawned: AtomicU64,
    pub(crate) joins: Joins,
    pub(crate) ops: OpTable,
    pub(crate) released: Released,
    pub(crate) buffers: Buffers,
    pub(crate) jobs: Arc<Jobs>,
    /// With workers: ends `ouzel_run`.
    pub(crate) bell: Option<Bell>,
    pub(crate) things: Things,
    /// The task that calls releases.
    pub(crate) ours: OnceLock<TaskId>,
}

thread_local! {
    /// Its address tells threads apart.
    static HERE: u8 = const { 0 };
    static INSIDE: Cell<*const ouzel_runtime> = const { Cell::new(null()) };
}

pub(crate) fn this_thread() -> usize {
    HERE.with(|here| &raw const *here as usize)
}

/// What the poll function that runs on this thread was lent, if a host-driven runtime called it.
#[inline(always)]
pub(crate) fn polled() -> *const () {
    // SAFETY: places are never freed. One with workers always has null there.
    unsafe { INSIDE.get().as_ref() }.map_or(null(), |place| place.polled.get())
}

/// Marks the time in which this thread runs callbacks of a runtime. Of a host-driven one that is a whole turn, in
/// which nothing else of the host's is called.
pub(crate) struct Inside(*const ouzel_runtime);

impl Inside {
    pub(crate) fn new(place: &'static ouzel_runtime) -> Self {
        Inside(INSIDE.replace(place))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// The body behind a host's pointer.
pub(crate) fn get(rt: *const ouzel_runtime) -> Result<&'static Body> {
    if rt.is_null() {
        return Err(Error::NULL);
    }
    // SAFETY: the host's pointers come from `ouzel_runtime_new`, whose places are never freed.
    let place = unsafe { &*rt };
    place.body()
}

impl ouzel_runtime {
    /// The body, while there is one.
    #[inline]
    pub(crate) fn body(&self) -> Result<&Body> {
        let body = self.body_anywhere()?;
        if body.origin.is_another_process() { Err(Error::FORKED) } else { Ok(body) }
    }

    /// The same, in a forked child too.
    #[inline]
    fn body_anywhere(&self) -> Result<&Body> {
        // ORDERING: Acquire pairs with the Release in `put_body`: the body is written.
        if self.state.load(Ordering::Acquire) != LIVE {
            return Err(Error::STALE);
        }
        // SAFETY: LIVE: it is written, and only `take_body` writes it again, which the host must not
        // call while it uses the runtime (for ids: not before the anchor's pins have ended).
        let body = unsafe { &*self.body.get() };
        body.as_ref().ok_or(Error::STALE)
    }
}

impl Home for ouzel_runtime {
    fn release_later(&self, release: Release) {
        if let Ok(body) = self.body() {
            body.released.push(release);
        }
    }
}

impl ouzel_runtime {
    /// A poll function of a host-driven runtime is called, with `cx`; null: it has returned.
    #[inline(always)]
    pub(crate) fn begin_poll(&self, cx: *const ()) {
        self.polled.set(cx);
        // ORDERING: SeqCst, for the compiler alone: what a signal handler finds there is true.
        compiler_fence(Ordering::SeqCst);
    }

    /// Whether that is so at this moment.
    pub(crate) fn is_polling(&self) -> bool {
        !self.polled.get().is_null()
    }

    /// Calls all releases that wait.
    pub(crate) fn run_releases(&'static self, body: &Body) {
        let _inside = Inside::new(self);
        while let Some(release) = body.released.pop() {
            callback(|| release.call());
        }
    }

    /// After the last completion has been delivered: tells the host that its buffers are free.
    #[inline(always)]
    pub(crate) fn finish(&'static self, body: &Body, after: After) {
        match after {
            After::Nothing => {}
            After::Call(release) => {
                let _inside = Inside::new(self);
                callback(|| release.call());
            }
            After::Released => self.run_releases(body),
        }
    }
}

/// A runtime, on a thread of its loop.
#[derive(Clone, Copy)]
pub(crate) struct OnLoop {
    pub(crate) place: &'static ouzel_runtime,
    pub(crate) body: &'static Body,
    /// In a callback of it: it is current.
    inside: bool,
}

impl OnLoop {
    /// The runtime behind a host's pointer, for a `[loop]` function.
    #[inline]
    pub(crate) fn of(rt: *const ouzel_runtime) -> Result<Self> {
        let inside = INSIDE.get();
        if inside.is_null() || !core::ptr::eq(inside, rt) {
            return OnLoop::outside(rt);
        }
        // SAFETY: a place, which is never freed.
        let place: &'static ouzel_runtime = unsafe { &*rt };
        Ok(OnLoop { place, body: place.body()?, inside: true })
    }

    #[cold]
    fn outside(rt: *const ouzel_runtime) -> Result<Self> {
        let body = get(rt)?;
        body.on_loop()?;
        // SAFETY: `get` has looked at it.
        Ok(OnLoop { place: unsafe { &*rt }, body, inside: false })
    }

    /// The runtime that an id names, for a `[loop]` function.
    #[inline]
    pub(crate) fn named(anchor: AnchorId) -> Result<Self> {
        match OnLoop::inside(anchor)? {
            Some(at) => Ok(at),
            None => OnLoop::pinned(anchor),
        }
    }

    /// The same if it is the one whose callback this thread runs.
    #[inline(always)]
    pub(crate) fn inside(anchor: AnchorId) -> Result<Option<Self>> {
        // SAFETY: places are never freed.
        let Some(place) = (unsafe { INSIDE.get().as_ref() }) else { return Ok(None) };
        let body = place.body()?;
        Ok((body.anchor == anchor).then_some(OnLoop { place, body, inside: true }))
    }

    #[cold]
    fn pinned(anchor: AnchorId) -> Result<Self> {
        let pin = RUNTIMES.pin(anchor).ok_or(Error::STALE)?;
        // The pin may go: the runtime is freed by its loop's thread, if at all, and that is this one.
        OnLoop::outside(pin.target().cast::<ouzel_runtime>())
    }

    /// Makes it this thread's current runtime, if it is not.
    #[inline]
    pub(crate) fn enter(&self) -> Option<EnterGuard> {
        if self.inside { None } else { self.body.enter() }
    }
}

/// Calls `f` with the runtime that an id names.
pub(crate) fn with_anchor<R>(
    anchor: AnchorId,
    f: impl FnOnce(&'static ouzel_runtime, &Body) -> Result<R>,
) -> Result<R> {
    let here = INSIDE.get();
    if !here.is_null() {
        // SAFETY: places are never freed.
        let place: &'static ouzel_runtime = unsafe { &*here };
        if let Ok(body) = place.body()
            && body.anchor == anchor
        {
            // No pin: a runtime is not freed inside its own callback.
            return f(place, body);
        }
    }
    let pin = RUNTIMES.pin(anchor).ok_or(Error::STALE)?;
    // SAFETY: `open` gave the anchor a place, and places are never freed.
    let place: &'static ouzel_runtime = unsafe { &*pin.target().cast::<ouzel_runtime>() };
    f(place, place.body()?)
}

impl Body {
    /// Whether a `[loop]` function may be called here.
    pub(crate) fn on_loop(&self) -> Result<()> {
        let fits = if self.thread != 0 { self.thread == this_thread() } else { self.is_inside() };
        if fits { Ok(()) } else { Err(Error::WRONG_THREAD) }
    }

    /// Whether this thread runs one of its callbacks.
    pub(crate) fn is_inside(&self) -> bool {
        let here = INSIDE.get();
        // SAFETY: places are never freed.
        !here.is_null() && unsafe { &*here }.body().is_ok_and(|body| core::ptr::eq(body, self))
    }

    /// Host-driven runtimes: their thread. With workers: any thread.
    pub(crate) fn on_loop_if_local(&self) -> Result<()> {
        if self.thread == 0 { Ok(()) } else { self.on_loop() }
    }

    /// Makes this the thread's current runtime, for operations begun outside a callback of it.
    pub(crate) fn enter(&self) -> Option<EnterGuard> {
        match &self.engine {
            Engine::Local { runtime, .. } if !self.is_inside() => Some(runtime.enter()),
            _ => None,
        }
    }

    /// Uses up a stop.
    pub(crate) fn stopped(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `ouzel_stop`: what its caller wrote before.
        self.stop.load(Ordering::Relaxed) && self.stop.swap(false, Ordering::Acquire)
    }

    pub(crate) fn has_work(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `work_ended`: what the tasks wrote.
        self.work.load(Ordering::Acquire) != 0
    }

    /// A task or a callback operation has begun.
    pub(crate) fn work_begun(&self) {
        // ORDERING: Relaxed, a counter; the task itself is published by the spawn.
        self.work.fetch_add(1, Ordering::Relaxed);
    }

    /// A task or a callback operation has ended.
    pub(crate) fn work_ended(&self) {
        // ORDERING: Release pairs with the Acquire in `has_work`.
        let left = self.work.fetch_sub(1, Ordering::Release) - 1;
        if left == 0
            && let Some(bell) = &self.bell
        {
            bell.ring();
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        // ORDERING: Relaxed; the engine refuses by itself, this makes the answer exact on one thread.
        if self.closing.load(Ordering::Relaxed) { Err(Error::CLOSING) } else { Ok(()) }
    }
}

/// Places that nobody uses, longest free first. With room for all there are.
static FREE_PLACES: Mutex<VecDeque<&'static ouzel_runtime>> = Mutex::new(VecDeque::new());
/// All there are, or are about to be.
static PLACE_COUNT: AtomicUsize = AtomicUsize::new(0);
/// So many are kept before one is used again, to find uses after free.
const REST: usize = 16;

/// One that is used again, if there are enough.
fn used_place() -> Option<&'static ouzel_runtime> {
    let mut free = lock_unless_lost(&FREE_PLACES)?;
    if free.len() > REST { free.pop_front() } else { None }
}

/// One more, and room for it among the free ones.
fn made_place() -> Result<&'static ouzel_runtime> {
    // ORDERING: Relaxed: who makes room sees its own at least, and the lock orders the rest.
    let all = PLACE_COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(mut free) = lock_unless_lost(&FREE_PLACES) {
        let room = all.saturating_sub(free.len());
        free.try_reserve(room).map_err(|_| Error::NO_MEMORY)?;
    }
    let (state, body, polled) = (AtomicU32::new(FREE), UnsafeCell::new(None), Cell::new(null()));
    memory::boxed(ouzel_runtime { state, body, polled }).map(|place| &*Box::leak(place))
}

pub(crate) fn new_place() -> Result<&'static ouzel_runtime> {
    if let Some(place) = used_place() {
        return Ok(place);
    }
    made_place().inspect_err(|_| {
        // ORDERING: Relaxed, as in `made_place`.
        PLACE_COUNT.fetch_sub(1, Ordering::Relaxed);
    })
}

/// Gives one back that is FREE. Where the list is lost it is not used again.
pub(crate) fn give_back(place: &'static ouzel_runtime) {
    if let Some(mut free) = lock_unless_lost(&FREE_PLACES) {
        free.push_back(place);
    }
}

/// Begins a place's life.
pub(crate) fn put_body(place: &'static ouzel_runtime, body: Body) {
    // SAFETY: the place is FREE and its caller's: nobody else looks at its body.
    unsafe { *place.body.get() = Some(body) };
    // ORDERING: Release pairs with the Acquire in `body`.
    place.state.store(LIVE, Ordering::Release);
}

/// Ends a place's life, and drops its body.
pub(crate) fn take_body(place: &'static ouzel_runtime) {
    // ORDERING: Relaxed; whoever makes a new runtime here comes through the lock around PLACES.
    place.state.store(FREE, Ordering::Relaxed);
    // SAFETY: the host gave the runtime up and no pin is left, so nobody else has a reference.
    drop(unsafe { (*place.body.get()).take() });
}

/// Forgets a place's body, in a forked child.
pub(crate) fn forget_body(place: &'static ouzel_runtime) -> Result<()> {
    if !place.body_anywhere()?.origin.is_another_process() {
        return Err(Error::INVALID);
    }
    // ORDERING: Relaxed; a forked child has one thread.
    place.state.store(FREE, Ordering::Relaxed);
    // SAFETY: a forked child has one thread, and the host gave the runtime up.
    core::mem::forget(unsafe { (*place.body.get()).take() });
    Ok(())
}

/// Calls `f` with the runtime an `ouzel_rtid` names.
pub(crate) fn with_rtid<R>(id: ouzel_rtid, f: impl FnOnce(&Body) -> Result<R>) -> Result<R> {
    let (anchor, ..) = unpack(Kind::Runtime, id.slot, id.generation)?;
    with_anchor(anchor, |_, body| f(body))
}
