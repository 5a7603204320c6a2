//! `ouzel-steps`: counts the instructions of one operation, and the atomic read-modify-writes among them, by
//! stepping the thread that does it from branch to branch.
//!
//! ```text
//!   parent                                     child: the same program with --child
//!   ──────                                     ─────
//!   starts the child                           makes the engine, warms up
//!   seizes the thread it names          <───   mark: prints its thread's id, waits for a byte
//!   sends the byte, steps to `begin`    ───>   begin(); n operations; end()
//!   counts from `begin` to `end`
//! ```
//!
//! Start-up and warm-up run at full speed. Counts are exact and repeat, but for what an engine does by chance or by
//! the clock. A stepped thread is ten thousand times slower, and engines that adapt to the time a poll takes
//! would do other things than they do: so a stepped thread reads a clock of its own (`clock`), which goes on by
//! a quarter of a nanosecond with each instruction.
//!
//! | module | what it is |
//! |---|---|
//! | [`decode`] | what an instruction is |
//! | [`scenario`] | what is counted, and the marks |
//! | [`count`] | what a run found |
//! | `child`, `trace`, `clock` | the parent's side: the child, ptrace, and the clock of the stepped thread |
//! | `block` | what lies between two branches, and where a branch goes |
//! | `places` | where in the source an instruction is |

pub mod count;
#[cfg(target_arch = "x86_64")]
pub mod decode;
pub mod scenario;

#[cfg(all(feature = "steps", target_arch = "x86_64"))]
mod block;
#[cfg(all(feature = "steps", target_arch = "x86_64"))]
mod child;
#[cfg(all(feature = "steps", target_arch = "x86_64"))]
mod clock;
#[cfg(all(feature = "steps", target_arch = "x86_64"))]
pub mod places;
#[cfg(all(feature = "steps", target_arch = "x86_64"))]
pub mod trace;
