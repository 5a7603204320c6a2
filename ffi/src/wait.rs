//! Waiting for an operation on a thread that may block.

use core::mem::MaybeUninit;
use core::task::Waker;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::cqe::ouzel_cqe;
use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::hearing::notifier;
use crate::id::{Kind, ouzel_op, unpack};
use crate::op::Looked;
use crate::options::deadline;
use crate::place::{Engine, OnLoop, with_anchor};
use crate::run::Running;
use crate::take::{deliver, take};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What is left until `deadline`; an error if that is nothing.
fn left(deadline: Option<Instant>) -> Result<Option<Duration>> {
    let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) { Err(Error::TIMED_OUT) } else { Ok(left) }
}

fn wait(op: ouzel_op, timeout_ns: u64, out: &mut MaybeUninit<ouzel_cqe>) -> Result<i32> {
    let (anchor, index, generation) = unpack(Kind::Op, op.slot, op.generation)?;
    let (place, deadline) = ((index, generation), deadline(timeout_ns));
    let local = with_anchor(anchor, |_, body| Ok(matches!(body.engine, Engine::Local { .. })))?;
    if local {
        return drive(&OnLoop::named(anchor)?, op, deadline, out);
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        // Not pinned while it waits: the runtime's end ends the operation, and wakes us.
        let ready = with_anchor(anchor, |at, body| {
            if body.is_inside() {
                return Err(Error::DEADLOCK);
            }
            let looked = body.ops.look_waiting(op, place, &waker, out)?;
            let ready = !matches!(looked, Looked::Pending);
            deliver(at, body, place, looked, out);
            Ok(ready)
        })?;
        if ready {
            return Ok(OUZEL_OK);
        }
        match left(deadline) {
            Ok(None) => thread::park(),
            Ok(Some(left)) => thread::park_timeout(left),
            Err(why) => {
                // It may be gone with its runtime by now.
                let _ = with_anchor(anchor, |_, body| {
                    body.ops.end_wait(place, &waker);
                    Ok(())
                });
                return Err(why);
            }
        }
    }
}

/// The host drives the loop meanwhile.
fn drive(
    at: &OnLoop,
    op: ouzel_op,
    deadline: Option<Instant>,
    out: &mut MaybeUninit<ouzel_cqe>,
) -> Result<i32> {
    let Engine::Local { runtime, handle } = &at.body.engine else { return Err(Error::UNSUPPORTED) };
    let waker = notifier(handle);
    loop {
        drop(Running::begin(at.place, at.body)?);
        match take(op, Some(&waker), out.as_mut_ptr()) {
            OUZEL_PENDING => {}
            OUZEL_READY => return Ok(OUZEL_OK),
            why => return Err(Error(why)),
        }
        let left = left(deadline)?;
        let _running = Running::begin(at.place, at.body)?;
        runtime.run_once(left)?;
    }
}

/// Blocks until an operation has completed. See `ouzel.h`.
///
/// # Safety
/// `cqe` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_op_wait(op: ouzel_op, timeout_ns: u64, cqe: *mut ouzel_cqe) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(out) = (unsafe { cqe.cast::<MaybeUninit<ouzel_cqe>>().as_mut() }) else {
            return Error::NULL.0;
        };
        code(wait(op, timeout_ns, out))
    })
}
