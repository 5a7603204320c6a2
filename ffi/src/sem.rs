//! Semaphores.

use core::task::Poll;
use std::sync::Arc;

use ouzel::anchor::AnchorId;
use ouzel::sync::raw::Semaphore;

use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::extra::Wait;
use crate::guard::guard;
use crate::id::{Kind, ouzel_sem, pack, unpack};
use crate::place::{Body, get, ouzel_runtime, with_anchor};
use crate::task::ouzel_cx;
use crate::things::table::Key;

fn unpacked(sem: ouzel_sem) -> Result<(AnchorId, Key)> {
    let (anchor, index, generation) = unpack(Kind::Semaphore, sem.slot, sem.generation)?;
    Ok((anchor, (index, generation)))
}

fn with_sem<R>(sem: ouzel_sem, f: impl FnOnce(&Body, Key, Arc<Semaphore>) -> Result<R>) -> Result<R> {
    let (anchor, key) = unpacked(sem)?;
    with_anchor(anchor, |_, body| f(body, key, body.things.semaphores.get(key)?))
}

/// Makes a semaphore. See `ouzel.h`.
///
/// # Safety
/// `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_sem_new(rt: *mut ouzel_runtime, permits: u32, out: *mut ouzel_sem) -> i32 {
    guard(|| {
        if out.is_null() {
            return Error::NULL.0;
        }
        code(get(rt).and_then(|body| {
            body.check_open()?;
            let key = body.things.semaphores.insert(Semaphore::new(permits as usize))?;
            let (slot, generation) = pack(Kind::Semaphore, body.anchor, key.0, key.1);
            // SAFETY: the caller's promise.
            unsafe { out.write(ouzel_sem { slot, generation }) };
            Ok(OUZEL_OK)
        }))
    })
}

/// Takes permits if they are there. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_sem_try_acquire(sem: ouzel_sem, n: u32) -> i32 {
    guard(|| {
        code(with_sem(sem, |_, _, sem| {
            Ok(if sem.try_acquire(n as usize) { OUZEL_READY } else { OUZEL_PENDING })
        }))
    })
}

fn poll_acquire(sem: ouzel_sem, cx: &ouzel_cx<'_>, n: u32) -> Result<i32> {
    with_sem(sem, |body, key, sem| {
        let here =
            |wait: &Wait| matches!(wait, Wait::Permits { semaphore, .. } if Arc::ptr_eq(semaphore, &sem));
        let mut ticket = None;
        match cx.if_extra(|extra| extra.take_wait(here)) {
            Some(Wait::Permits { n: wanted, ticket: held, .. }) if wanted == n => ticket = Some(held),
            // It wants another number now, and gets in line again.
            Some(other) => other.leave(),
            None => {}
        }
        if sem.poll_acquire(&mut ticket, n as usize, cx.waker) == Poll::Ready(()) {
            return Ok(OUZEL_READY);
        }
        let ticket = ticket.ok_or(Error::NO_MEMORY)?;
        if body.things.semaphores.get(key).is_err() {
            // Freed before it was seen that somebody waits.
            sem.leave(ticket);
            return Err(Error::STALE);
        }
        cx.keep_wait(Wait::Permits { semaphore: sem, n, ticket })?;
        Ok(OUZEL_PENDING)
    })
}

/// Takes permits, or makes this task wait for them. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_sem_poll_acquire(sem: ouzel_sem, cx: *mut ouzel_cx<'_>, n: u32) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        code(poll_acquire(sem, cx, n))
    })
}

/// Gives permits. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_sem_release(sem: ouzel_sem, n: u32) -> i32 {
    guard(|| {
        code(with_sem(
            sem,
            |_, _, sem| {
                if sem.release(n as usize) { Ok(OUZEL_OK) } else { Err(Error::INVALID) }
            },
        ))
    })
}

/// Ends a semaphore. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_sem_free(sem: ouzel_sem) -> i32 {
    guard(|| {
        let freed = unpacked(sem).and_then(|(anchor, key)| {
            let idle = |sem: &Semaphore| if sem.waiting() == 0 { Ok(()) } else { Err(Error::BUSY) };
            with_anchor(anchor, |_, body| body.things.semaphores.remove(key, idle))
        });
        code(freed.map(|_| OUZEL_OK))
    })
}

/// Gives up all that this task waits for. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_leave(cx: *mut ouzel_cx<'_>) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        let waits = cx.if_extra(|extra| Some(extra.take_waits())).unwrap_or_default();
        let left = i32::try_from(waits.len()).unwrap_or(i32::MAX);
        waits.into_iter().for_each(Wait::leave);
        left
    })
}
