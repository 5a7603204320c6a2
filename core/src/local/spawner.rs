//! What other threads hold of an executor: spawn onto it, wake and abort its tasks, or just wake it up.

use alloc::sync::Arc;
use core::future::Future;

use super::cell;
use super::newborn::Newborn;
use super::packet::{Reporting, SendJoinHandle, packet};
use super::shared::{Job, Shared};
use crate::slab::Slab;
use crate::task::in_slab::untouched;
use crate::task::{TaskId, TaskState, WakeResult};

/// A handle on a [`LocalExecutor`](super::LocalExecutor) for other threads. It keeps nothing running: once
/// the executor is gone, spawns are refused and ids are stale.
#[derive(Clone, Debug)]
pub struct LocalSpawner(Arc<Shared>);

impl LocalSpawner {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        LocalSpawner(shared)
    }

    /// Spawns a future on the executor's thread. It takes two locks for a moment, and allocates nothing in
    /// steady state.
    ///
    /// # Errors
    /// The executor is shut down, or memory has run out; the future is given back.
    pub fn spawn_send<F>(&self, future: F) -> Result<SendJoinHandle<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (task, handle) = self.with_slab(future, |slab, future| {
            let (to, handle) = packet(slab)?;
            let mut reporting = future.take().map(|future| Reporting { future, to });
            let task = Newborn::new(slab, &mut reporting);
            *future = reporting.map(|refused| refused.future);
            Some((task?, handle))
        })?;
        // SAFETY: it was made of a `Reporting<F>`, a few lines above.
        self.submit(task).map_err(|task| unsafe { task.into_future::<Reporting<F>>() }.future)?;
        Ok(handle)
    }

    /// As [`spawn_send`](Self::spawn_send), without a handle: nobody hears how it ends.
    ///
    /// # Errors
    /// As for `spawn_send`.
    pub fn spawn_detached<F>(&self, future: F) -> Result<(), F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.with_slab(future, Newborn::new)?;
        // SAFETY: it was made of an `F`, on the line above.
        self.submit(task).map_err(|task| unsafe { task.into_future::<F>() })
    }

    /// As [`spawn_detached`](Self::spawn_detached), and gives out the task's id; `named` is told it before the executor
    /// can have run the task, and also if the executor then refuses it.
    ///
    /// Until the executor has taken the task in, at its next turn, the id is *stale*: such a task is to be polled in any
    /// case. An [`abort`](Self::abort) by it reaches the task all the same.
    ///
    /// # Errors
    /// As for `spawn_detached`.
    pub fn spawn_named<F>(&self, future: F, named: impl FnOnce(TaskId)) -> Result<TaskId, F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.with_slab(future, Newborn::new)?;
        let id = task.id();
        named(id);
        let submitted = self.0.submit(Job::SpawnNamed(task));
        // SAFETY: it was made of an `F`, in this function.
        submitted.map_err(|job| unsafe { job.into_task().into_future::<F>() })?;
        Ok(id)
    }

    /// Makes something of `future` in the slab for other threads' tasks; gives it back once that is closed.
    fn with_slab<F, R>(
        &self,
        future: F,
        make: impl FnOnce(&Slab, &mut Option<F>) -> Option<R>,
    ) -> Result<R, F> {
        let mut future = Some(future);
        let made = self.0.foreign.with(|| self.0.slab_meta(), |slab| make(slab?, &mut future));
        made.ok_or_else(|| untouched(future))
    }

    fn submit(&self, task: Newborn) -> Result<(), Newborn> {
        self.0.submit(Job::Spawn(task)).map_err(Job::into_task)
    }

    /// Makes the executor's sleep, or its next one, end.
    pub fn notify(&self) {
        self.0.unpark();
    }

    /// Wakes the task that `id` names, if it is still there. Lock-free and without allocation, so it may be
    /// called in signal handlers, also of the executor's own thread.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        cell::wake_by_id_elsewhere(&self.0, id, || self.0.unpark())
    }

    /// Wakes many tasks and then, once, the executor; returns how many were queued by this. As [`wake`](Self::wake).
    pub fn wake_many(&self, ids: impl IntoIterator<Item = TaskId>) -> usize {
        /// Unparks, also if the iterator panics: others may have relied on it already.
        struct Unpark<'a>(&'a Shared, bool);

        impl Drop for Unpark<'_> {
            fn drop(&mut self) {
                if self.1 {
                    self.0.unpark();
                }
            }
        }

        let mut unpark = Unpark(&self.0, false);
        let wake = |id| cell::wake_by_id_elsewhere(&self.0, id, || unpark.1 = true);
        ids.into_iter().map(wake).filter(|woken| *woken == WakeResult::Queued).count()
    }

    /// What the task that `id` names is doing.
    #[must_use]
    pub fn state(&self, id: TaskId) -> TaskState {
        id.state(&self.0.table)
    }

    /// Bytes set aside for the executor's tasks at this moment.
    #[must_use]
    pub fn task_bytes(&self) -> u64 {
        self.0.table.bytes()
    }

    /// Asks the owner to abort the task that `id` names. False: the executor is shut down. Whether the task is
    /// still there is found out on its thread.
    pub fn abort(&self, id: TaskId) -> bool {
        self.0.submit_abort(id)
    }
}
