//! A long value received straight into its item.

use std::sync::Arc;

use ouzel::buf::{IoBuf, IoBufMut};

use super::session::{Mode, Session};
use super::value::Update;
use crate::store::Store;

/// Values of which so much is still to come are worth it: receiving has to change its ways for it, and back.
const FROM: usize = 64 * 1024;

/// The rest of a value as a buffer. While it is lent the session takes nothing; dropped, the value is given up.
#[derive(Debug)]
pub struct Bulk {
    update: Option<Update>,
    left: usize,
    filled: usize,
    store: Arc<Store>,
}

// SAFETY: the bytes are the item's, in the store's memory, and the item is this value's alone until it is linked.
unsafe impl IoBuf for Bulk {
    fn as_ptr(&self) -> *const u8 {
        self.update.as_ref().map_or(std::ptr::null(), |u| u.to.cast_const())
    }
    fn len(&self) -> usize {
        self.filled
    }
}

// SAFETY: as above; `left` bytes of the item are not filled yet.
unsafe impl IoBufMut for Bulk {
    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.update.as_ref().map_or(std::ptr::null_mut(), |u| u.to)
    }
    fn capacity(&self) -> usize {
        self.left
    }
    unsafe fn set_filled(&mut self, n: usize) {
        self.filled = n;
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        if let Some(update) = self.update.take() {
            update.give_up(&self.store);
        }
    }
}

impl Session {
    /// Whether what comes next is the rest of a long value.
    #[must_use]
    pub fn wants_bulk(&self) -> bool {
        matches!(self.mode, Mode::Body(FROM..)) && self.filling.is_some()
    }

    /// The rest of the value as a buffer, to come back by [`Session::take_back`].
    pub fn lend(&mut self, store: &Arc<Store>) -> Option<Bulk> {
        let Mode::Body(left) = self.mode else { return None };
        let update = Some(self.filling.take()?);
        Some(Bulk { update, left, filled: 0, store: Arc::clone(store) })
    }

    /// The buffer comes back, with so much in it as was received.
    pub fn take_back(&mut self, mut bulk: Bulk) {
        let Some(mut update) = bulk.update.take() else { return };
        update.to = update.to.wrapping_add(bulk.filled);
        update.direct += bulk.filled;
        let left = bulk.left - bulk.filled;
        self.mode = if left == 0 { Mode::Tail(None) } else { Mode::Body(left) };
        self.filling = Some(update);
    }
}
