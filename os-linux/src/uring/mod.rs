//! The io_uring driver: one ring per thread, one system call per loop turn.
//!
//! ```text
//!  submit ── SQE ──┐                              ┌── CQE: slot address ──► sink(key, completion)
//!  cancel ── SQE ──┤   io_uring_enter(submit all, ├── CQE: our own (unpark, timer, failed cancel)
//!  wait ── arm ────┘        wait for one)         └── no CQE: a lazy send that sent everything
//! ```
//!
//! **User data** is the operation's key: a slot's address with generation bits around it. Numbers whose
//! bits 12 to 47 are zero are no addresses, and are the driver's own.
//!
//! **Unpark** is a `FUTEX_WAIT` on the park word, armed when a wait finds it unarmed, and left armed
//! over wake-ups by I/O: the word's value is compared only when it is armed. It costs one SQE per real
//! unpark. Without futexes in the ring: a read of an eventfd, armed the same way.
//!
//! **Lazy sends** (`Request::Send { lazy: true }`) go out as `MSG_DONTWAIT | MSG_WAITALL` with
//! `CQE_SKIP_SUCCESS`. Such a send runs wholly inside the `io_uring_enter` that submits it: after that
//! call, no CQE means that all was sent, and the driver makes the completion up. A CQE means that the
//! socket's buffer was full or that it failed; the rest goes out as an ordinary send. So a reply takes
//! one SQE and no CQE, and does not end the wait it was submitted with. Its completion is reported when
//! that wait ends; whoever needs it at once says so (`lazy_waited`).
//!
//! **Copies** ([`try_send`](UringDriver::try_send)) go out the same way, without an operation.
//!
//! **Multishot receive** takes its buffers from a ring registered at the first use, one group per
//! driver, of which the kernel has as many at a time as are likely to be filled. Out of buffers it is armed again; if
//! none is left at all it ends with `-ENOBUFS`, and the layer above arms it again. Where the kernel has
//! no such thing each arming gives one completion: a poll, then a plain receive into a free buffer, so
//! that idle connections hold none.
//!
//! **Limits** of operations are linked timeouts ([`limit`]), of which only the expired ones give news.
//!
//! **Threads**: the ring is made for one issuer. `new`, or `bind`, and everything else is called on one thread.
//!
//! **Memory**: the kernel owns what operations in flight point at. `shutdown` cancels all and waits;
//! dropping the driver before that aborts a debug build, and leaks the ring in a release build.
//!
//! The caller keeps to one send at a time per stream: two in flight may interleave when the first is short.

mod buffers;
mod complete;
mod copies;
mod driver;
mod files;
mod inline;
mod limit;
mod notify;
mod op;
mod opcodes;
mod probe;
mod receive;
mod splice;
mod submit;
mod try_send;
mod wake;
mod zero_copy;

pub use driver::UringDriver;
