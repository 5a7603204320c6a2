//! A forked child has its parent's memory and none of its threads, rings or right to use them.
//!
//! Every function that reaches a runtime asks first whether this process made it (one load of a page the
//! kernel wipes on fork) and answers `OUZEL_EFORKED`. What is left to do in a child is to give a
//! runtime up without running anything of it: no destructor, since destructors submit, wake and join. And to make
//! one of its own, which has nothing to do with the parent's.

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::guard;
use crate::place::{forget_body, ouzel_runtime};

fn give_up(rt: *mut ouzel_runtime) -> Result<i32> {
    if rt.is_null() {
        return Err(Error::NULL);
    }
    // SAFETY: the host's pointers come from `ouzel_runtime_new`, whose places are never freed.
    forget_body(unsafe { &*rt }).map(|()| OUZEL_OK)
}

/// Gives up a parent's runtime. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_after_fork_child(rt: *mut ouzel_runtime) -> i32 {
    guard(|| code(give_up(rt)))
}
