//! Room for one task at a time: of a type that has a name, or of so many bytes.
//!
//! | type                 | for                                                            |
//! |----------------------|----------------------------------------------------------------|
//! | [`TaskStorage<F>`]   | a future whose type can be written down                        |
//! | [`TaskSpace<BYTES>`] | any future that fits, such as an `async fn`'s; [`task_bytes`] counts |
//!
//! That it fits is checked when the program is compiled. Beside the payload a task takes two words for its scheduler
//! and its header: 40 bytes on a 32-bit processor, 64 on a 64-bit one.

use core::fmt;
use core::future::Future;

use super::JoinHandle;
use super::executor::Executor;
use crate::sync::const_fn;
use crate::task::Schedule;
use crate::task::place::{Payload, Place, handle};

/// The storage still holds a task: one that has not completed, or one that a handle, an
/// [`AbortHandle`](super::AbortHandle) or a waker refers to. Here is the future that was to be spawned.
pub struct Busy<F>(pub F);

impl<F> fmt::Debug for Busy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Busy(..)")
    }
}

impl<F> fmt::Display for Busy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task's storage is in use")
    }
}

impl<F> core::error::Error for Busy<F> {}

/// Storage for one task of type `F` at a time.
///
/// ```
/// # use ouzel_core::{driver::Unpark, fixed::{Executor, TaskStorage}};
/// # struct Never;
/// # impl Unpark for Never { fn unpark(&self) {} }
/// # static EXECUTOR: Executor = Executor::new(&Never);
/// static ANSWER: TaskStorage<core::future::Ready<u32>> = TaskStorage::new();
/// let handle = ANSWER.spawn(&EXECUTOR, core::future::ready(42)).unwrap();
/// assert!(!handle.is_finished(), "nobody runs it yet");
/// # handle.detach();
/// ```
pub struct TaskStorage<F: Future>(Place<Payload<F>>);

// SAFETY: a shared storage lets futures in and, through handles, outputs out; both are `Send`. All else in it
// is atomic, or belongs to whoever holds the task's N.
unsafe impl<F: Future + Send> Sync for TaskStorage<F> where F::Output: Send {}

/// Storage for one task at a time, of any type that takes no more than `BYTES`.
///
/// ```
/// # use ouzel_core::{driver::Unpark, fixed::{Executor, TaskSpace, task_bytes}};
/// # struct Never;
/// # impl Unpark for Never { fn unpark(&self) {} }
/// # static EXECUTOR: Executor = Executor::new(&Never);
/// async fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
/// static ADD: TaskSpace<{ task_bytes(add) }> = TaskSpace::new();
/// ADD.spawn_detached(&EXECUTOR, add(1, 2)).unwrap();
/// ```
///
/// A task that does not fit is refused by the compiler:
///
/// ```compile_fail
/// # use ouzel_core::{driver::Unpark, fixed::{Executor, TaskSpace}};
/// # struct Never;
/// # impl Unpark for Never { fn unpark(&self) {} }
/// # static EXECUTOR: Executor = Executor::new(&Never);
/// static SMALL: TaskSpace<8> = TaskSpace::new();
/// SMALL.spawn_detached(&EXECUTOR, core::future::ready([0u64; 9])).unwrap();
/// ```
pub struct TaskSpace<const BYTES: usize>(Place<Bytes<BYTES>>);

/// Bytes with the alignment that a task's payload may ask for.
#[cfg_attr(target_pointer_width = "64", repr(align(16)))]
#[cfg_attr(not(target_pointer_width = "64"), repr(align(8)))]
struct Bytes<const N: usize>([u8; N]);

// SAFETY: `claim` asks of each future and output that they are `Send`; the rest as for `TaskStorage`.
unsafe impl<const BYTES: usize> Sync for TaskSpace<BYTES> {}

impl<F: Future> TaskStorage<F> {
    const_fn! {
        /// Free storage.
        #[must_use]
        pub fn new() -> Self {
            TaskStorage(Place::new())
        }
    }
}

impl<F> TaskStorage<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Spawns `future` here. Any context; the executor's runner polls it.
    ///
    /// The storage is free again when the task is complete and its handles and wakers are gone.
    ///
    /// # Errors
    /// The storage is in use.
    pub fn spawn(
        &'static self,
        executor: &'static Executor,
        future: F,
    ) -> Result<JoinHandle<F::Output>, Busy<F>> {
        spawn(&self.0, executor, future)
    }

    /// The same without a handle: nobody hears of the output.
    ///
    /// # Errors
    /// The storage is in use.
    pub fn spawn_detached(&'static self, executor: &'static Executor, future: F) -> Result<(), Busy<F>> {
        spawn_detached(&self.0, executor, future)
    }
}

impl<const BYTES: usize> TaskSpace<BYTES> {
    const_fn! {
        /// Free storage.
        #[must_use]
        pub fn new() -> Self {
            TaskSpace(Place::new())
        }
    }

    /// See [`TaskStorage::spawn`].
    ///
    /// # Errors
    /// The storage is in use.
    pub fn spawn<F>(
        &'static self,
        executor: &'static Executor,
        future: F,
    ) -> Result<JoinHandle<F::Output>, Busy<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn(&self.0, executor, future)
    }

    /// See [`TaskStorage::spawn_detached`].
    ///
    /// # Errors
    /// The storage is in use.
    pub fn spawn_detached<F>(&'static self, executor: &'static Executor, future: F) -> Result<(), Busy<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn_detached(&self.0, executor, future)
    }
}

fn spawn<P, F>(
    place: &'static Place<P>,
    executor: &'static Executor,
    future: F,
) -> Result<JoinHandle<F::Output>, Busy<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = place.claim(executor, future, true).map_err(Busy)?;
    // SAFETY: claimed as joined just now, and this is the only handle that is made for it.
    let handle = unsafe { handle(&task) };
    executor.schedule(task);
    Ok(handle)
}

fn spawn_detached<P, F>(
    place: &'static Place<P>,
    executor: &'static Executor,
    future: F,
) -> Result<(), Busy<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    executor.schedule(place.claim(executor, future, false).map_err(Busy)?);
    Ok(())
}

/// A function that makes a future, of up to four arguments: an `async fn`.
pub trait Makes<Arguments> {
    /// What it makes.
    type Future: Future;
}

macro_rules! makes {
    ($($arguments:ident)*) => {
        impl<F, R: Future, $($arguments),*> Makes<($($arguments,)*)> for F
        where
            F: FnOnce($($arguments),*) -> R,
        {
            type Future = R;
        }
    };
}
makes!();
makes!(A);
makes!(A B);
makes!(A B C);
makes!(A B C D);

/// The bytes that a task needs whose future `make` makes: its future or its output, whichever is larger.
pub const fn task_bytes<A, F: Makes<A> + Copy>(make: F) -> usize {
    let _ = make;
    size_of::<Payload<F::Future>>()
}

impl<F: Future> Default for TaskStorage<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> Default for TaskSpace<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Future> fmt::Debug for TaskStorage<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskStorage").field(&self.0).finish()
    }
}

impl<const BYTES: usize> fmt::Debug for TaskSpace<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskSpace").field(&self.0).finish()
    }
}
