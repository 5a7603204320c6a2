//! Calling the host: `done` for each completion, and the releases of operations that nobody holds.
//!
//! Two kinds of task of ours do it. They run where tasks do: on a loop thread, with nothing of ouzel borrowed
//! or locked.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::guard::guard;
use crate::place::{Body, Engine, Inside, ouzel_runtime};

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
pub(crate) fn start_releasing(place: &'static ouzel_runtime, body: &Body) {
    spawn_ours(body, Releasing(place));
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
    id: (u32, u32),
}

/// Callbacks in a row, then others have their turn.
const DELIVERIES: usize = 64;

/// Starts the task that calls `done`.
pub(crate) fn start_delivering(place: &'static ouzel_runtime, body: &Body, id: (u32, u32)) {
    body.work_begun();
    spawn_ours(body, Deliver { place, id });
}

impl Future for Deliver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(body) = self.place.body() else { return Poll::Ready(()) };
        for _ in 0..DELIVERIES {
            let Some((done, ud)) = body.ops.callback(self.id, cx.waker()) else { return Poll::Ready(()) };
            let mut taken = match body.ops.look(self.id, Some(cx.waker()), true) {
                Ok(Some(taken)) => taken,
                Ok(None) => return Poll::Pending,
                Err(_) => return Poll::Ready(()),
            };
            body.buffers.hand_out(&mut taken.cqe);
            let last = taken.is_last();
            let _inside = Inside::new(self.place);
            guard(|| {
                done(ud.0, &raw const taken.cqe);
                self.place.finish(body, taken);
            });
            if last {
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
            let _ = body.ops.abandon(self.id);
            body.work_ended();
        }
    }
}
