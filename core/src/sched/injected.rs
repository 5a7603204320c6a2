//! The injection queue as the workers use it, in the form the build chose.

use crate::queue::{Chain, Inject, Linked, StackInject};
use crate::task::Notified;

#[cfg(not(ouzel_switch = "inject_stack"))]
pub(super) type Injected = Inject<Notified>;
#[cfg(ouzel_switch = "inject_stack")]
pub(super) type Injected = StackInject<Notified>;

/// What the two forms have in common. The `bool`: tasks are left that a worker on its way to sleep may have
/// missed, so somebody must look for sleepers.
pub(super) trait Take<T: Linked> {
    fn take(&self, start: usize) -> (Option<T>, bool);
    fn take_batch(&self, start: usize, room: usize) -> (Chain<T>, bool);
}

impl<T: Linked> Take<T> for Inject<T> {
    #[inline]
    fn take(&self, start: usize) -> (Option<T>, bool) {
        (self.pop(start), false)
    }

    #[inline]
    fn take_batch(&self, start: usize, room: usize) -> (Chain<T>, bool) {
        (self.pop_batch(start, room), false)
    }
}

impl<T: Linked> Take<T> for StackInject<T> {
    #[inline]
    fn take(&self, start: usize) -> (Option<T>, bool) {
        self.pop(start)
    }

    #[inline]
    fn take_batch(&self, start: usize, room: usize) -> (Chain<T>, bool) {
        self.pop_batch(start, room)
    }
}
