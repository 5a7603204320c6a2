//! Operations: what a driver is asked to do, and the slot between a future and a driver.

mod request;

pub use request::{AT_POSITION, Completion, Fd, OpKey, Request, Submitted};
