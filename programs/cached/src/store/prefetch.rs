//! Asking for memory before it is needed.

/// Asks for the memory at `at`, without waiting for it.
#[inline]
pub(super) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: it changes nothing, and no address is wrong.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    // Elsewhere the memory is waited for when it is needed.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
