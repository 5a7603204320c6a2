//! The epoll driver: try the call first, wait only after `EAGAIN`.
//!
//! ```text
//!  submit ── try ── done ──────────────────────────────► Submitted::Done
//!             │
//!           EAGAIN ── register once (EPOLLET) ── queue of the fd and direction ─► InFlight
//!                                                        ▲            │
//!  wait ── epoll_pwait2 ── event: "may be ready" ── try ─┘            └─► sink(key, completion)
//! ```
//!
//! Per descriptor the driver remembers, for each direction, whether a try makes sense. An event sets
//! it; `EAGAIN` clears it, and so does a short read from a registered stream of TCP, which has taken all
//! there was: what arrives later makes an edge. (One from a Unix stream may have ended behind a descriptor
//! that came along.) Once the peer has hung up, or there is urgent data, every
//! try makes sense for ever, because the end of a stream may lie behind a short read. So a
//! request-response server at depth one makes three calls per request: wait, receive, send. With many busy
//! connections it naps before the wait (`gather`), so that one wait serves many.
//!
//! Invariants:
//! - an operation waits in a queue only while its descriptor is registered for its direction, after a
//!   try that failed since the last event was handled: no edge is lost;
//! - operations of one descriptor and direction complete in the order of their submission;
//! - `EPOLLOUT` is asked for at the first full buffer, not before: most connections never have one.
//!
//! Fairness: a descriptor gets a bounded number of completions per turn, the rest in the next; while
//! some are left over, `wait` does not block. Of a multishot receive it is four buffers: a task that sees the first bytes
//! of something long may receive the rest where it belongs. (Values of 1 MiB stored in `ouzel-cached` take 0.83 of the CPU
//! that they take with sixteen, medians of ten paired rounds.) Of what one look at the kernel has found, sixteen descriptors at a
//! time have their turn, then their tasks: what a socket needs in user and kernel memory is still in the caches
//! when the answer is sent, and clients are woken earlier. The next look is after the last of them. CPU per message of
//! the C echo server, seven rounds: 0.95 of libuv's with 64 connections of depth 1, 0.99 when all had their turn before
//! the tasks had theirs; fewer than 8 or more than 24 at a time gain less, one at a time costs 1.08.
//!
//! Blocking-mode descriptors work: sockets by `MSG_DONTWAIT`, pipes and files by `RWF_NOWAIT`. `accept`
//! and `connect` know no such flag, so they set `O_NONBLOCK` on their socket, for good. What epoll
//! refuses (`EPERM`: regular files) and what cannot be tried without blocking is `Submitted::Blocking`.
//! A write to a pipe without a reader raises `SIGPIPE`, as it does everywhere.
//!
//! A task that moves to another worker leaves its registration behind. Events nobody here waits for
//! are counted per descriptor, and at the second in a row it is unregistered.
//!
//! One multishot receive or one send at a time per stream is the caller's duty, as with io_uring.

mod attempt;
mod burst;
mod copies;
mod driver;
mod lazy;
mod serve;
mod start;
mod table;
mod timer;

pub use driver::EpollDriver;
