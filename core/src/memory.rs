//! Memory that may be refused.

use alloc::alloc::alloc;
use alloc::boxed::Box;
use core::alloc::Layout;
use core::ptr::NonNull;

/// `Box::new`; none, and the value is dropped, where there is no memory for it.
///
/// ```
/// assert_eq!(ouzel_core::memory::boxed(7).as_deref(), Some(&7));
/// ```
#[must_use]
pub fn boxed<T>(value: T) -> Option<Box<T>> {
    const { assert!(size_of::<T>() > 0, "that needs no memory") };
    // SAFETY: of a size, as was asserted.
    let place = NonNull::new(unsafe { alloc(Layout::new::<T>()) })?.cast::<T>();
    // SAFETY: made for a `T`, and nobody else's.
    unsafe { place.write(value) };
    // SAFETY: from the allocator, of this layout; it holds a value.
    Some(unsafe { Box::from_raw(place.as_ptr()) })
}
