//! The load generator: one thread, one epoll, many connections, and no unchecked byte.
//!
//! ```text
//! preload (SET every key) -> warm-up -> drain -> Phase::Ready -> measure -> drain -> Phase::Done
//! ```
//! A value is a function of its key and version ([`values`]), and each connection owns its keys, so
//! what a GET must return is known when it is sent, however deep the pipeline. Every response is
//! compared from its first byte to its last; the first difference ends the run with an error.
//!
//! What it gives up: one thread, so it saturates at a few hundred thousand requests per second; a
//! closed loop, so a server that stalls is also asked less (latency is of the requests that were sent).

mod connection;
mod expect;
mod options;
mod report;
mod run;
pub mod values;

#[cfg(test)]
mod fake_server;
#[cfg(test)]
mod tests;

pub use options::{Options, USAGE};
pub use report::Report;
pub use run::{Phase, run};

/// Why a run ended early.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The server could not be reached, or a socket call failed.
    Io(std::io::Error),
    /// The server closed a connection that had requests outstanding.
    Closed,
    /// A response differs from what it has to be.
    Wrong(String),
    /// No response at all for the time given, with requests outstanding.
    Stalled(std::time::Duration),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Io(e) => write!(f, "i/o error: {e}"),
            LoadError::Closed => f.write_str("the server closed a connection with requests outstanding"),
            LoadError::Wrong(what) => write!(f, "wrong response: {what}"),
            LoadError::Stalled(d) => write!(f, "no response for {} s", d.as_secs()),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<std::io::Error> for LoadError {
    fn from(e: std::io::Error) -> Self {
        LoadError::Io(e)
    }
}

impl From<rustix::io::Errno> for LoadError {
    fn from(e: rustix::io::Errno) -> Self {
        LoadError::Io(e.into())
    }
}
