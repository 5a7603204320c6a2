//! Linux adapter of ouzel: the io_uring and epoll drivers, futex parking, the clock, fork detection.
//!
//! | module | what it is |
//! |---|---|
//! | [`uring`] | completions: one ring per thread |
//! | [`epoll`] | readiness: one epoll per thread, each descriptor registered once, edge-triggered |
//! | [`config`] | how a driver is made, and which kernel features it may not use |
//! | [`description`] | what a driver came to be, in words |
//! | [`fds`] | generations of descriptor numbers, shared by the epoll drivers of a runtime |
//! | `buffers` | the buffers a multishot receive delivers its bytes in |
//! | [`mod@file`] | file requests run by a thread that may block |
//! | [`mod@pages`] | memory for tasks |
//! | [`mod@processors`] | how many this process may use |
//! | [`process`] | descriptors of child processes |
//! | [`clock`], [`futex`], [`fork`] | the small things |
//!
//! Both drivers have the same inherent methods; the facade chooses between them. They hold no
//! lock-free protocol of their own: who sleeps and who wakes is [`ouzel_core::park`], who owns a
//! buffer is `ouzel_core::op`.
//!
//! It compiles on Linux alone. The facade's manifest asks for it there and nowhere else.

mod buffers;
pub mod clock;
pub mod config;
pub mod description;
pub mod epoll;
mod eventfd;
pub mod fds;
pub mod file;
pub mod fork;
pub mod futex;
mod gather;
mod keys;
pub mod membarrier;
pub mod pages;
pub mod process;
pub mod processors;
mod rests;
mod sys;
pub mod uring;

pub use config::{DriverConfig, Mask};
pub use description::Description;
pub use epoll::EpollDriver;
pub use fds::FdTable;
pub use file::{begin_to_wait, execute, file_stat, open_cached, read_cached, stat_cached, stat_open_cached};
pub use membarrier::heavy_barrier;
pub use ouzel_core::driver::Counters;
pub use pages::pages;
pub use processors::processors;
pub use uring::UringDriver;
