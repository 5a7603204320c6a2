//! The clock all deadlines are on: the system's monotonic one, the same for all threads of a process.

use ouzel_core::driver::Nanos;

/// Nanoseconds since an origin that stays the same for the life of the process.
///
/// On Unix the origin is the system's own, so that a value can be compared with other adapters'.
#[cfg(unix)]
#[inline]
#[must_use]
pub fn now() -> Nanos {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Nanos((t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64))
}

/// Nanoseconds since the first call in this process.
#[cfg(not(unix))]
#[must_use]
pub fn now() -> Nanos {
    use std::sync::OnceLock;
    use std::time::Instant;

    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    Nanos::default() + ORIGIN.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_does_not_go_back() {
        let a = super::now();
        assert!(super::now() >= a);
    }
}
