//! Runtimes of a host that drives and sleeps itself.

use core::cell::Cell;
use core::mem::size_of;

use alloc::boxed::Box;
use alloc::sync::Arc;
use ouzel::anchor::{AnchorId, RUNTIMES};
use ouzel::driver::{Deadline, Driver, Errno, Nanos};
use ouzel::local::{LocalExecutor, LocalSpawner};
use ouzel::park::ParkWord;

use crate::error::{Error, Result, code};
use crate::host::{self, Bell, ouzel_core_host};
use crate::id::{Kind, ouzel_rtid, pack, unpack};

/// Major and minor version of the header.
const ABI_VERSION: u32 = 1;
/// Polls of one turn unless told otherwise.
const POLLS: u32 = 256;

/// The runtime behind the handle; opaque to C.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Debug)]
pub struct ouzel_runtime {
    pub(crate) executor: LocalExecutor<Host>,
    /// For whoever has only an id, on any thread.
    pub(crate) spawner: LocalSpawner,
    pub(crate) anchor: AnchorId,
    pub(crate) running: Cell<bool>,
    pub(crate) closing: Cell<bool>,
}

/// A driver without a clock and without sleep: both are the host's.
#[derive(Debug)]
pub(crate) struct Host;

impl Driver for Host {
    fn now(&mut self) -> Nanos {
        Nanos(0)
    }
    fn park(&mut self, _deadline: Option<Deadline>) -> core::result::Result<(), Errno> {
        Ok(())
    }
    fn poll(&mut self) -> core::result::Result<usize, Errno> {
        Ok(0)
    }
}

/// `struct ouzel_tick`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_tick {
    size: u32,
    polled: u32,
    completed: u32,
    io_events: u32,
    more: u32,
    reserved: u32,
}

/// The runtime behind a host's pointer.
///
/// # Safety
/// It is null, or comes from `ouzel_core_new` and has not been freed.
pub(crate) unsafe fn get<'a>(rt: *const ouzel_runtime) -> Result<&'a ouzel_runtime> {
    // SAFETY: the caller's promise.
    unsafe { rt.as_ref() }.ok_or(Error::NULL)
}

/// Calls `f` with the runtime an anchor names, which is not freed meanwhile. Any thread.
pub(crate) fn with_anchor<R>(anchor: AnchorId, f: impl FnOnce(&LocalSpawner) -> Result<R>) -> Result<R> {
    let pin = RUNTIMES.pin(anchor).ok_or(Error::STALE)?;
    let rt = pin.target().cast::<ouzel_runtime>().cast_const();
    // SAFETY: `ouzel_core_new` opened the anchor with a runtime, which is freed after the anchor is closed.
    let spawner = unsafe { &(*rt).spawner };
    f(spawner)
}

/// The library's version. See `ouzel_core.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_abi_version() -> u32 {
    ABI_VERSION
}

/// Whether header and library fit. See `ouzel_core.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_check_abi(header_version: u32) -> i32 {
    let fits = header_version >> 16 == ABI_VERSION >> 16 && header_version <= ABI_VERSION;
    if fits { 0 } else { Error::VERSION.0 }
}

/// Makes a runtime. See `ouzel_core.h`.
///
/// # Safety
/// `host` is null or points to as many bytes as it says; `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_core_new(host: *const ouzel_core_host, out: *mut *mut ouzel_runtime) -> i32 {
    let make = || {
        if out.is_null() {
            return Err(Error::NULL);
        }
        // SAFETY: the caller's promise.
        let host = unsafe { host::install(host) }?;
        let executor = LocalExecutor::new(Host, Arc::new(ParkWord::new()), Arc::new(Bell(host)));
        let mut rt = host::try_box(ouzel_runtime {
            spawner: executor.spawner(),
            executor,
            anchor: AnchorId(0),
            running: Cell::new(false),
            closing: Cell::new(false),
        })?;
        rt.anchor = RUNTIMES.open((&raw mut *rt).cast()).ok_or(Error::NO_MEMORY)?;
        // SAFETY: not null, and the caller's to be written.
        unsafe { out.write(Box::into_raw(rt)) };
        Ok(0)
    };
    code(make())
}

