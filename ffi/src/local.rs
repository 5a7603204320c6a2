//! Task-local values.

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, OUZEL_OK, code};
use crate::guard::guard;
use crate::options::UdFn;
use crate::task::ouzel_cx;

/// Keys that have been given out. They are numbers from 1 on, the whole process's, and never freed.
static KEYS: AtomicU32 = AtomicU32::new(0);

fn is_key(key: u32) -> bool {
    // ORDERING: Relaxed: a number; whoever has a key has it from where it was made.
    key != 0 && key <= KEYS.load(Ordering::Relaxed)
}

/// A new key. See `ouzel.h`.
///
/// # Safety
/// `key` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_key_new(key: *mut u32) -> i32 {
    guard(|| {
        if key.is_null() {
            return Error::NULL.0;
        }
        // ORDERING: Relaxed: a number.
        let last = KEYS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| last.checked_add(1));
        let Ok(last) = last else { return Error::NO_MEMORY.0 };
        // SAFETY: the caller's promise.
        unsafe { key.write(last + 1) };
        OUZEL_OK
    })
}

/// Sets this task's value. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_local_set(
    cx: *mut ouzel_cx<'_>,
    key: u32,
    value: *mut c_void,
    drop: Option<UdFn>,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        if !is_key(key) {
            return Error::INVALID.0;
        }
        let set = cx.with_extra(|extra| extra.set_local(key, value, drop));
        code(set.map(|old| {
            if let Some(old) = old {
                old.end();
            }
            OUZEL_OK
        }))
    })
}

/// This task's value. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_local_get(cx: *const ouzel_cx<'_>, key: u32) -> *mut c_void {
    guard(|| {
        // SAFETY: the caller's promise.
        let cx = unsafe { cx.as_ref() };
        cx.and_then(|cx| cx.if_extra(|extra| extra.local(key))).unwrap_or(null_mut())
    })
}
