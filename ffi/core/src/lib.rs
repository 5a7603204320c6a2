//! ouzel's tasks and wakers for C hosts that bring their own driver: what `include/ouzel_core.h` declares.
//!
//! | module | what it is |
//! |---|---|
//! | `host` | memory, the end of a sleep, and the end of the program: functions of the host's |
//! | [`runtime`] | runtimes made, driven and freed |
//! | [`task`] | C poll functions as tasks, weak ids, wakers |
//! | [`error`], [`id`] | codes; the sixteen bytes of an id, as in `ouzel-ffi` |
//!
//! The executor is core's [`LocalExecutor`](ouzel::local::LocalExecutor) over a driver that does nothing: the host
//! sleeps. Without thread-locals it takes every wake for another thread's, which costs two atomic steps and is always
//! right. The archive needs `memcpy` and its relatives and nothing else; it cannot be linked beside `libouzel.a`, whose
//! functions have the same names where they mean the same.
#![no_std]

extern crate alloc;

pub mod error;
mod host;
#[path = "../../src/id.rs"]
#[expect(dead_code, reason = "the whole C ABI has more kinds of ids")]
pub mod id;
pub mod runtime;
pub mod task;

/// A broken invariant: the host is told, and has to end the program.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    host::fatal()
}

/// The compiled `core` names it, for unwinding, which there is none of.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
