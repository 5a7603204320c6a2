//! The boundary every exported function runs behind: no panic leaves it, and the thread knows that it is inside.
//!
//! A panic inside ouzel is a broken invariant, after which no wake-up can be trusted. The host is told
//! through its hook, then the process aborts. With `panic = "abort"` (as shipped) there is no unwinding to
//! catch, so the hook hangs on std's instead.

use core::cell::Cell;
use core::ffi::{CStr, c_char, c_void};
use core::sync::atomic::{Ordering, compiler_fence};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::lock::lock_unless_lost;

/// `ouzel_panic_fn`.
pub type PanicFn = extern "C" fn(ud: *mut c_void, text: *const c_char);
/// `ouzel_log_fn`.
pub type LogFn = extern "C" fn(ud: *mut c_void, level: u32, text: *const c_char);

/// `OUZEL_LOG_*`.
pub const OUZEL_LOG_OFF: u32 = 0;
/// `OUZEL_LOG_*`.
pub const OUZEL_LOG_ERROR: u32 = 1;
/// `OUZEL_LOG_*`.
pub const OUZEL_LOG_WARN: u32 = 2;
/// `OUZEL_LOG_*`.
pub const OUZEL_LOG_INFO: u32 = 3;
/// `OUZEL_LOG_*`.
pub const OUZEL_LOG_DEBUG: u32 = 4;

/// A host function and its pointer.
#[derive(Clone, Copy)]
struct Hook<F> {
    function: F,
    ud: *mut c_void,
}

// SAFETY: `ouzel.h` says that hooks are called on any thread with the `ud` they were set with.
unsafe impl<F> Send for Hook<F> {}

static PANIC: Mutex<Option<Hook<PanicFn>>> = Mutex::new(None);
static LOG: Mutex<Option<(u32, Hook<LogFn>)>> = Mutex::new(None);

/// What a thread runs, for `ouzel_wake` in a signal handler: the handler may have stopped ouzel in the middle of what only
/// this thread touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Nothing is known: code of the host's, also in a poll function, or a loop between two callbacks.
    Outside,
    /// A function of ouzel's.
    Inside,
    /// A callback that a function of ouzel's has made.
    Callback,
}

thread_local! {
    static WHERE: Cell<Where> = const { Cell::new(Where::Outside) };
}

/// Whether this thread is outside of ouzel's functions, as far as it is known.
#[inline(always)]
pub(crate) fn is_outside() -> bool {
    WHERE.get() == Where::Outside
}

/// Puts back what a thread ran before.
struct Back(Where);

impl Back {
    #[inline]
    fn enter(place: Where) -> Self {
        let back = Back(WHERE.replace(place));
        // ORDERING: SeqCst, for the compiler alone: a handler on this thread must not find the mark later than what it stands for.
        compiler_fence(Ordering::SeqCst);
        back
    }
}

impl Drop for Back {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: SeqCst, for the compiler alone, as in `enter`.
        compiler_fence(Ordering::SeqCst);
        WHERE.set(self.0);
    }
}

/// Runs the body of an exported function.
#[inline]
pub(crate) fn guard<R>(body: impl FnOnce() -> R) -> R {
    guard_from(|_| body())
}

/// As [`guard`], and tells what this thread ran before.
#[inline]
pub(crate) fn guard_from<R>(body: impl FnOnce(Where) -> R) -> R {
    let back = Back::enter(Where::Inside);
    caught(|| body(back.0))
}

/// Runs a loop, which marks itself where it matters, or what touches nothing that a wake does.
#[inline]
pub(crate) fn guard_unmarked<R>(body: impl FnOnce() -> R) -> R {
    caught(body)
}

/// Runs code of the host's from inside ouzel, where what this thread touches is whole.
#[inline]
pub(crate) fn callback<R>(body: impl FnOnce() -> R) -> R {
    let _back = Back::enter(Where::Callback);
    caught(body)
}

/// Runs code of the host's where that is not known.
#[inline]
pub(crate) fn callback_anywhere<R>(body: impl FnOnce() -> R) -> R {
    guard(body)
}

#[inline]
fn caught<R>(body: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => broken(&*payload),
    }
}

#[cold]
fn broken(payload: &(dyn core::any::Any + Send)) -> ! {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tell_host(text.unwrap_or("a panic without a text"));
    std::process::abort();
}

fn tell_host(text: &str) {
    let hook = lock_unless_lost(&PANIC).and_then(|hook| *hook);
    if let Some(Hook { function, ud }) = hook {
        with_c_str(text, |text| function(ud, text.as_ptr()));
    }
}

/// Calls `f` with `text` as a C string, cut at 511 bytes or its first NUL.
fn with_c_str(text: &str, f: impl FnOnce(&CStr)) {
    let mut bytes = [0u8; 512];
    let n = text.bytes().take(511).take_while(|b| *b != 0).count();
    bytes[..n].copy_from_slice(&text.as_bytes()[..n]);
    f(CStr::from_bytes_until_nul(&bytes).unwrap_or_default());
}

/// Gives a line to the host's log, if it wants that level.
pub(crate) fn log(level: u32, text: &str) {
    let hook = lock_unless_lost(&LOG).and_then(|hook| *hook);
    if let Some((max, Hook { function, ud })) = hook
        && level <= max
    {
        with_c_str(text, |text| function(ud, level, text.as_ptr()));
    }
}

/// Sets the log function. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_set_log(max_level: u32, function: Option<LogFn>, ud: *mut c_void) -> i32 {
    guard(|| {
        if max_level > OUZEL_LOG_DEBUG {
            return crate::error::OUZEL_EINVAL;
        }
        let hook = function.filter(|_| max_level != OUZEL_LOG_OFF);
        let Some(mut log) = lock_unless_lost(&LOG) else { return crate::error::OUZEL_EFORKED };
        *log = hook.map(|function| (max_level, Hook { function, ud }));
        crate::error::OUZEL_OK
    })
}

/// Sets the function that is told of a broken invariant. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_set_panic_hook(function: Option<PanicFn>, ud: *mut c_void) -> i32 {
    // A library in which a panic is a single instruction has nobody to call the hook.
    if cfg!(ouzel_immediate_abort) {
        return crate::error::OUZEL_ENOTSUP;
    }
    guard(|| {
        let Some(mut hook) = lock_unless_lost(&PANIC) else { return crate::error::OUZEL_EFORKED };
        *hook = function.map(|function| Hook { function, ud });
        drop(hook);
        #[cfg(panic = "abort")]
        hang_on_std();
        crate::error::OUZEL_OK
    })
}

/// Where nothing unwinds, std's hook is the last that runs: it calls the host's after the previous one.
#[cfg(panic = "abort")]
fn hang_on_std() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            previous(info);
            tell_host(&info.to_string());
        }));
    });
}
