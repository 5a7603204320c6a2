//! What a run found.

use hdrhistogram::Histogram;
use std::time::Duration;

/// Counts and latencies of the measured part of a run. Every response in it was right.
#[derive(Debug)]
pub struct Report {
    /// Connections.
    pub connections: usize,
    /// Requests outstanding on each.
    pub depth: usize,
    /// From the first request of the measured part to its last response.
    pub elapsed: Duration,
    /// GETs answered.
    pub gets: u64,
    /// SETs answered.
    pub sets: u64,
    /// Bytes of values received and compared.
    pub value_bytes: u64,
    /// Latencies in nanoseconds.
    pub(super) latency: Histogram<u64>,
}

impl Report {
    pub(super) fn new(connections: usize, depth: usize) -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are constants");
        Report { connections, depth, elapsed: Duration::ZERO, gets: 0, sets: 0, value_bytes: 0, latency }
    }

    /// Requests answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.gets + self.sets
    }

    /// Requests per second.
    #[must_use]
    pub fn requests_per_s(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency in microseconds that `quantile` (0 to 1) of the requests did not exceed.
    #[must_use]
    pub fn latency_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// The report as a JSON object.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "connections": self.connections,
            "depth": self.depth,
            "seconds": self.elapsed.as_secs_f64(),
            "requests": self.requests(),
            "gets": self.gets,
            "sets": self.sets,
            "errors": 0,
            "value_bytes": self.value_bytes,
            "requests_per_s": self.requests_per_s(),
            "p50_us": self.latency_us(0.50),
            "p99_us": self.latency_us(0.99),
            "max_us": self.latency_us(1.0),
        })
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} connections x depth {}: {} requests ({} get, {} set) in {:.2} s = {:.0}/s, \
             p50 {:.1} us, p99 {:.1} us, max {:.1} us, 0 errors, {} value bytes compared",
            self.connections,
            self.depth,
            self.requests(),
            self.gets,
            self.sets,
            self.elapsed.as_secs_f64(),
            self.requests_per_s(),
            self.latency_us(0.50),
            self.latency_us(0.99),
            self.latency_us(1.0),
            self.value_bytes
        )
    }
}
