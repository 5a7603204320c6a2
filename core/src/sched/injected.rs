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

#[cfg(all(test, not(any(ouzel_loom, ouzel_shuttle))))]
mod tests {
    use super::Take;
    use crate::queue::testing::Item;
    use crate::queue::{Inject, StackInject};
    use std::vec::Vec;

    fn all(queue: &impl Take<Item>) -> Vec<u32> {
        let mut ids: Vec<u32> = queue.take(0).0.map(Item::id).into_iter().collect();
        loop {
            let (mut batch, _) = queue.take_batch(0, 2);
            let before = ids.len();
            ids.extend(core::iter::from_fn(|| batch.pop_front()).map(Item::id));
            if ids.len() == before {
                return ids;
            }
        }
    }

    #[test]
    fn both_forms_give_every_task_in_order() {
        let (inject, stack) = (Inject::new(1), StackInject::new(1));
        for id in 0..7 {
            inject.push(0, Item::new(id));
            stack.push(0, Item::new(id));
        }
        assert_eq!(all(&inject), (0..7).collect::<Vec<_>>());
        assert_eq!(all(&stack), (0..7).collect::<Vec<_>>());
    }
}
