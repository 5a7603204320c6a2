//! Portable adapter of ouzel: readiness by the `polling` crate, and a hand-driven clock for tests.
//!
//! | module | what it is |
//! |---|---|
//! | [`driver`] | sockets and pipes by readiness; what cannot be waited for goes to the blocking pool |
//! | [`mod@file`] | file requests run by a thread that may block |
//! | [`clock`] | the clock all deadlines are on |
//! | [`manual`] | a clock and a driver moved by hand, for deterministic tests |
//! | `signal` | signals as bytes of a pipe (Unix) |
//! | `buffers` | the buffers a multishot receive delivers its bytes in |
//! | `sys` | the calls: Unix, and an empty hand elsewhere |
//!
//! Nothing here names one operating system's own interface: what differs between systems is behind
//! `polling` (epoll, kqueue, event ports, IOCP, poll) and rustix. On systems that are not Unix the
//! driver sleeps, wakes and keeps time; its I/O answers `ENOSYS`.

mod buffers;
pub mod clock;
pub mod driver;
pub mod file;
pub mod manual;
#[cfg(unix)]
pub mod signal;
mod sys;

pub use driver::{DriverConfig, PollDriver};
pub use file::{execute, file_stat};
pub use ouzel_core::driver::Counters;
