//! The C ABI of ouzel: what `include/ouzel.h` declares.
//!
//! | module | what it is |
//! |---|---|
//! | [`error`] | codes, their names and texts |
//! | [`guard`] | the panic boundary, log and panic hooks |
//! | [`options`] | structs that start with their size |
//! | [`place`] | what a handle or an id leads to |
//! | [`runtime`] | runtimes: made, shut down, freed |
//! | [`run`] | `ouzel_run` and the host's own loop |
//! | [`task`], [`waker`] | C poll functions as tasks; weak wakers |
//! | [`join`] | results, and who waits for them |
//! | [`op`] | the table of operations in flight |
//! | [`submit`], [`blocking`], [`take`], [`deliver`] | beginning operations, taking completions, calling the host |
//! | [`stats`], [`fork`] | counters; the forked child |
//! | [`abi`] | every constant and layout of the header, for the test that compares them |
//!
//! Every exported function runs behind [`guard`]; what it does inside returns `Result` with one of the
//! header's codes. The header is the contract: what a function promises stands there, not here.
//!
//! This crate exports symbols; a Rust program uses the `ouzel` crate.

pub mod abi;
pub mod blocking;
pub(crate) mod deliver;
pub mod error;
pub mod fork;
pub mod guard;
pub mod join;
pub mod op;
pub mod options;
pub mod place;
pub mod run;
pub mod runtime;
pub mod stats;
pub mod submit;
pub mod take;
pub mod task;
pub mod version;
pub mod waker;
