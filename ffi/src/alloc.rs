//! Where the library's memory comes from: the system, or functions of the host's. And how often it is asked for.
//!
//! | from    | event                  | to      |
//! |---------|------------------------|---------|
//! | NONE    | the first allocation   | SYSTEM  |
//! | NONE    | `ouzel_set_allocator`  | SETTING |
//! | SETTING | the functions are there | HOST   |
//!
//! So memory is always given back to where it came from: once there is any, the choice is made. Each allocation costs one
//! load more than without the choice.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::alloc::System;

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::guard;
use crate::memory;
use crate::options::{self, Sized32};
use crate::spare;

/// `alloc` of an `ouzel_allocator`.
pub type AllocFn = extern "C" fn(ctx: *mut c_void, size: usize, align: usize) -> *mut c_void;
/// `realloc` of an `ouzel_allocator`.
pub type ReallocFn = extern "C" fn(
    ctx: *mut c_void,
    ptr: *mut c_void,
    old_size: usize,
    new_size: usize,
    align: usize,
) -> *mut c_void;
/// `free` of an `ouzel_allocator`.
pub type FreeFn = extern "C" fn(ctx: *mut c_void, ptr: *mut c_void, size: usize, align: usize);

/// `struct ouzel_allocator`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_allocator {
    /// Bytes of this struct.
    pub size: u32,
    /// Zero.
    pub flags: u32,
    /// Gives memory, or null.
    pub alloc: Option<AllocFn>,
    /// Makes memory larger or smaller; where it is may change.
    pub realloc: Option<ReallocFn>,
    /// Takes memory back.
    pub free: Option<FreeFn>,
    /// Passed to each.
    pub ctx: *mut c_void,
}

// SAFETY: `repr(C)`, `size` first; integers, optional functions and a pointer.
unsafe impl Sized32 for ouzel_allocator {
    const LEAST: usize = size_of::<Self>();
}

/// The host's functions, all there.
#[derive(Clone, Copy)]
struct Host {
    alloc: AllocFn,
    realloc: ReallocFn,
    free: FreeFn,
    ctx: *mut c_void,
}

const NONE: u32 = 0;
const SETTING: u32 = 1;
const SYSTEM: u32 = 2;
const HOST: u32 = 3;

/// Counts every allocation of the library, then lets the system or the host do it.
struct Counting {
    state: AtomicU32,
    host: UnsafeCell<Option<Host>>,
}

// SAFETY: `host` is written by the one that made the state SETTING, and read when it is HOST. The functions may be called on
// any thread: `ouzel.h` says so.
unsafe impl Sync for Counting {}

static ALLOCS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting { state: AtomicU32::new(NONE), host: UnsafeCell::new(None) };

/// Heap allocations so far.
pub(crate) fn count() -> u64 {
    // ORDERING: Relaxed, a counter.
    ALLOCS.load(Ordering::Relaxed)
}

impl Counting {
    /// The host's functions if memory comes from there.
    #[inline]
    fn host(&self) -> Option<Host> {
        // ORDERING: Acquire pairs with the Release in `set`: the functions.
        match self.state.load(Ordering::Acquire) {
            SYSTEM => None,
            // SAFETY: written before the state was HOST, and never again.
            HOST => unsafe { *self.host.get() },
            _ => self.choose(),
        }
    }

    /// The first allocation: from here on it is the system, unless the host is just being set.
    #[cold]
    fn choose(&self) -> Option<Host> {
        loop {
            // ORDERING: Acquire as in `host`; of two firsts either makes it SYSTEM, which publishes nothing.
            match self.state.compare_exchange(NONE, SYSTEM, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) | Err(SYSTEM) => return None,
                // SAFETY: as in `host`.
                Err(HOST) => return unsafe { *self.host.get() },
                Err(_) => core::hint::spin_loop(),
            }
        }
    }

    fn set(&self, host: Host) -> Result<()> {
        // ORDERING: Relaxed: it decides who sets; nothing has been written yet.
        if self.state.compare_exchange(NONE, SETTING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(Error::BUSY);
        }
        // SAFETY: the exchange made this thread the one that writes, and nobody reads before the store below.
        unsafe { *self.host.get() = Some(host) };
        // ORDERING: Release pairs with the Acquire in `host`.
        self.state.store(HOST, Ordering::Release);
        Ok(())
    }
}

