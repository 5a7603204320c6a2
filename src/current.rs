//! What the current thread belongs to: the runtime whose code it runs, and the reactor it submits to.
//!
//! Set by workers, by `block_on` and by [`LocalRuntime::enter`](crate::LocalRuntime::enter); nested uses stack.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use ouzel_core::local::Local;

use crate::blocking::{BlockingPool, Runner};
use crate::reactor::ReactorCell;
use crate::shared::{Inner, LocalShared};

/// A thread's place in a runtime.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) reactor: Rc<ReactorCell>,
    pub(crate) runtime: Flavour,
}

/// The kind of runtime, as spawns need it.
#[derive(Clone)]
pub(crate) enum Flavour {
    Shared(Arc<Inner>),
    Local(Rc<LocalShared>),
}

thread_local! {
    static STACK: RefCell<Vec<Rc<Current>>> = const { RefCell::new(Vec::new()) };
    // The last of them, null if there is none. Beside the stack because an access to this one needs no
    // registered destructor and no count.
    static TOP: Top = const { Top::none() };
}

/// What [`enter`] was given last, and where a spawn goes then: one of the two at the most.
struct Top {
    current: Cell<*const Current>,
    local: Cell<*const Local>,
    shared: Cell<*const Inner>,
}

impl Top {
    const fn none() -> Self {
        Top { current: Cell::new(ptr::null()), local: Cell::new(ptr::null()), shared: Cell::new(ptr::null()) }
    }

    fn set(&self, current: Option<&Rc<Current>>) {
        let (mut local, mut shared) = (ptr::null(), ptr::null());
        match current.map(|c| &c.runtime) {
            Some(Flavour::Local(runtime)) => local = ptr::from_ref(runtime.local()),
            Some(Flavour::Shared(inner)) => shared = Arc::as_ptr(inner),
            None => {}
        }
        self.current.set(current.map_or(ptr::null(), Rc::as_ptr));
        self.local.set(local);
        self.shared.set(shared);
    }
}

/// Makes `current` this thread's place until the guard is dropped.
///
/// Allocates only when places nest deeper than ever before on this thread.
pub(crate) fn enter(current: Rc<Current>) -> Entered {
    TOP.with(|top| top.set(Some(&current)));
    STACK.with(|s| s.borrow_mut().push(current));
    Entered(std::marker::PhantomData)
}

/// The same unless it is this thread's place already.
#[inline]
pub(crate) fn enter_once(current: &Rc<Current>) -> Option<Entered> {
    if ptr::eq(TOP.with(|top| top.current.get()), Rc::as_ptr(current)) {
        None
    } else {
        Some(enter(Rc::clone(current)))
    }
}

/// See [`enter`]. Belongs to its thread.
#[derive(Debug)]
pub(crate) struct Entered(std::marker::PhantomData<*const ()>);

impl Drop for Entered {
    fn drop(&mut self) {
        let left = STACK.try_with(|s| {
            let mut stack = s.borrow_mut();
            let left = stack.pop();
            TOP.with(|top| top.set(stack.last()));
            left
        });
        if left.is_err() {
            TOP.with(|top| top.set(None));
        }
        // Dropped outside the borrow: the last reference to a runtime runs code that may look here.
        drop(left);
    }
}

/// Runs `f` on this thread's place, `None` outside every runtime. `f` may enter and leave others.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Current>) -> R) -> R {
    let current = STACK.try_with(|s| s.borrow().last().cloned()).unwrap_or(None);
    f(current.as_deref())
}

/// As [`with`], without counting a reference meanwhile.
///
/// # Safety
/// `f` calls no code of the user's: that could drop the [`Entered`] of this very place.
#[inline(always)]
pub(crate) unsafe fn with_top<R>(f: impl FnOnce(Option<&Current>) -> R) -> R {
    // SAFETY: the stack keeps what `TOP` points to until its `Entered` goes, which is not during `f`.
    f(unsafe { TOP.with(|top| top.current.get()).as_ref() })
}

/// This thread's place, and its executor if that is a `LocalRuntime`'s; null where there is none. Both are good until code
/// of the user's is called, or an [`Entered`] is dropped.
#[inline(always)]
pub(crate) fn place() -> (*const Current, *const Local) {
    TOP.with(|top| (top.current.get(), top.local.get()))
}

/// Where a spawn goes.
pub(crate) enum Place<'a> {
    Local(&'a Local),
    Shared(&'a Inner),
}

/// The short way of a spawn: `f` on the runtime whose task, or worker, this thread runs. `None`, or `f`'s: take the long
/// way, which counts a reference to the runtime meanwhile and knows what is wrong.
///
/// # Safety
/// As for [`with_top`].
#[inline(always)]
pub(crate) unsafe fn on_either<H>(f: impl FnOnce(Place<'_>) -> Option<H>) -> Option<H> {
    // Not inside `with`, which is inlined if little is in it.
    let (local, shared) = TOP.with(|top| (top.local.get(), top.shared.get()));
    // SAFETY: as in `with_top`.
    if let Some(local) = unsafe { local.as_ref() } {
        return f(Place::Local(local));
    }
    // SAFETY: as in `with_top`.
    f(Place::Shared(unsafe { shared.as_ref() }?))
}

/// As [`on_either`], on a `LocalRuntime` alone.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn on_local<H>(f: impl FnOnce(&Local) -> Option<H>) -> Option<H> {
    // SAFETY: as in `with_top`.
    f(unsafe { TOP.with(|top| top.local.get()).as_ref() }?)
}

/// As [`on_either`], on a `Runtime` alone.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn on_shared<H>(f: impl FnOnce(&Inner) -> Option<H>) -> Option<H> {
    // SAFETY: as in `with_top`.
    f(unsafe { TOP.with(|top| top.shared.get()).as_ref() }?)
}

impl Flavour {
    pub(crate) fn pool(&self) -> &BlockingPool {
        match self {
            Flavour::Shared(inner) => &inner.pool,
            Flavour::Local(local) => local.pool(),
        }
    }

    pub(crate) fn runner(&self) -> Runner {
        self.pool().runner()
    }
}
