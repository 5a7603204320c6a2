//! Signals of the operating system, to be awaited.
//!
//! One handler for the whole process sets a flag and writes to a pipe; one thread, begun with the first signal that is
//! asked for, reads it and wakes who waits. So any number of runtimes of any kind may listen, and a signal reaches a runtime
//! whose threads all sleep. A thread rather than an operation of a driver: the pipe has one reader whatever runtimes come
//! and go, and signals are rare.
//!
//! Listening to a signal ends the system's default action at it (the end of the process, as a rule), for good: dropping the last
//! listener does not bring it back. A handler that somebody had installed before is called as well. In a child
//! that was forked and runs no other program, caught signals are not told.

mod registry;
pub mod unix;

use std::io;

pub(crate) use registry::call_at;

/// Waits for Ctrl-C (`SIGINT`).
///
/// From its first poll on the process does not end at Ctrl-C any more, also when this has been awaited or dropped.
///
/// # Errors
/// The system's, if there can be no handler, no pipe or no thread.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     ouzel::signal::ctrl_c().await?;
///     println!("goodbye");
///     Ok(())
/// })
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    unix::signal(unix::SignalKind::interrupt())?.recv().await;
    Ok(())
}
