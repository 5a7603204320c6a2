//! Permits that tasks take and give back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ouzel_core::waiting::{self, Ticket};

use super::waits::assert_waits;

/// A number of permits. A task takes some of them, and waits while there are too few.
///
/// Who asks first is served first: a task that wants many is not passed by others that want few.
///
/// ```
/// use ouzel::sync::Semaphore;
/// use std::rc::Rc;
/// # fn main() -> std::io::Result<()> {
/// // Eight tasks, of which two at a time do something.
/// ouzel::LocalRuntime::new()?.block_on(async {
///     let turns = Rc::new(Semaphore::new(2));
///     let tasks: Vec<_> = (0..8)
///         .map(|n| {
///             let turns = turns.clone();
///             ouzel::spawn_local(async move {
///                 let _turn = turns.acquire(1).await;
///                 ouzel::yield_now().await;
///                 n
///             })
///         })
///         .collect();
///     for (n, task) in tasks.into_iter().enumerate() {
///         assert_eq!(task.await.unwrap(), n);
///     }
///     assert_eq!(turns.available(), 2);
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Semaphore(waiting::Semaphore);

impl Semaphore {
    /// A semaphore with so many permits.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Semaphore(waiting::Semaphore::new(permits))
    }

    /// Waits until `n` permits are free and it is this task's turn. They go back when the guard is dropped.
    ///
    /// Dropping the future gives up waiting.
    pub fn acquire(&self, n: usize) -> Acquire<'_> {
        Acquire { semaphore: self, n, ticket: None }
    }

    /// `n` permits, if they are free and nobody waits for any.
    #[must_use]
    pub fn try_acquire(&self, n: usize) -> Option<Permit<'_>> {
        self.0.try_acquire(n).then(|| Permit { semaphore: self, n })
    }

    /// Adds permits.
    ///
    /// # Panics
    /// If there are more than can be counted.
    pub fn add(&self, n: usize) {
        assert!(self.0.release(n), "a semaphore has more permits than can be counted");
    }

    /// Permits that are free at this moment.
    #[must_use]
    pub fn available(&self) -> usize {
        self.0.available()
    }
}

/// See [`Semaphore::acquire`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
    n: usize,
    ticket: Option<Ticket>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Permit<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        let (semaphore, n) = (self.semaphore, self.n);
        let taken = semaphore.0.poll_acquire(&mut self.ticket, n, cx.waker());
        assert_waits(&taken, self.ticket.as_ref());
        taken.map(|()| Permit { semaphore, n })
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.semaphore.0.leave(ticket);
        }
    }
}

/// Permits taken; dropping it gives them back.
#[derive(Debug)]
#[must_use = "dropped, the permits are given back at once"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    n: usize,
}

impl Permit<'_> {
    /// Does not give them back: there are fewer from now on, until [`Semaphore::add`] is called.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.add(self.n);
    }
}
