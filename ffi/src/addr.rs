//! Waiting at an address, for mutexes and the like of the host's.

use core::sync::atomic::AtomicU32;
use core::task::Context;

use ouzel::op::raw::Nanos;

use crate::error::{Error, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::extra::{Deadline, Wait};
use crate::guard::guard;
use crate::id::{Kind, ouzel_rtid, unpack};
use crate::options::OUZEL_FOREVER;
use crate::place::with_anchor;
use crate::task::ouzel_cx;
use crate::things::addrs;

/// # Safety
/// `addr` points to a word that is only written atomically while this runs.
unsafe fn wait(cx: &ouzel_cx<'_>, addr: *const u32, expected: u32, deadline_ns: u64) -> Result<i32> {
    if addr.is_null() {
        return Err(Error::NULL);
    }
    if !addr.is_aligned() {
        return Err(Error::INVALID);
    }
    let place = cx.place();
    let body = place.body()?;
    let here = |wait: &Wait| matches!(wait, Wait::Addr { addr: at, .. } if *at == addr.addr());
    let (mut ticket, mut until) = match cx.if_extra(|extra| extra.take_wait(here)) {
        Some(Wait::Addr { ticket, until, .. }) => (Some(ticket), until),
        _ => (None, None),
    };
    // SAFETY: aligned, and the caller's promise.
    let word = unsafe { AtomicU32::from_ptr(addr.cast_mut()) };
    if body.things.addrs.poll(&mut ticket, word, expected, cx.waker) == addrs::Wait::Over {
        return Ok(OUZEL_READY);
    }
    let ticket = ticket.ok_or(Error::NO_MEMORY)?;
    let mut late = false;
    if deadline_ns == OUZEL_FOREVER {
        until = None;
    } else {
        let known = until.filter(|deadline| deadline.at() == Nanos(deadline_ns));
        let mut deadline = known.unwrap_or_else(|| Deadline::new(Nanos(deadline_ns)));
        late = deadline.is_over(&mut Context::from_waker(cx.waker));
        until = Some(deadline);
    }
    let wait = Wait::Addr { place, addr: addr.addr(), ticket, until };
    if late {
        wait.leave();
        return Err(Error::TIMED_OUT);
    }
    cx.keep_wait(wait)?;
    Ok(OUZEL_PENDING)
}

/// Waits while a word has a value. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent; `addr` is null, or points to a word that is only written
/// atomically.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_wait_addr(
    cx: *mut ouzel_cx<'_>,
    addr: *const u32,
    expected: u32,
    deadline_ns: u64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        // SAFETY: the caller's promise.
        code(unsafe { wait(cx, addr, expected, deadline_ns) })
    })
}

/// Wakes tasks that wait at an address. See `ouzel.h`. Does not look at it.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_wake_addr(rt: ouzel_rtid, addr: *const u32, max: u32) -> i32 {
    guard(|| {
        if addr.is_null() {
            return Error::NULL.0;
        }
        let woken = unpack(Kind::Runtime, rt.slot, rt.generation).and_then(|(anchor, ..)| {
            with_anchor(anchor, |_, body| Ok(body.things.addrs.wake(addr.addr(), max)))
        });
        code(woken.map(|woken| i32::try_from(woken).unwrap_or(i32::MAX)))
    })
}
