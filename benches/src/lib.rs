//! Shared parts of the load generator and the benchmarks.
//!
//! | module | what it is |
//! |---|---|
//! | [`load`] | `ouzel-load`: drives a memcached-protocol server and checks every byte it answers |

pub mod load;