/// Cancels all tasks and frees. See `ouzel_core.h`.
///
/// # Safety
/// `rt` is null or a runtime that has not been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_runtime_free(rt: *mut ouzel_runtime) -> i32 {
    // SAFETY: the caller's promise.
    let Ok(runtime) = (unsafe { get(rt) }) else { return Error::NULL.0 };
    if runtime.running.get() || runtime.closing.replace(true) {
        return Error::BUSY.0;
    }
    // Tasks may still wake one another by their ids while they are dropped.
    if runtime.executor.shutdown().is_err() {
        return Error::BUSY.0;
    }
    RUNTIMES.close(runtime.anchor);
    // SAFETY: made by `ouzel_core_new`; no id leads to it any more, and the host gave it up.
    drop(unsafe { Box::from_raw(rt) });
    0
}

/// The weak id of a runtime. See `ouzel_core.h`.
///
/// # Safety
/// `rt` is null or a runtime that has not been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_runtime_id(rt: *const ouzel_runtime) -> ouzel_rtid {
    // SAFETY: the caller's promise.
    let Ok(rt) = (unsafe { get(rt) }) else { return ouzel_rtid::default() };
    let (slot, generation) = pack(Kind::Runtime, rt.anchor, 0, 0);
    ouzel_rtid { slot, generation }
}

/// Tasks that have not ended. See `ouzel_core.h`.
///
/// # Safety
/// `rt` is null or a runtime that has not been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_live_tasks(rt: *const ouzel_runtime) -> usize {
    // SAFETY: the caller's promise.
    unsafe { get(rt) }.map_or(0, |rt| rt.executor.live_tasks())
}

/// One turn without waiting. See `ouzel_core.h`.
///
/// # Safety
/// `rt` is null or a runtime that has not been freed; `out` is null or points to as many bytes as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_run_nowait(
    rt: *mut ouzel_runtime,
    max_polls: u32,
    out: *mut ouzel_tick,
) -> i32 {
    let turn = || {
        // SAFETY: the caller's promise.
        let rt = unsafe { get(rt) }?;
        // SAFETY: the caller's promise.
        if unsafe { out.as_ref() }.is_some_and(|tick| tick.size as usize != size_of::<ouzel_tick>()) {
            return Err(Error::SIZE);
        }
        if rt.running.replace(true) {
            return Err(Error::REENTRANT);
        }
        let ran = rt.executor.run_nowait(if max_polls == 0 { POLLS } else { max_polls });
        rt.running.set(false);
        let ran = ran.unwrap_or_default(); // its driver does not fail
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        if !out.is_null() {
            let tick = ouzel_tick {
                size: size_of::<ouzel_tick>() as u32,
                polled: small(ran.polled),
                completed: small(ran.completed),
                io_events: 0,
                more: ran.more.into(),
                reserved: 0,
            };
            // SAFETY: not null, and of that size.
            unsafe { out.write(tick) };
        }
        Ok(0)
    };
    code(turn())
}

/// Directly before the host sleeps. See `ouzel_core.h`.
///
/// # Safety
/// `rt` is null or a runtime that has not been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_before_wait(rt: *mut ouzel_runtime) -> i32 {
    // SAFETY: the caller's promise.
    let Ok(rt) = (unsafe { get(rt) }) else { return Error::NULL.0 };
    if rt.running.get() {
        return Error::REENTRANT.0;
    }
    i32::from(!rt.executor.begin_wait())
}

/// Ends the host's sleep, or its next one. See `ouzel_core.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_notify(rt: ouzel_rtid) -> i32 {
    let notify = || {
        let (anchor, ..) = unpack(Kind::Runtime, rt.slot, rt.generation)?;
        with_anchor(anchor, |spawner| {
            spawner.notify();
            Ok(0)
        })
    };
    code(notify())
}
