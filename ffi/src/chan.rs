//! Bounded channels.

use core::ffi::c_void;
use core::task::Poll;
use std::sync::Arc;

use ouzel::anchor::AnchorId;
use ouzel::sync::raw::{Closed, Gate};

use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::extra::Wait;
use crate::guard::guard;
use crate::id::{Kind, ouzel_chan, pack, unpack};
use crate::place::{Body, get, ouzel_runtime, with_anchor};
use crate::task::ouzel_cx;
use crate::things::channel::{Channel, Ring};
use crate::things::table::Key;

fn unpacked(chan: ouzel_chan) -> Result<(AnchorId, Key)> {
    let (anchor, index, generation) = unpack(Kind::Channel, chan.slot, chan.generation)?;
    Ok((anchor, (index, generation)))
}

fn with_chan<R>(chan: ouzel_chan, f: impl FnOnce(&Body, Key, Arc<Channel>) -> Result<R>) -> Result<R> {
    let (anchor, key) = unpacked(chan)?;
    with_anchor(anchor, |_, body| f(body, key, body.things.channels.get(key)?))
}

fn answer(tried: core::result::Result<Option<()>, Closed>) -> Result<i32> {
    match tried {
        Ok(Some(())) => Ok(OUZEL_READY),
        Ok(None) => Ok(OUZEL_PENDING),
        Err(Closed) => Err(Error::CLOSED),
    }
}

/// Makes a channel. See `ouzel.h`.
///
/// # Safety
/// `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_chan_new(
    rt: *mut ouzel_runtime,
    capacity: u32,
    elem_size: u32,
    out: *mut ouzel_chan,
) -> i32 {
    guard(|| {
        if out.is_null() {
            return Error::NULL.0;
        }
        code(get(rt).and_then(|body| {
            body.check_open()?;
            let channel = Gate::new(Ring::new(capacity, elem_size)?, capacity as usize);
            let key = body.things.channels.insert(channel)?;
            let (slot, generation) = pack(Kind::Channel, body.anchor, key.0, key.1);
            // SAFETY: the caller's promise.
            unsafe { out.write(ouzel_chan { slot, generation }) };
            Ok(OUZEL_OK)
        }))
    })
}

/// Sends if there is room. See `ouzel.h`.
///
/// # Safety
/// `elem` is null or points to an element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_chan_try_send(chan: ouzel_chan, elem: *const c_void) -> i32 {
    guard(|| {
        if elem.is_null() {
            return Error::NULL.0;
        }
        // SAFETY: the caller's promise.
        code(with_chan(chan, |_, _, chan| answer(chan.try_put(|ring| unsafe { ring.push(elem.cast()) }))))
    })
}

/// Receives if there is something. See `ouzel.h`.
///
/// # Safety
/// `elem` is null or has room for an element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_chan_try_recv(chan: ouzel_chan, elem: *mut c_void) -> i32 {
    guard(|| {
        if elem.is_null() {
            return Error::NULL.0;
        }
        // SAFETY: the caller's promise.
        code(with_chan(chan, |_, _, chan| answer(chan.try_take(|ring| unsafe { ring.pop(elem.cast()) }))))
    })
}

/// # Safety
/// `elem` points to an element.
unsafe fn poll_send(chan: ouzel_chan, cx: &ouzel_cx<'_>, elem: *const c_void) -> Result<i32> {
    with_chan(chan, |body, key, chan| {
        let here = |wait: &Wait| matches!(wait, Wait::Room { channel, .. } if Arc::ptr_eq(channel, &chan));
        let mut ticket = match cx.if_extra(|extra| extra.take_wait(here)) {
            Some(Wait::Room { ticket, .. }) => Some(ticket),
            _ => None,
        };
        // SAFETY: the caller's promise.
        let polled = chan.poll_put(&mut ticket, cx.waker, |ring| unsafe { ring.push(elem.cast()) });
        if let Poll::Ready(sent) = polled {
            return answer(sent.map(Some));
        }
        let ticket = ticket.ok_or(Error::NO_MEMORY)?;
        if body.things.channels.get(key).is_err() {
            // Freed before it was seen that somebody waits.
            chan.leave_put(ticket);
            return Err(Error::STALE);
        }
        cx.keep_wait(Wait::Room { channel: chan, ticket })?;
        Ok(OUZEL_PENDING)
    })
}

/// Sends, or makes this task wait for room. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent; `elem` is null or points to an element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_chan_poll_send(
    chan: ouzel_chan,
    cx: *mut ouzel_cx<'_>,
    elem: *const c_void,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        if elem.is_null() {
            return Error::NULL.0;
        }
        // SAFETY: the caller's promise, and it is not null.
        code(unsafe { poll_send(chan, cx, elem) })
    })
}

/// # Safety
/// `elem` has room for an element.
unsafe fn poll_recv(chan: ouzel_chan, cx: &ouzel_cx<'_>, elem: *mut c_void) -> Result<i32> {
    with_chan(chan, |body, key, chan| {
        let here = |wait: &Wait| matches!(wait, Wait::Element { channel, .. } if Arc::ptr_eq(channel, &chan));
        let mut ticket = match cx.if_extra(|extra| extra.take_wait(here)) {
            Some(Wait::Element { ticket, .. }) => Some(ticket),
            _ => None,
        };
        // SAFETY: the caller's promise.
        let polled = chan.poll_take(&mut ticket, cx.waker, |ring| unsafe { ring.pop(elem.cast()) });
        if let Poll::Ready(received) = polled {
            return answer(received.map(Some));
        }
        let ticket = ticket.ok_or(Error::NO_MEMORY)?;
        if body.things.channels.get(key).is_err() {
            // Freed before it was seen that somebody waits.
            chan.leave_take(ticket);
            return Err(Error::STALE);
        }
        cx.keep_wait(Wait::Element { channel: chan, ticket })?;
        Ok(OUZEL_PENDING)
    })
}

/// Receives, or makes this task wait for an element. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent; `elem` is null or has room for an element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_chan_poll_recv(
    chan: ouzel_chan,
    cx: *mut ouzel_cx<'_>,
    elem: *mut c_void,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        if elem.is_null() {
            return Error::NULL.0;
        }
        // SAFETY: the caller's promise, and it is not null.
        code(unsafe { poll_recv(chan, cx, elem) })
    })
}

/// Refuses what would be sent from now on. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_chan_close(chan: ouzel_chan) -> i32 {
    guard(|| {
        code(with_chan(chan, |_, _, chan| {
            chan.close();
            Ok(OUZEL_OK)
        }))
    })
}

/// Ends a channel. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_chan_free(chan: ouzel_chan) -> i32 {
    guard(|| {
        let freed = unpacked(chan).and_then(|(anchor, key)| {
            let idle = |chan: &Channel| if chan.waiting() == 0 { Ok(()) } else { Err(Error::BUSY) };
            with_anchor(anchor, |_, body| body.things.channels.remove(key, idle))
        });
        code(freed.map(|_| OUZEL_OK))
    })
}
