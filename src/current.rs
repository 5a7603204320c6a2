//! What the current thread belongs to: the runtime whose code it runs, and the reactor it submits to.
//!
//! Set by workers, by `block_on` and by [`LocalRuntime::enter`](crate::LocalRuntime::enter); nested uses stack.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

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
    static TOP: Cell<*const Current> = const { Cell::new(ptr::null()) };
}

/// Makes `current` this thread's place until the guard is dropped.
///
/// Allocates only when places nest deeper than ever before on this thread.
pub(crate) fn enter(current: Rc<Current>) -> Entered {
    TOP.set(Rc::as_ptr(&current));
    STACK.with(|s| s.borrow_mut().push(current));
    Entered(std::marker::PhantomData)
}

/// The same unless it is this thread's place already.
#[inline]
pub(crate) fn enter_once(current: &Rc<Current>) -> Option<Entered> {
    if ptr::eq(TOP.get(), Rc::as_ptr(current)) { None } else { Some(enter(Rc::clone(current))) }
}

/// See [`enter`]. Belongs to its thread.
#[derive(Debug)]
pub(crate) struct Entered(std::marker::PhantomData<*const ()>);

impl Drop for Entered {
    fn drop(&mut self) {
        let left = STACK.try_with(|s| {
            let mut stack = s.borrow_mut();
            let left = stack.pop();
            TOP.set(stack.last().map_or(ptr::null(), Rc::as_ptr));
            left
        });
        if left.is_err() {
            TOP.set(ptr::null());
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
    f(unsafe { TOP.get().as_ref() })
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
