//! The system calls behind the driver: Unix by rustix; elsewhere nothing but a polite refusal.

#[cfg(unix)]
mod calls;
mod common;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod message;
#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

pub(crate) use common::{Attempt, Direction, Style, file_stat, first_segment, waits_for};
#[cfg(not(unix))]
pub(crate) use other::*;
#[cfg(unix)]
pub(crate) use {file::execute, unix::*};
