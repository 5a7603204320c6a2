//! The clock all deadlines are on: `CLOCK_MONOTONIC`, read without entering the kernel.

use ouzel_core::driver::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine started, not counting suspend.
#[inline]
#[must_use]
pub fn now() -> Nanos {
    let t = clock_gettime(ClockId::Monotonic);
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
