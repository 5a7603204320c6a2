//! The clock that deadlines are given on.

use ouzel_core::driver::Nanos;

/// The present time of the monotonic clock, the one deadlines are given on.
#[must_use]
pub fn now() -> Nanos {
    crate::platform::now()
}
