//! The clock all deadlines are on: `CLOCK_MONOTONIC`, read without entering the kernel.
//!
//! By libc, whose loader has found the vDSO already: rustix looks for it again at its first reading, and touches a page of code and
//! one of data for that. A timer takes one instruction more than with rustix, of 2,831.

use std::mem::MaybeUninit;

use ouzel_core::driver::Nanos;

/// Nanoseconds since the machine started, not counting suspend.
#[inline]
#[must_use]
pub fn now() -> Nanos {
    let mut t = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `t` is room for what is written.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, t.as_mut_ptr()) };
    debug_assert_eq!(result, 0, "every Linux has this clock");
    // SAFETY: the call, which cannot fail for this clock, has written it.
    let t = unsafe { t.assume_init() };
    Nanos(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_does_not_go_back() {
        let a = super::now();
        assert!(super::now() >= a);
    }
}
