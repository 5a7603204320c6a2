//! What one run of a case is told and what it finds.

use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::{Duration, Instant};

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Operations that are measured, exactly.
    pub ops: u64,
    /// Operations before that.
    pub warmup: u64,
    /// Worker threads, where an engine has them.
    pub workers: usize,
    /// For cases with an outside load.
    pub loader: Option<Loader>,
}

/// The program that is the outside load.
#[derive(Clone, Copy, Debug)]
pub struct Loader {
    /// `ouzel-echo`.
    pub program: &'static Path,
    /// The CPU it stays on.
    pub cpu: Option<usize>,
    /// Takes what a turn found and says whether there is to be another one, over the same connections.
    pub told: Told,
}

/// See [`Loader::told`].
pub type Told = fn(&Plan, &Outcome) -> bool;

/// What a run found.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Operations that the measured tasks themselves counted as done.
    pub done: u64,
    /// Time from the first to the last operation.
    pub wall: Duration,
    /// CPU time of the whole process in it.
    pub cpu: Duration,
    /// The case's figure in its unit; without one it is the wall time for an operation, in nanoseconds.
    pub figure: Option<f64>,
}

impl Outcome {
    /// The case's figure.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.figure.unwrap_or_else(|| self.wall.as_nanos() as f64 / self.done.max(1) as f64)
    }

    /// CPU nanoseconds for an operation.
    #[must_use]
    pub fn cpu_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.done.max(1) as f64
    }

    /// With `figure` in place of the wall time.
    #[must_use]
    pub fn with_figure(self, figure: f64) -> Self {
        Outcome { figure: Some(figure), ..self }
    }
}

/// The measured part of a run, from its beginning on.
#[derive(Debug)]
pub struct Span {
    wall: Instant,
    cpu: Duration,
}

impl Span {
    /// Begins to measure.
    #[must_use]
    pub fn begin() -> Self {
        let cpu = cpu_time();
        Span { wall: Instant::now(), cpu }
    }

    /// Ends it, with what the tasks say they have done.
    #[must_use]
    pub fn end(self, done: u64) -> Outcome {
        let wall = self.wall.elapsed();
        Outcome { done, wall, cpu: cpu_time().saturating_sub(self.cpu), figure: None }
    }
}

/// CPU time this process has used so far, on all threads.
#[must_use]
pub fn cpu_time() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_its_own_takes_the_place_of_time() {
        let o = Outcome {
            done: 4,
            wall: Duration::from_nanos(100),
            cpu: Duration::from_nanos(200),
            figure: None,
        };
        assert_eq!((o.value(), o.cpu_ns()), (25.0, 50.0));
        assert_eq!(o.with_figure(3.0).value(), 3.0);
    }
}
