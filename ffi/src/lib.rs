//! The C ABI of ouzel: what `include/ouzel.h` declares.
//!
//! | module | what it is |
//! |---|---|
//! | [`error`], [`guard`] | codes and their texts; the panic boundary, log and panic hooks |
//! | [`options`], [`id`] | what the host hands over: structs with a size, its own pointers; weak ids |
//! | `guarded`, `lent`, `record`, `bell`, [`cqe`], [`buffers`] | parts of a runtime: releases, join records, provided buffers |
//! | `ticking`, `hearing`, [`stat`], [`op`], `table` | one operation of any kind, and all of them |
//! | [`place`] | what a handle or an id leads to: a runtime, made of those parts |
//! | [`runtime`], [`run`] | runtimes made, shut down, freed; `ouzel_run` and the host's own loop |
//! | [`task`], [`spawn`], `extra` | C poll functions as tasks; how they begin; what a task has beside its function |
//! | [`join`], [`waker`] | results; weak wakers, in signal handlers too |
//! | `things` | what a runtime has beside tasks and operations: groups, semaphores, channels, queues at addresses |
//! | [`group`], [`local`], [`sem`], [`chan`], [`addr`] | the functions for those, and for task-local values |
//! | `deliver`, [`take`], [`wait`] | completions: calling the host, taking them, waiting for them |
//! | [`submit`], [`sockets`], [`files`], [`batch`], [`timer`], [`signal`], [`blocking`] | beginning operations |
//! | [`stats`], [`dump`] | counters; the list of tasks |
//! | [`alloc`], `memory`, `spare` | the host's allocator; memory that may be refused, for what is made by those who do not reckon with that |
//! | [`fork`], `lock`, [`version`] | the forked child, and locks that it may find held; which ABI this is |
//! | [`abi`] | every constant and layout of the header, for the test that compares them |
//!
//! Every exported function runs behind [`guard`]; what it does inside returns `Result` with one of the
//! header's codes. The header is the contract: what a function promises stands there, not here.
//!
//! This crate exports symbols; a Rust program uses the `ouzel` crate.

pub mod abi;
pub mod addr;
pub mod alloc;
pub mod batch;
mod bell;
pub mod blocking;
pub mod buffers;
pub mod chan;
pub mod cqe;
mod deliver;
pub mod dump;
pub mod error;
mod extra;
pub mod files;
pub mod fork;
pub mod group;
pub mod guard;
mod guarded;
mod hearing;
pub mod id;
pub mod join;
mod lent;
pub mod local;
mod lock;
mod memory;
pub mod op;
pub mod options;
pub mod place;
mod polling;
mod record;
pub mod run;
pub mod runtime;
pub mod sem;
pub mod signal;
pub mod sockets;
mod spare;
pub mod spawn;
pub mod stat;
pub mod stats;
pub mod submit;
mod table;
pub mod take;
pub mod task;
mod things;
mod ticking;
pub mod timer;
pub mod version;
pub mod wait;
pub mod waker;

// What crosses threads may.
static_assertions::assert_impl_all!(record::Join: Send, Sync);
static_assertions::assert_impl_all!(lent::Released: Send, Sync);
static_assertions::assert_impl_all!(lent::Lent: Send);
static_assertions::assert_impl_all!(op::Entry: Send);
