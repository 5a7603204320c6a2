//! The C ABI of ouzel: what `include/ouzel.h` declares.
//!
//! | module | what it is |
//! |---|---|
//! | [`error`] | codes, their names and texts |
//! | [`guard`] | the panic boundary, log and panic hooks |
//! | [`options`] | structs that start with their size |
//! | [`runtime`] | places, bodies, anchors: what a handle or id leads to |
//! | [`run`] | `ouzel_run` and the host's own loop |
//! | [`task`], [`waker`] | C poll functions as tasks; joins; weak wakers |
//! | [`op`] | the table of operations in flight |
//! | [`submit`], [`take`], [`deliver`] | beginning operations, taking their completions, calling the host |
//! | [`stats`], [`fork`] | counters; the forked child |
//! | [`abi`] | every constant and layout of the header, for the test that compares them |
//!
//! Every exported function runs behind [`guard`]; what it does inside returns `Result` with one of the
//! header's codes. The header is the contract: what a function promises stands there, not here.
//!
//! This crate exports symbols; a Rust program uses the `ouzel` crate.

pub mod abi;
pub(crate) mod deliver;
pub mod error;
pub mod fork;
pub mod guard;
pub mod op;
pub mod options;
pub mod run;
pub mod runtime;
pub mod stats;
pub mod submit;
pub mod take;
pub mod task;
pub mod version;
pub mod waker;
