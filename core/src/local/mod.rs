//! The single-thread executor (work in progress: the reference protocol first).

mod refs;
mod remote;

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
