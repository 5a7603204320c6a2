//! What the host hands over: structs that start with a size, pointers of its own, timeouts.
//!
//! ```text
//! host's struct, smaller:   [size ........]            what is missing counts as zero
//! host's struct, larger:    [size ........|tail]       accepted if the tail is zero, else OUZEL_ESIZE
//! ```

use core::ffi::c_void;
use core::mem::{MaybeUninit, offset_of, size_of};
use core::ptr;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// `OUZEL_DRIVER_AUTO`.
pub const OUZEL_DRIVER_AUTO: u32 = 0;
/// `OUZEL_DRIVER_URING`.
pub const OUZEL_DRIVER_URING: u32 = 1;
/// `OUZEL_DRIVER_EPOLL`.
pub const OUZEL_DRIVER_EPOLL: u32 = 2;
/// `OUZEL_DRIVER_POLL`.
pub const OUZEL_DRIVER_POLL: u32 = 3;

/// `OUZEL_FOREVER`.
pub const OUZEL_FOREVER: u64 = u64::MAX;

/// `struct ouzel_options`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ouzel_options {
    /// Bytes of this struct as its owner knows it.
    pub size: u32,
    /// None yet.
    pub flags: u32,
    /// 0: host-driven.
    pub workers: u32,
    /// `OUZEL_DRIVER_*`.
    pub driver: u32,
    /// Entries of each ring, 0 = default.
    pub ring_entries: u32,
    /// Threads of the blocking pool, 0 = default.
    pub max_blocking: u32,
    /// Nanoseconds until an idle one ends, 0 = default.
    pub blocking_idle_ns: u64,
    /// Provided buffers, 0 = default.
    pub buf_count: u32,
    /// Bytes of each, 0 = default.
    pub buf_size: u32,
}

/// `struct ouzel_tick`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ouzel_tick {
    /// Bytes of this struct.
    pub size: u32,
    /// Tasks polled.
    pub polled: u32,
    /// Tasks ended.
    pub completed: u32,
    /// Completions taken.
    pub io_events: u32,
    /// Whether ready tasks are left.
    pub more: u32,
    /// Zero.
    pub reserved: u32,
}

/// A host's pointer on its way to another thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ud(pub(crate) *mut c_void);

// SAFETY: `ouzel.h` says on which threads a callback may run with its `ud`; the host agreed to that.
unsafe impl Send for Ud {}
// SAFETY: as above; ouzel never looks behind the pointer.
unsafe impl Sync for Ud {}

/// The point in time, none for `OUZEL_FOREVER`.
pub(crate) fn deadline(timeout_ns: u64) -> Option<Instant> {
    if timeout_ns == OUZEL_FOREVER {
        return None;
    }
    Instant::now().checked_add(Duration::from_nanos(timeout_ns))
}

/// A host function that gets the host's pointer.
pub type UdFn = extern "C" fn(ud: *mut c_void);

/// A struct of the header that starts with its size and may be all zero.
///
/// # Safety
/// `repr(C)`, starts with a `u32` size, and zero bytes are a valid value.
pub(crate) unsafe trait Sized32: Copy {
    /// Least size that is accepted: that of the first version.
    const LEAST: usize;
}

// SAFETY: `repr(C)`, `size` first, integers only.
unsafe impl Sized32 for ouzel_options {
    const LEAST: usize = size_of::<Self>();
}
// SAFETY: `repr(C)`, `size` first, integers only.
unsafe impl Sized32 for ouzel_tick {
    const LEAST: usize = size_of::<Self>();
}

/// Reads a struct of the host, zero-extended; all zero if `from` is null.
///
/// # Errors
/// `OUZEL_ESIZE`.
///
/// # Safety
/// `from` is null, or points to as many readable bytes as its first four say.
#[inline]
pub(crate) unsafe fn read<T: Sized32>(from: *const T) -> Result<T> {
    if from.is_null() {
        // SAFETY: zero is a valid value of a `Sized32`.
        return Ok(unsafe { MaybeUninit::<T>::zeroed().assume_init() });
    }
    // SAFETY: the size comes first and is readable; the host may not have aligned the struct for us.
    let size = unsafe { from.cast::<u32>().read_unaligned() } as usize;
    if size == size_of::<T>() {
        // SAFETY: the host says that all of it is there.
        return Ok(unsafe { from.read_unaligned() });
    }
    // SAFETY: the caller's promise.
    unsafe { read_other(from, size) }
}

/// The same of a struct as another version knows it, which is `size` bytes long.
///
/// # Safety
/// `from` points to so many readable bytes.
#[cold]
unsafe fn read_other<T: Sized32>(from: *const T, size: usize) -> Result<T> {
    // SAFETY: zero is a valid value of a `Sized32`.
    let mut value = unsafe { MaybeUninit::<T>::zeroed().assume_init() };
    if size < T::LEAST {
        return Err(Error::SIZE);
    }
    for at in size_of::<T>()..size {
        // SAFETY: `at` is below the size, and so many bytes are readable.
        if unsafe { from.cast::<u8>().wrapping_add(at).read() } != 0 {
            return Err(Error::SIZE);
        }
    }
    let known = size.min(size_of::<T>());
    // SAFETY: `known` bytes are readable there and fit here, and the two do not overlap.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut value).cast::<u8>(), known) };
    Ok(value)
}

/// Writes defaults into the first `size` bytes of the host's options. See `ouzel.h`.
///
/// # Safety
/// `opts` is null or points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_options_init(opts: *mut ouzel_options, size: usize) {
    crate::guard::guard(|| {
        let Ok(size32) = u32::try_from(size) else { return };
        if opts.is_null() || size < size_of::<u32>() {
            return;
        }
        // SAFETY: the caller lets us write `size` bytes.
        unsafe { ptr::write_bytes(opts.cast::<u8>(), 0, size) };
        // SAFETY: at least four bytes are writable.
        unsafe { opts.cast::<u32>().write_unaligned(size32) };
    });
}

const _: () = {
    assert!(size_of::<ouzel_options>() == 40);
    assert!(offset_of!(ouzel_options, blocking_idle_ns) == 24);
    assert!(size_of::<ouzel_tick>() == 24);
};
