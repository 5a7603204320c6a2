//! Which driver to use, and how it is configured.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a runtime waits for the operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Driver {
    /// io_uring if the kernel offers it, else epoll, else the portable driver.
    #[default]
    Auto,
    /// io_uring: completions, one ring per thread.
    Uring,
    /// epoll: readiness, edge-triggered.
    Epoll,
    /// The `polling` crate: readiness, on every system.
    Poll,
}

impl Driver {
    /// The name used in `OUZEL_DRIVER`, in logs and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Driver::Auto => "auto",
            Driver::Uring => "uring",
            Driver::Epoll => "epoll",
            Driver::Poll => "poll",
        }
    }
}

/// Why a runtime has the driver it has.
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    /// What the driver came to be. In words when somebody asks, which is rare.
    pub(crate) description: Box<dyn fmt::Display + Send + Sync>,
    /// Those that could not be made, and why.
    pub(crate) passed_over: String,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.description, self.passed_over)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Driver {
    type Err = UnknownDriver;

    fn from_str(s: &str) -> Result<Self, UnknownDriver> {
        [Driver::Auto, Driver::Uring, Driver::Epoll, Driver::Poll]
            .into_iter()
            .find(|d| d.name() == s)
            .ok_or_else(|| UnknownDriver(s.into()))
    }
}

/// A driver's name that is none of `auto`, `uring`, `epoll`, `poll`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDriver(String);

impl fmt::Display for UnknownDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown driver '{}': it is one of auto, uring, epoll, poll", self.0)
    }
}

impl std::error::Error for UnknownDriver {}

/// What each thread's driver is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DriverOptions {
    pub(crate) driver: Driver,
    /// Submission ring entries, for drivers that have a ring.
    pub(crate) entries: u32,
    /// Provided buffers per thread, a power of two, made when first needed.
    pub(crate) buffers: u32,
    /// Bytes of each.
    pub(crate) buffer_size: u32,
    /// How long a wait may be put off to serve several timers.
    pub(crate) timer_slack: Duration,
    /// Limits of operations are the ring's, where it can.
    pub(crate) linked_timeouts: bool,
}

/// 100,000 timers within half a second cost 7.2 us of CPU each without a slack (two workers; 4.5 on one thread), 3.4 (2.2)
/// with 50 us, 3.0 (1.85) with 100 and 2.1 (1.3) with 250. The median of the lateness stays below 100 us with 100.
const TIMER_SLACK: Duration = Duration::from_micros(100);

impl Default for DriverOptions {
    fn default() -> Self {
        DriverOptions {
            driver: Driver::Auto,
            entries: 256,
            buffers: 256,
            buffer_size: 16 * 1024,
            timer_slack: TIMER_SLACK,
            linked_timeouts: false,
        }
    }
}
