//! The provided buffers that the host has: handed out with a completion, until they are given back.

use core::cell::RefCell;

use ouzel::op::raw;

use crate::op::{OUZEL_CQE_BUFFER, ouzel_cqe};

/// `OUZEL_BUF_GROUP_DEFAULT`.
pub const OUZEL_BUF_GROUP_DEFAULT: u32 = 0;

/// Which provided buffers the host has: a bit each. Touched on the loop thread of a host-driven runtime.
#[derive(Debug, Default)]
pub(crate) struct Buffers(RefCell<Vec<u64>>);

impl Buffers {
    /// Notes that a completion brings the host a buffer, and where it is.
    #[inline(always)]
    pub(crate) fn hand_out(&self, cqe: &mut ouzel_cqe) {
        if cqe.flags & OUZEL_CQE_BUFFER != 0 {
            self.note(cqe);
        }
    }

    fn note(&self, cqe: &mut ouzel_cqe) {
        let (word, bit) = (cqe.buf_id as usize / 64, cqe.buf_id % 64);
        let mut words = self.0.borrow_mut();
        if word >= words.len() {
            words.resize(word + 1, 0);
        }
        words[word] |= 1 << bit;
        cqe.extra = raw::buffer(cqe.buf_id as u16).map_or(0, |p| p as u64);
    }

    pub(crate) fn is_out(&self, id: u32) -> bool {
        self.0.borrow().get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 != 0)
    }

    /// False if the host does not have it.
    pub(crate) fn take_back(&self, id: u32) -> bool {
        let out = self.is_out(id);
        if out {
            self.0.borrow_mut()[id as usize / 64] &= !(1 << (id % 64));
        }
        out
    }
}
