//! Child processes: begun, talked to through pipes, awaited.
//!
//! Made by `std`'s [`Command`](std::process::Command); what is asynchronous here is the pipes and the wait. The wait is for a
//! descriptor of the process (a pidfd) that the thread's driver watches. Where the system has none it is for `SIGCHLD`, and each
//! such signal makes all that wait look: not a thread of the blocking pool, which would stand still until the child ends, also
//! after the wait was dropped, and would keep the runtime from its end.
//!
//! A [`Child`] that is dropped goes on, unless [`Command::kill_on_drop`] was asked for. In both cases somebody takes note of its
//! end, so it does not stay in the system's table as a zombie: the thread that hears signals, see [`signal`](crate::signal).

mod child;
mod command;
mod exit;
mod orphans;
mod pipe;

pub use child::Child;
pub use command::Command;
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
pub use std::process::{ExitStatus, Output, Stdio};
