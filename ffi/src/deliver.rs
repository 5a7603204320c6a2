//! Calling the host: `done` for each completion, and the releases of operations that nobody holds.
//!
//! Two kinds of task of ours do it. They run where tasks do: on a loop thread, with nothing of ouzel borrowed
//! or locked.

use core::future::Future;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::error::{Error, Result};
use crate::guard::{callback, guard};
use crate::op::Looked;
use crate::place::{Body, Engine, Inside, ouzel_runtime};
use crate::table::Place;

/// The task that calls releases.
struct Releasing(&'static ouzel_runtime);

impl Future for Releasing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Ok(body) = self.0.body() {
            // First the waker, then the list: what comes in between wakes us.
            body.released.wait(cx.waker());
            self.0.run_releases(body);
        }
        Poll::Pending
    }
}

/// Starts the task that calls releases.
pub(crate) fn start_releasing(place: &'static ouzel_runtime, body: &Body) -> Result<()> {
    let id = match &body.engine {
        Engine::Local { runtime, .. } => runtime.spawn(Releasing(place)).id(),
        Engine::Shared { handle, .. } => handle.spawn(Releasing(place)).id(),
    };
    // Once in a runtime's life.
    let _ = body.ours.set(id.ok_or(Error::NO_MEMORY)?);
    Ok(())
}

fn spawn_ours(body: &Body, future: impl Future<Output = ()> + Send + 'static) {
    match &body.engine {
        Engine::Local { runtime, .. } => runtime.spawn(future).detach(),
        Engine::Shared { handle, .. } => handle.spawn(future).detach(),
    }
}

/// Delivers an operation's completions to a callback of the host.
pub(crate) struct Deliver {
    place: &'static ouzel_runtime,
    at: Place,
}

/// Callbacks in a row, then others have their turn.
const DELIVERIES: usize = 64;

/// Starts the task that calls `done`.
pub(crate) fn start_delivering(place: &'static ouzel_runtime, body: &Body, at: Place) {
    body.work_begun();
    spawn_ours(body, Deliver { place, at });
}

impl Future for Deliver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(body) = self.place.body() else { return Poll::Ready(()) };
        for _ in 0..DELIVERIES {
            let mut cqe = MaybeUninit::uninit();
            let looked = body.ops.look_for_callback(self.at, cx.waker(), &mut cqe);
            let Some((looked, done, ud)) = looked else { return Poll::Ready(()) };
            if matches!(looked, Looked::Pending) {
                return Poll::Pending;
            }
            // SAFETY: it was written.
            let cqe = unsafe { cqe.assume_init_mut() };
            body.buffers.hand_out(cqe);
            let _inside = Inside::new(self.place);
            callback(|| done(ud.0, &raw const *cqe));
            if let Looked::Last(after) = looked {
                guard(|| self.place.finish(body, after));
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Deliver {
    fn drop(&mut self) {
        if let Ok(body) = self.place.body() {
            // Cancelled by a shutdown: nobody will call `done`.
            let _ = body.ops.abandon(self.at, &body.buffers);
            body.work_ended();
        }
    }
}
