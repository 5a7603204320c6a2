//! The load generator: one thread, one epoll, many connections, and no unchecked byte.
//!
//! ```text
//! preload (SET every key) -> warm-up -> drain -> Phase::Ready -> (measure -> drain -> Phase::Done), once or more
//! ```
//! A value is a function of its key and version ([`values`]), and each connection owns its keys, so
//! what a GET must return is known when it is sent, however deep the pipeline. Every response is
//! compared from its first byte to its last; the first difference ends the run with an error.
//!
//! What it gives up: one thread, so it saturates at a few hundred thousand requests per second; a
//! closed loop, so a server that stalls is also asked less (latency is of the requests that were sent).

pub mod bare;
mod connection;
mod error;
mod expect;
mod options;
mod report;
mod resp;
mod run;
pub mod values;

#[cfg(test)]
mod fake_server;
#[cfg(test)]
mod tests;

pub use error::LoadError;
pub use expect::Protocol;
pub use options::{Choice, Options, USAGE};
pub use report::Report;
pub use run::{Phase, run};
