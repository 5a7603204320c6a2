//! The C ABI of ouzel: what `include/ouzel.h` declares.
//!
//! | module | what it is |
//! |---|---|
//! | [`error`], [`guard`] | codes and their texts; the panic boundary, log and panic hooks |
//! | [`options`], [`id`] | what the host hands over: structs with a size, its own pointers; weak ids |
//! | `lent`, `record`, `bell`, `ticking`, [`op`], `table`, [`buffers`] | the parts of a runtime: releases, join records, operations, buffers |
//! | [`place`] | what a handle or an id leads to: a runtime, made of those parts |
//! | [`runtime`], [`run`] | runtimes made, shut down, freed; `ouzel_run` and the host's own loop |
//! | [`task`], [`join`], [`waker`] | C poll functions as tasks; their results; weak wakers |
//! | `deliver`, [`submit`], [`timer`], [`blocking`], [`take`] | calling the host; beginning operations, taking completions |
//! | [`stats`], [`fork`], [`version`] | counters; the forked child; which ABI this is |
//! | [`abi`] | every constant and layout of the header, for the test that compares them |
//!
//! Every exported function runs behind [`guard`]; what it does inside returns `Result` with one of the
//! header's codes. The header is the contract: what a function promises stands there, not here.
//!
//! This crate exports symbols; a Rust program uses the `ouzel` crate.

pub mod abi;
mod bell;
pub mod blocking;
pub mod buffers;
mod deliver;
pub mod error;
pub mod fork;
pub mod guard;
pub mod id;
pub mod join;
mod lent;
pub mod op;
pub mod options;
pub mod place;
mod record;
pub mod run;
pub mod runtime;
pub mod stats;
pub mod submit;
mod table;
pub mod take;
pub mod task;
mod ticking;
pub mod timer;
pub mod version;
pub mod waker;

// What crosses threads may.
static_assertions::assert_impl_all!(record::Join: Send, Sync);
static_assertions::assert_impl_all!(lent::Released: Send, Sync);
static_assertions::assert_impl_all!(lent::Lent: Send);