fn counted() {
    // ORDERING: Relaxed, a counter.
    ALLOCS.fetch_add(1, Ordering::Relaxed);
}

/// What was given; where nothing was, what is held ready for whoever cannot be refused.
#[inline]
fn or_spare(given: *mut u8, layout: Layout) -> *mut u8 {
    if given.is_null() { spare::take(layout) } else { given }
}

// SAFETY: what it gives is `System`'s or the host's, which promises as much in `ouzel.h`, or a part of such a block that nothing
// else has; it takes back from the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(block) = memory::set_aside(layout) {
            return block.as_ptr();
        }
        counted();
        let given = match self.host() {
            // SAFETY: the caller's promises are `System`'s.
            None => unsafe { System.alloc(layout) },
            Some(host) => (host.alloc)(host.ctx, layout.size(), layout.align()).cast(),
        };
        or_spare(given, layout)
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if spare::may_be_taken() && spare::give_back(ptr) {
            return;
        }
        match self.host() {
            // SAFETY: as above.
            None => unsafe { System.dealloc(ptr, layout) },
            Some(host) => (host.free)(host.ctx, ptr.cast(), layout.size(), layout.align()),
        }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counted();
        let given = match self.host() {
            None => {
                // SAFETY: as above.
                let zeroed = unsafe { System.alloc_zeroed(layout) };
                if !zeroed.is_null() {
                    return zeroed;
                }
                zeroed
            }
            Some(host) => (host.alloc)(host.ctx, layout.size(), layout.align()).cast(),
        };
        let ptr = or_spare(given, layout);
        if !ptr.is_null() {
            // SAFETY: so much was asked for.
            unsafe { ptr::write_bytes(ptr, 0, layout.size()) };
        }
        ptr
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_spare = spare::may_be_taken() && spare::is_taken(ptr);
        if !is_spare {
            counted();
            let given = match self.host() {
                // SAFETY: as above.
                None => unsafe { System.realloc(ptr, layout, size) },
                Some(host) => {
                    (host.realloc)(host.ctx, ptr.cast(), layout.size(), size, layout.align()).cast()
                }
            };
            if !given.is_null() {
                return given;
            }
        }
        // SAFETY: the caller's promise about `size`.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: of a size, as the caller promised.
        let moved = if is_spare { unsafe { self.alloc(wanted) } } else { spare::take(wanted) };
        if !moved.is_null() {
            // SAFETY: both have so much, and one is new.
            unsafe { ptr::copy_nonoverlapping(ptr, moved, layout.size().min(size)) };
            // SAFETY: the caller's promise about `ptr`, which is not looked at any more.
            unsafe { self.dealloc(ptr, layout) };
        }
        moved
    }
}

/// # Safety
/// `allocator` is null or points to as many bytes as it says.
unsafe fn set(allocator: *const ouzel_allocator) -> Result<i32> {
    if allocator.is_null() {
        return Err(Error::NULL);
    }
    // SAFETY: the caller's promise.
    let ouzel_allocator { flags, alloc, realloc, free, ctx, .. } = unsafe { options::read(allocator) }?;
    if flags != 0 {
        return Err(Error::INVALID);
    }
    let (Some(alloc), Some(realloc), Some(free)) = (alloc, realloc, free) else { return Err(Error::NULL) };
    ALLOCATOR.set(Host { alloc, realloc, free, ctx }).map(|()| OUZEL_OK)
}

/// Lets the host give the memory. See `ouzel.h`.
///
/// # Safety
/// `allocator` is null or points to as many bytes as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_set_allocator(allocator: *const ouzel_allocator) -> i32 {
    // SAFETY: the same promise.
    guard(|| code(unsafe { set(allocator) }))
}
