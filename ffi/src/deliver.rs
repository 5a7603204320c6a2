//! Calling the host: `done` for each completion, `release` once per operation.
//!
//! **`release` runs exactly once.** It travels in the operation's payload ([`Lent`]). Who takes the last
//! completion gets the payload back and calls it. An operation without a holder has its payload dropped by the
//! reactor, in the middle of its work: then it goes to [`Released`], and a task of ours calls it outside.
//!
//! Both tasks of ours run where tasks do: on a loop thread, with nothing of ouzel borrowed or locked.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::guard::guard;
use crate::options::UdFn;
use crate::place::{Body, Engine, Inside, Ud, ouzel_runtime};

/// The payload of an operation: the duty to tell the host that its buffers are free.
pub(crate) struct Lent {
    place: &'static ouzel_runtime,
    release: Option<UdFn>,
    ud: Ud,
    /// Of a blocking job: it is counted as running until this is gone.
    job: Option<Arc<Jobs>>,
}

/// How many blocking jobs have not ended. Outlives the runtime with the last of them.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    running: Mutex<usize>,
    none: Condvar,
}

impl Jobs {
    fn add(&self, n: isize) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = running.checked_add_signed(n).expect("as many ends as beginnings");
        if *running == 0 {
            self.none.notify_all();
        }
    }

    /// Waits until there is none. False: the time was over.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running > 0 {
            running = match deadline {
                None => self.none.wait(running).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.none.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

impl Lent {
    pub(crate) fn new(place: &'static ouzel_runtime, release: Option<UdFn>, ud: Ud) -> Self {
        Lent { place, release, ud, job: None }
    }

    /// The same for what a blocking job is lent.
    pub(crate) fn for_job(mut self, jobs: &Arc<Jobs>) -> Self {
        jobs.add(1);
        self.job = Some(Arc::clone(jobs));
        self
    }

    /// The call to make, now that the operation is over; the duty is passed on.
    pub(crate) fn settle(mut self) -> Release {
        Release(self.release.take(), self.ud)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.release.is_some()
            && let Ok(body) = self.place.body()
        {
            body.released.push(Release(self.release.take(), self.ud));
        }
        if let Some(jobs) = self.job.take() {
            jobs.add(-1); // the runtime may be freed from here on
        }
    }
}

/// A `release` to be called, outside of everything.
#[must_use]
#[derive(Debug)]
pub(crate) struct Release(Option<UdFn>, Ud);

impl Release {
    pub(crate) const NONE: Release = Release(None, Ud(core::ptr::null_mut()));

    pub(crate) fn call(self) {
        if let Release(Some(release), ud) = self {
            release(ud.0);
        }
    }
}

/// Releases of operations that nobody holds, until our task calls them.
#[derive(Debug, Default)]
pub(crate) struct Released(Mutex<(Vec<Release>, Option<Waker>)>);

impl Released {
    fn push(&self, release: Release) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0.push(release);
        let waker = inner.1.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Calls all that wait. The thread may call host code.
    pub(crate) fn run(&self, place: &'static ouzel_runtime) {
        let _inside = Inside::new(place);
        loop {
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).0.pop();
            let Some(release) = next else { return };
            guard(|| release.call());
        }
    }

    fn wait(&self, waker: &Waker) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(waker.clone());
    }
}

/// The task that calls releases.
struct Releasing(&'static ouzel_runtime);

impl Future for Releasing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Ok(body) = self.0.body() {
            // First the waker, then the list: what comes in between wakes us.
            body.released.wait(cx.waker());
            body.released.run(self.0);
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
            let mut taken = match body.ops.look(body, self.id, Some(cx.waker()), true) {
                Ok(Some(taken)) => taken,
                Ok(None) => return Poll::Pending,
                Err(_) => return Poll::Ready(()),
            };
            body.buffers.hand_out(&mut taken.cqe);
            let last = taken.is_last();
            let _inside = Inside::new(self.place);
            guard(|| {
                done(ud.0, &raw const taken.cqe);
                taken.finish(self.place, body);
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
