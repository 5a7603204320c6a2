//! The memcached text protocol: bytes in, replies out, no I/O.
//!
//! ```text
//!   Line ──get──▶ (Keys while the output is full) ──▶ Line
//!   Line ──set──▶ Body ──all bytes──▶ Tail ──two bytes──▶ Line
//!   Line ──refused set──▶ Swallow ──▶ Line
//! ```
//!
//! Input is looked at where it lies: only a line whose end has not arrived is copied, and a value's bytes go from the
//! receive buffer into the item. In step, whatever comes: a refused value is swallowed with the line end behind it.
//! Texts and their order are memcached's (`tests/differential.rs` compares them with one, where there is one).
//!
//! Output is bounded: before each request and each key the output is compared with [`OUT_LIMIT`], and at the limit
//! [`Session::feed`] returns, to be called again when the replies are sent.

mod bulk;
mod commands;
mod cx;
mod feed;
mod get;
mod meta;
mod meta_flags;
mod output;
mod plain;
mod run;
mod session;
mod update;
mod value;
mod words;

pub use bulk::Bulk;
pub use commands::VERSION;
pub use cx::{Alone, Cx, GET_LIMIT, Host, KEY_LIMIT, LINE_LIMIT, OUT_LIMIT};
pub use output::{Output, PIN_FROM, Pinned};
pub use session::{End, Session};

#[cfg(test)]
mod tests;
