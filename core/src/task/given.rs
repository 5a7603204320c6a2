//! Where a future waits until it is moved into its task: nothing is moved before there is a cell for it.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr;

/// Holds a future, or what has moved away.
pub(crate) trait Source<F> {
    /// Where the future lies.
    ///
    /// # Panics
    /// If there is none, as far as this can tell.
    fn place(&mut self) -> *const F;

    /// Forgets the future.
    ///
    /// # Safety
    /// It has moved.
    unsafe fn moved(&mut self);
}

impl<F> Source<F> for Option<F> {
    #[inline(always)]
    fn place(&mut self) -> *const F {
        self.as_mut().expect("there is a future to spawn")
    }

    #[inline(always)]
    unsafe fn moved(&mut self) {
        // SAFETY: not dropped: it has moved.
        unsafe { ptr::from_mut(self).write(None) };
    }
}

/// A future that is to be spawned, without a mark that tells whether it was: of a small one, writing and clearing the mark
/// is a tenth of a spawn.
///
/// It is not dropped unless it is taken.
#[repr(transparent)]
pub struct Given<F>(ManuallyDrop<F>);

impl<F> Given<F> {
    /// Holds `future`.
    #[inline(always)]
    pub fn new(future: F) -> Self {
        Given(ManuallyDrop::new(future))
    }

    /// Takes the future back.
    ///
    /// # Safety
    /// No spawn has taken it, and it was not taken before.
    #[inline(always)]
    pub unsafe fn take(&mut self) -> F {
        // SAFETY: the caller's promise.
        unsafe { ManuallyDrop::take(&mut self.0) }
    }
}

impl<F> Source<F> for Given<F> {
    #[inline(always)]
    fn place(&mut self) -> *const F {
        &raw const *self.0
    }

    #[inline(always)]
    unsafe fn moved(&mut self) {}
}

impl<F> fmt::Debug for Given<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").finish_non_exhaustive()
    }
}
