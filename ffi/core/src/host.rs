//! What the host supplies: memory, the end of a sleep, the end of the program.
//!
//! Memory and the end are the process's, since a Rust program has one allocator: the first runtime's are taken, and later
//! runtimes must bring the same. The end of a sleep is each runtime's own.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use alloc::boxed::Box;
use ouzel::driver::Unpark;

use crate::error::{Error, Result};

/// `struct ouzel_core_host`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_core_host {
    size: u32,
    flags: u32,
    ud: *mut c_void,
    alloc: Option<extern "C" fn(*mut c_void, usize, usize) -> *mut c_void>,
    free: Option<extern "C" fn(*mut c_void, *mut c_void, usize, usize)>,
    unpark: Option<extern "C" fn(*mut c_void)>,
    fatal: Option<extern "C" fn(*mut c_void)>,
}

// SAFETY: the header says that its functions are called on any thread with its `ud`.
unsafe impl Send for ouzel_core_host {}
// SAFETY: as above.
unsafe impl Sync for ouzel_core_host {}

/// The host whose memory and end are used, for good; null before the first runtime.
static HOST: AtomicPtr<ouzel_core_host> = AtomicPtr::new(null_mut());

fn host() -> Option<&'static ouzel_core_host> {
    // ORDERING: Acquire pairs with the Release in `install`: the struct is written.
    let host = HOST.load(Ordering::Acquire);
    // SAFETY: null, or what `install` wrote and nobody frees.
    unsafe { host.as_ref() }
}

/// Checks what a host gives, and takes its memory and end if they are the first.
///
/// # Safety
/// `given` is null or points to as many bytes as its `size` says.
pub(crate) unsafe fn install(given: *const ouzel_core_host) -> Result<ouzel_core_host> {
    if given.is_null() {
        return Err(Error::NULL);
    }
    // SAFETY: at least its size, which comes first, is there.
    if unsafe { given.cast::<u32>().read() } as usize != size_of::<ouzel_core_host>() {
        return Err(Error::SIZE);
    }
    // SAFETY: as long as it says.
    let given = unsafe { given.read() };
    let (Some(alloc), Some(_), Some(_), Some(_)) = (given.alloc, given.free, given.unpark, given.fatal)
    else {
        return Err(Error::NULL);
    };
    if given.flags != 0 {
        return Err(Error::INVALID);
    }
    if host().is_none() {
        let place = alloc(given.ud, size_of::<ouzel_core_host>(), align_of::<ouzel_core_host>());
        let place = place.cast::<ouzel_core_host>();
        if place.is_null() {
            return Err(Error::NO_MEMORY);
        }
        // SAFETY: room for one, from the host's allocator.
        unsafe { place.write(given) };
        // ORDERING: Release pairs with the Acquire in `host`; on failure another thread was first.
        let put = HOST.compare_exchange(null_mut(), place, Ordering::Release, Ordering::Relaxed);
        if put.is_err()
            && let Some(free) = given.free
        {
            free(given.ud, place.cast(), size_of::<ouzel_core_host>(), align_of::<ouzel_core_host>());
        }
    }
    let same = host().is_some_and(|first| {
        let functions = |h: &ouzel_core_host| {
            (h.alloc.map(|f| f as usize), h.free.map(|f| f as usize), h.fatal.map(|f| f as usize))
        };
        functions(first) == functions(&given)
    });
    if same { Ok(given) } else { Err(Error::BUSY) }
}

/// Ends the program.
pub(crate) fn fatal() -> ! {
    if let Some(ouzel_core_host { fatal: Some(fatal), ud, .. }) = host() {
        fatal(*ud);
    }
    // It returned, which it must not: nothing of ouzel may go on.
    loop {
        core::hint::spin_loop();
    }
}

/// The host's memory.
struct Memory;

#[global_allocator]
static MEMORY: Memory = Memory;

// SAFETY: the header asks of `alloc` and `free` what the trait asks of these; without a host there is no memory.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match host() {
            Some(ouzel_core_host { alloc: Some(alloc), ud, .. }) => {
                alloc(*ud, layout.size(), layout.align()).cast()
            }
            _ => null_mut(),
        }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if let Some(ouzel_core_host { free: Some(free), ud, .. }) = host() {
            free(*ud, place.cast(), layout.size(), layout.align());
        }
    }
}

/// Ends a runtime's sleep by the host's function.
pub(crate) struct Bell(pub(crate) ouzel_core_host);

impl Unpark for Bell {
    fn unpark(&self) {
        if let Some(unpark) = self.0.unpark {
            unpark(self.0.ud);
        }
    }
}

/// As `Box::new`, but answers where memory has run out.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>> {
    let layout = Layout::new::<T>();
    // SAFETY: what is boxed here has a size.
    let place = unsafe { alloc::alloc::alloc(layout) }.cast::<T>();
    if place.is_null() {
        return Err(Error::NO_MEMORY);
    }
    // SAFETY: fresh memory of its layout.
    unsafe { place.write(value) };
    // SAFETY: written, and from the global allocator.
    Ok(unsafe { Box::from_raw(place) })
}
