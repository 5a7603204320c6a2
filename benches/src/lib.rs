//! Shared parts of the load generator and the benchmarks.
