//! Groups of tasks.

use std::sync::Arc;

use ouzel::anchor::AnchorId;

use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::id::{Kind, ouzel_group, pack, unpack};
use crate::place::{Body, get, ouzel_runtime, with_anchor};
use crate::task::ouzel_cx;
use crate::things::groups::Group;
use crate::things::table::Key;

fn unpacked(group: ouzel_group) -> Result<(AnchorId, Key)> {
    let (anchor, index, generation) = unpack(Kind::Group, group.slot, group.generation)?;
    Ok((anchor, (index, generation)))
}

fn with_group<R>(group: ouzel_group, f: impl FnOnce(&Body, Arc<Group>) -> Result<R>) -> Result<R> {
    let (anchor, key) = unpacked(group)?;
    with_anchor(anchor, |_, body| f(body, body.things.groups.get(key)?))
}

/// Makes a group. See `ouzel.h`.
///
/// # Safety
/// `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_group_new(rt: *mut ouzel_runtime, out: *mut ouzel_group) -> i32 {
    guard(|| {
        if out.is_null() {
            return Error::NULL.0;
        }
        code(get(rt).and_then(|body| {
            body.check_open()?;
            let key = body.things.groups.insert(Group::default())?;
            let (slot, generation) = pack(Kind::Group, body.anchor, key.0, key.1);
            // SAFETY: the caller's promise.
            unsafe { out.write(ouzel_group { slot, generation }) };
            Ok(OUZEL_OK)
        }))
    })
}

/// Cancels its tasks. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_group_cancel(group: ouzel_group) -> i32 {
    guard(|| {
        code(with_group(group, |body, group| {
            let cancelled = group.cancel().filter(|id| body.cancel(*id)).count();
            Ok(i32::try_from(cancelled).unwrap_or(i32::MAX))
        }))
    })
}

/// Waits until none of its tasks is left. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_group_poll_empty(group: ouzel_group, cx: *mut ouzel_cx<'_>) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        code(with_group(group, |_, group| {
            let own = |(own, _): &(Arc<Group>, Key)| Arc::ptr_eq(own, &group);
            if cx.if_extra(|extra| Some(extra.group.as_ref().is_some_and(own))) == Some(true) {
                return Err(Error::DEADLOCK);
            }
            Ok(if group.poll_empty(cx.waker)? { OUZEL_READY } else { OUZEL_PENDING })
        }))
    })
}

/// Ends a group. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_group_free(group: ouzel_group) -> i32 {
    guard(|| {
        let freed = unpacked(group).and_then(|(anchor, key)| {
            let idle = |group: &Group| if group.is_empty() { Ok(()) } else { Err(Error::BUSY) };
            with_anchor(anchor, |_, body| body.things.groups.remove(key, idle))
        });
        code(freed.map(|_| OUZEL_OK))
    })
}
