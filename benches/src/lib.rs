//! Shared parts of the load generator and the benchmarks.
//!
//! | module | what it is |
//! |---|---|
//! | [`cell`] | `ouzel-cell`: one [`case`] on one [`engine`], in a process of its own |
//! | [`measure`] | how much a case does, and what a run found |
//! | [`work`] | what the tasks of a case share |
//! | [`load`] | `ouzel-load`: drives a memcached-protocol server and checks every byte it answers |

pub mod case;
pub mod cell;
pub mod engine;
pub mod load;
pub mod measure;
pub mod work;
