//! The bounds of a blocking pool.

use std::time::Duration;

use crate::platform;

/// How large the blocking pool may become, and when.
///
/// ```
/// use std::time::Duration;
/// use ouzel::BlockingConfig;
///
/// let config = BlockingConfig { max_threads: 64, keep_alive: Duration::from_secs(1), ..BlockingConfig::default() };
/// assert!(config.core_threads >= 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockingConfig {
    /// Threads that are started on demand, without waiting for a stall, and kept once started. Default:
    /// the number of processors, as [`Runtime::builder`](crate::Runtime::builder) counts them. At least one.
    pub core_threads: usize,
    /// Threads at the most. Default: 512. At least `core_threads`.
    pub max_threads: usize,
    /// One thread is added whenever no job has started or finished for this long although some wait.
    /// Default: 10 ms. At least 1 ms.
    pub stall: Duration,
    /// A thread beyond `core_threads` without work for this long ends. Default: 10 s.
    pub keep_alive: Duration,
}

impl Default for BlockingConfig {
    fn default() -> Self {
        Self::with_core_threads(platform::processors())
    }
}

impl BlockingConfig {
    /// The default but for [`BlockingConfig::core_threads`]. Does not count processors, which reads files.
    #[must_use]
    pub const fn with_core_threads(core_threads: usize) -> Self {
        let (stall, keep_alive) = (Duration::from_millis(10), Duration::from_secs(10));
        BlockingConfig { core_threads, max_threads: 512, stall, keep_alive }
    }

    /// The default, as changed by the environment: `OUZEL_BLOCKING_THREADS` (core threads),
    /// `OUZEL_BLOCKING_MAX`, `OUZEL_BLOCKING_STALL_MS` and `OUZEL_BLOCKING_KEEP_ALIVE_MS`. What is not a number is ignored.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| var(name).and_then(|text| text.trim().parse::<u64>().ok());
        let threads = |name| number(name).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut config = Self::default();
        if let Some(n) = threads("OUZEL_BLOCKING_THREADS") {
            config.core_threads = n;
        }
        if let Some(n) = threads("OUZEL_BLOCKING_MAX") {
            config.max_threads = n;
            // A cap that is asked for holds for the threads nobody asked for, too.
            if threads("OUZEL_BLOCKING_THREADS").is_none() {
                config.core_threads = config.core_threads.min(n);
            }
        }
        if let Some(ms) = number("OUZEL_BLOCKING_STALL_MS") {
            config.stall = Duration::from_millis(ms);
        }
        if let Some(ms) = number("OUZEL_BLOCKING_KEEP_ALIVE_MS") {
            config.keep_alive = Duration::from_millis(ms);
        }
        config.within_bounds()
    }

    /// With each value brought to where the others and the fields' documentation want it.
    pub(super) fn within_bounds(mut self) -> Self {
        self.core_threads = self.core_threads.max(1);
        self.max_threads = self.max_threads.max(self.core_threads);
        self.stall = self.stall.max(Duration::from_millis(1));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_changes_the_default_within_bounds() {
        let from = |vars: &'static [(&str, &str)]| {
            BlockingConfig::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).into()))
        };
        assert_eq!(from(&[]), BlockingConfig::default());
        let set = from(&[
            ("OUZEL_BLOCKING_THREADS", "3"),
            ("OUZEL_BLOCKING_MAX", " 7 "),
            ("OUZEL_BLOCKING_STALL_MS", "5"),
            ("OUZEL_BLOCKING_KEEP_ALIVE_MS", "20"),
        ]);
        assert_eq!((set.core_threads, set.max_threads), (3, 7));
        assert_eq!((set.stall, set.keep_alive), (Duration::from_millis(5), Duration::from_millis(20)));
        assert_eq!(from(&[("OUZEL_BLOCKING_MAX", "many")]), BlockingConfig::default());
        let none = from(&[("OUZEL_BLOCKING_MAX", "0")]);
        assert_eq!((none.core_threads, none.max_threads), (1, 1));
        let more = from(&[("OUZEL_BLOCKING_THREADS", "1000")]);
        assert_eq!((more.core_threads, more.max_threads), (1000, 1000));
    }
}
