//! A clock and a driver moved by hand: tests that depend on time run at once and the same each time.
//!
//! ```
//! use core::time::Duration;
//! use ouzel_core::driver::{Deadline, Driver, Unpark};
//! use ouzel_os_fallback::manual::{Clock, ManualDriver, OnPark};
//!
//! let clock = Clock::new();
//! let mut driver = ManualDriver::new(&clock, OnPark::Jump);
//! let start = driver.now();
//!
//! // Nobody unparks: the park takes no real time, and the clock stands at the deadline after it.
//! driver.park(Some(Deadline(start + Duration::from_secs(3600)))).unwrap();
//! assert_eq!(driver.now().since(start), Duration::from_secs(3600));
//!
//! // An unpark that came first ends the park at once.
//! driver.unparker().unpark();
//! driver.park(None).unwrap();
//! assert_eq!(driver.now().since(start), Duration::from_secs(3600));
//! ```

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use ouzel_core::driver::{Deadline, Driver, Errno, Nanos, Unpark};

#[derive(Debug, Default)]
struct Shared {
    now: Nanos,
    /// Moves with everything a parked thread may wait for; ends real waits of `OnPark::Block`.
    changes: u64,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<Shared>,
    changed: Condvar,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Consistent after every statement, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change<R>(&self, f: impl FnOnce(&mut Shared) -> R) -> R {
        let mut state = self.lock();
        let result = f(&mut state);
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
        result
    }
}

/// A clock that stands still until told otherwise. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Inner>);

impl Clock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.0.lock().now
    }

    /// Moves it forward and returns the new time; parks whose deadline has come return.
    pub fn advance(&self, by: Duration) -> Nanos {
        self.0.change(|s| {
            s.now = s.now + by;
            s.now
        })
    }

    fn advance_to(&self, to: Nanos) {
        self.0.change(|s| s.now = s.now.max(to));
    }
}

/// What a [`ManualDriver`]'s park does when nothing ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPark {
    /// Returns at once; the test moves the clock between turns.
    Return,
    /// Moves the clock to the deadline and returns; without a deadline just returns.
    Jump,
    /// Blocks the thread until another one unparks it or moves the clock to the deadline.
    Block,
}

/// A driver without an operating system, on a [`Clock`].
#[derive(Debug)]
pub struct ManualDriver {
    clock: Clock,
    on_park: OnPark,
    token: Arc<Token>,
    parks: Vec<Option<Deadline>>,
}

/// Unparks that no park has taken yet. Lives beside the clock's state, under its lock.
#[derive(Debug)]
struct Token {
    clock: Clock,
    pending: Mutex<usize>,
}

impl Token {
    fn pending(&self) -> MutexGuard<'_, usize> {
        self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Unpark for Token {
    fn unpark(&self) {
        self.clock.0.change(|_| *self.pending() += 1);
    }
}

impl ManualDriver {
    /// A driver that reads `clock`.
    #[must_use]
    pub fn new(clock: &Clock, on_park: OnPark) -> Self {
        let token = Arc::new(Token { clock: clock.clone(), pending: Mutex::new(0) });
        ManualDriver { clock: clock.clone(), on_park, token, parks: Vec::new() }
    }

    /// Ends a park from any thread.
    #[must_use]
    pub fn unparker(&self) -> Arc<dyn Unpark> {
        self.token.clone()
    }

    /// Unparks that came since the last park returned.
    #[must_use]
    pub fn pending_unparks(&self) -> usize {
        *self.token.pending()
    }

    /// The deadline of each park so far, in order.
    #[must_use]
    pub fn parks(&self) -> &[Option<Deadline>] {
        &self.parks
    }

    fn is_over(&self, now: Nanos, deadline: Option<Deadline>) -> bool {
        *self.token.pending() > 0 || deadline.is_some_and(|d| d.0 <= now)
    }
}

impl Driver for ManualDriver {
    fn now(&mut self) -> Nanos {
        self.clock.now()
    }

    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        self.parks.push(deadline);
        let mut state = self.clock.0.lock();
        if !self.is_over(state.now, deadline) {
            match (self.on_park, deadline) {
                (OnPark::Return, _) | (OnPark::Jump, None) => {}
                (OnPark::Jump, Some(d)) => {
                    drop(state);
                    self.clock.advance_to(d.0);
                    state = self.clock.0.lock();
                }
                (OnPark::Block, _) => {
                    while !self.is_over(state.now, deadline) {
                        let waited = self.clock.0.changed.wait(state);
                        state = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
                    }
                }
            }
        }
        *self.token.pending() = 0;
        drop(state);
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Errno> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Option<Deadline> {
        Some(Deadline(Nanos::default() + Duration::from_millis(ms)))
    }

    #[test]
    fn the_clock_moves_only_by_hand() {
        let clock = Clock::new();
        let mut driver = ManualDriver::new(&clock, OnPark::Return);
        driver.park(at(5)).unwrap();
        assert_eq!(driver.now(), Nanos(0));
        assert_eq!(clock.advance(Duration::from_millis(5)), Nanos(5_000_000));
        assert_eq!(driver.now(), Nanos(5_000_000));
        assert_eq!(driver.parks(), [at(5)]);
    }

    #[test]
    fn a_jump_goes_to_the_deadline_but_never_back_and_not_past_an_unpark() {
        let clock = Clock::new();
        let mut driver = ManualDriver::new(&clock, OnPark::Jump);
        driver.park(at(7)).unwrap();
        assert_eq!(driver.now(), Nanos(7_000_000));
        driver.park(at(3)).unwrap();
        assert_eq!(driver.now(), Nanos(7_000_000));
        driver.unparker().unpark();
        driver.unparker().unpark();
        assert_eq!(driver.pending_unparks(), 2);
        driver.park(at(100)).unwrap();
        assert_eq!((driver.now(), driver.pending_unparks()), (Nanos(7_000_000), 0));
    }

    #[test]
    fn a_blocked_park_ends_by_the_clock_and_by_an_unpark() {
        let clock = Clock::new();
        let mut driver = ManualDriver::new(&clock, OnPark::Block);
        let wake = driver.unparker();
        let parked = std::thread::spawn(move || {
            driver.park(at(10)).unwrap();
            let woken_at = driver.now();
            driver.park(None).unwrap();
            woken_at
        });
        clock.advance(Duration::from_millis(4));
        clock.advance(Duration::from_millis(6));
        while !parked.is_finished() {
            // Until the second park is reached the unpark may belong to the first.
            wake.unpark();
            std::thread::yield_now();
        }
        parked.join().unwrap();
    }
}
